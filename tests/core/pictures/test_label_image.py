"""Label images: greys, palettes and colours, names, and what a model sees of them."""

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError, SettingError
from core.pictures.label_image import LabelImage, open_label_image
from core.pictures.preprocessing import Box, Preprocessing

NAMES = b"value,name\n1, beak \n3,left  wing\n77,nothing\n"
SQUARE = Preprocessing(4, 4, (0.5,), (0.5,), "bilinear")


def png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def greys(rows, dtype=np.uint8):
    return Image.fromarray(np.array(rows, dtype))


def test_values_of_greys_are_regions_and_zero_is_none():
    found = open_label_image(png(greys([[0, 7, 7], [3, 0, 200]])), 9)
    assert found.keys == ("3", "7", "200")
    assert found.labels.tolist() == [[0, 2, 2], [1, 0, 3]]
    found = open_label_image(png(greys([[5, 5], [9, 5]])), 9)
    assert found.labels.tolist() == [[1, 1], [2, 1]]
    found = open_label_image(png(greys([[0, 70], [60000, 0]], np.uint16)), 9)
    assert found.keys == ("70", "60000")


def test_indices_of_a_palette_are_regions():
    image = greys([[0, 1], [2, 2]])
    image = image.convert("P")
    image.putdata([0, 1, 2, 2])
    image.putpalette([0, 0, 0, 255, 0, 0, 255, 0, 0])  # two regions of one colour
    found = open_label_image(png(image), 9)
    assert found.keys == ("1", "2")
    found = open_label_image(png(image, transparency=2), 9)
    assert (found.keys, found.labels.tolist()) == (("1",), [[0, 1], [0, 0]])


def test_colours_are_regions_and_black_and_clear_are_none():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 255))
    image.putpixel((0, 0), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 255, 0, 128))
    image.putpixel((0, 1), (9, 9, 9, 0))
    found = open_label_image(png(image), 9)
    assert found.keys == ("#00ff00", "#ff0000")
    assert found.labels.tolist() == [[2, 1], [0, 0]]


def test_names_come_from_a_csv():
    data = png(greys([[1, 2], [0, 3]]))
    found = open_label_image(data, 9, NAMES)
    patches, names = found.seen(Preprocessing(2, 2, (0.5,), (0.5,), "bilinear"), (2, 2), None)
    assert names == (("1", "beak"), ("2", "2"), ("3", "left wing"))
    assert found.sha256 == open_label_image(data, 9).named(NAMES).sha256
    assert patches.tolist() == [[1, 2], [0, 3]]
    assert found.sha256 != open_label_image(data, 9).sha256
    for wrong in (b"\xff\xfe", b"8,other\n", b"", 500_001 * b"1\n"):
        with pytest.raises(SettingError, match=r"CSV"):
            open_label_image(data, 9, wrong)


@pytest.mark.parametrize("region", [None, Box(2, 1, 6, 5)])
def test_a_model_sees_the_part_that_it_sees_of_the_photo(region):
    """Each pixel of what is seen has the label of the pixel that the photo shows there."""
    labels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    image = LabelImage("0" * 64, labels, tuple(map(str, range(1, 48))))
    patches, names = image.seen(SQUARE, (8, 6), region)
    photo = Image.fromarray(np.stack([labels.astype(np.uint8)] * 3, axis=2))
    nearest = Preprocessing(4, 4, (0.5,), (0.5,), "nearest")
    expected = np.asarray(nearest.picture(photo, region))[..., 0]
    shown = np.array([0, *(int(each.key) for each in names)])[patches]
    np.testing.assert_array_equal(shown, expected)
    inside = np.unique(patches[patches > 0])
    assert inside.tolist() == list(range(1, len(names) + 1))


@pytest.mark.parametrize("means", [(0.5,), (0.1, 0.2, 0.3, 0.4, 0.5)])
def test_the_channels_of_the_model_do_not_matter(means):
    other = Preprocessing(4, 4, means, means, "bilinear", channels=len(means))
    labels = np.arange(300, 300 + 48, dtype=np.uint16).reshape(6, 8)
    image = LabelImage("0" * 64, labels, tuple(map(str, range(1, 400))))
    for found, expected in zip(
        image.seen(other, (8, 6), None), image.seen(SQUARE, (8, 6), None), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_what_is_padded_belongs_to_no_region():
    boxed = Preprocessing((4, 4), (4, 4), (0.5,), (0.5,), "bilinear", "letterbox")
    patches, names = LabelImage("0" * 64, np.ones((4, 8), np.uint16), ("1",)).seen(
        boxed, (8, 4), None
    )
    assert names == (("1", "1"),)
    assert patches.tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]


def test_what_does_not_fit_is_said():
    image = LabelImage("0" * 64, np.zeros((4, 4), np.uint16), ("1",))
    with pytest.raises(SettingError, match="is 4 × 4 pixels and the photo 8 × 6"):
        image.seen(SQUARE, (8, 6), None)
    with pytest.raises(SettingError, match="No region of the label image lies in the part"):
        image.seen(SQUARE, (4, 4), None)
    with pytest.raises(SettingError, match="has 4 regions: give 1 to 3"):
        open_label_image(png(greys([[1, 2], [3, 4]])), 3)
    with pytest.raises(SettingError, match="has 0 regions"):
        open_label_image(png(greys([[0, 0]])), 3)
    good = png(greys(np.random.default_rng(0).integers(0, 9, (99, 99))))
    for wrong in (b"", b"GIF89a", good[: len(good) // 2], b"\x89PNG\r\n\x1a\n" + bytes(50)):
        with pytest.raises(ImageError, match="label image"):
            open_label_image(wrong, 300)
