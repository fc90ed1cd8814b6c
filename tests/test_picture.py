"""Pictures: opened, known by their bytes, made small."""

import hashlib
import io
from dataclasses import FrozenInstanceError

import pytest
from PIL import Image

from core.errors import ImageError
from core.picture import Picture, picture_from_bytes, picture_from_file


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def stripes():
    image = Image.new("RGB", (60, 20), "red")
    image.paste((0, 0, 255), (20, 0, 40, 20))
    return image


def test_a_picture_is_known_by_its_bytes():
    data = png(stripes())
    picture = picture_from_bytes(data)
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert picture.image.tobytes() == stripes().tobytes()
    assert picture.notes == ()
    assert picture == picture_from_bytes(data)
    assert hash(picture) == hash(picture_from_bytes(data))
    assert picture != picture_from_bytes(png(Image.new("RGB", (60, 20))))
    with pytest.raises(FrozenInstanceError):
        picture.sha256 = ""


def test_what_was_changed_on_opening_is_said():
    see_through = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture = picture_from_bytes(png(see_through))
    assert picture.image.getpixel((0, 0)) == (255, 255, 255)
    assert picture.notes
    assert all(isinstance(note, str) and note.endswith(".") for note in picture.notes)


def test_a_file_and_its_bytes_are_the_same_picture(tmp_path):
    path = tmp_path / "stripes.png"
    path.write_bytes(png(stripes()))
    assert picture_from_file(path) == picture_from_file(str(path))
    assert picture_from_file(path) == picture_from_bytes(path.read_bytes())


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ImageError) as refused:
        picture_from_file(tmp_path / "absent.png")
    assert str(refused.value) == (
        f"{tmp_path / 'absent.png'} cannot be read (No such file or directory): check the path."
    )
    with pytest.raises(ImageError, match="cannot be read"):
        picture_from_file(tmp_path)
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageError):
        picture_from_file(tmp_path / "text.png")


@pytest.mark.parametrize("side", [16, 20, 64])
def test_a_thumbnail_is_the_centred_square(side):
    small = Image.open(io.BytesIO(picture_from_bytes(png(stripes())).thumbnail(side)))
    assert (small.format, small.size, small.mode) == ("PNG", (side, side), "RGB")
    assert small.getcolors() == [(side * side, (0, 0, 255))]


def test_a_picture_can_be_put_together_by_hand():
    picture = Picture("00", stripes())
    assert picture.notes == ()
    assert "image" not in repr(picture), "a photo's pixels do not belong into a log"
