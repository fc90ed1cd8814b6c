"""Pictures: opened, known by their bytes, made small."""

import hashlib
import io
from dataclasses import FrozenInstanceError

import pytest
from PIL import Image

from core.errors import ImageError, SettingError
from core.pictures.picture import Picture, picture_from_bytes, picture_from_file
from core.pictures.preprocessing import Box


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def stripes():
    image = Image.new("RGB", (600, 200), "red")
    image.paste((0, 0, 255), (200, 0, 400, 200))
    return image


def test_a_picture_is_known_by_its_bytes():
    data = png(stripes())
    picture = picture_from_bytes(data)
    assert picture.sha256 == hashlib.sha256(data).hexdigest()
    assert picture.image.tobytes() == stripes().tobytes()
    assert picture.notes == ()
    assert picture == picture_from_bytes(data)
    assert hash(picture) == hash(picture_from_bytes(data))
    assert picture != picture_from_bytes(png(Image.new("RGB", (600, 200))))
    with pytest.raises(FrozenInstanceError):
        picture.sha256 = ""


def test_what_was_changed_on_opening_is_said():
    see_through = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
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


@pytest.mark.parametrize("side", [16, 20, 300])
def test_a_thumbnail_is_the_centred_square(side):
    small = picture_from_bytes(png(stripes())).thumbnail(side)
    assert (small.size, small.mode) == ((side, side), "RGB")
    # Resampling mixes a little of the neighbouring stripes into the outermost columns.
    assert small.getpixel((side // 2, 0)) == small.getpixel((side // 4, side - 1)) == (0, 0, 255)
    assert small.getpixel((1, 1))[2] > 200
    assert small.getpixel((side - 2, 1))[2] > 200


def test_a_picture_can_be_put_together_by_hand():
    picture = Picture("00", stripes())
    assert picture.notes == ()
    assert "image" not in repr(picture), "a photo's pixels do not belong into a log"


def test_another_region_is_another_picture():
    picture = picture_from_bytes(png(stripes()))
    other = picture.cropped(Box(200, 0, 400, 200))
    assert other != picture
    assert other.key != picture.key
    assert (other.sha256, other.image) == (picture.sha256, picture.image)
    assert other == picture.cropped(Box(200.0, 0.0, 400.0, 200.0))
    assert picture.region is None


@pytest.mark.parametrize(
    "region",
    [
        (-1, 0, 99, 100),
        (0, 0, 201, 201),
        (501, 0, 601, 100),
        (0, 0, 100, 90),
        (0, 0, 15, 15),
        (50, 50, 50, 50),
        (100, 100, 50, 50),
        (float("nan"), 0, 100, 100),
    ],
)
def test_regions_that_are_no_square_of_the_photo(region):
    with pytest.raises(SettingError, match=r"choose a square of at least 16 pixels inside .*\.$"):
        picture_from_bytes(png(stripes())).cropped(Box(*region))
