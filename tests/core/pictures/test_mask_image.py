"""Masks of objects: what is on them, and that they go the way of their photos."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ImageError, SettingError
from core.pictures.mask_image import mask_seen, open_mask
from core.pictures.picture import picture_from_bytes
from core.pictures.preprocessing import MODES, Preprocessing
from core.trust.localisation import localisation

SQUARE = Preprocessing(4, 4, (0.5,), (0.5,), "bilinear")


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_all_that_is_not_zero_is_the_object():
    expected = [[False, True, True], [True, False, True]]
    greys = np.array([[0, 1, 255], [128, 0, 7]], np.uint8)
    palette = Image.fromarray(greys).convert("P")
    palette.putdata(greys.ravel().tolist())
    palette.putpalette([0, 0, 0] * 256)  # by their index, whatever the colour
    clear = np.dstack([np.full((2, 3, 3), 200, np.uint8), np.where(greys, 255, 0)]).astype(np.uint8)
    for image in (
        Image.fromarray(greys),
        Image.fromarray(greys.astype(np.uint16) * 256),
        Image.fromarray(greys > 0),
        Image.fromarray(np.dstack([greys * 0, greys * 0, greys])),
        palette,
        Image.fromarray(clear),
    ):
        assert open_mask(encoded(image)).tolist() == expected
    many = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    assert open_mask(encoded(Image.fromarray(many))).sum() == 65535


def test_what_is_no_mask_is_refused():
    grey = Image.fromarray(np.ones((40, 40), np.uint8))
    for data in (b"", b"no picture", encoded(grey, "JPEG")):
        with pytest.raises(ImageError, match=r"^The mask is no PNG of at most"):
            open_mask(data)
    with pytest.raises(ImageError, match=r"^The mask is damaged"):
        open_mask(encoded(grey)[:60])


def test_what_does_not_fit_the_photo_is_refused():
    mask = np.zeros((4, 8), bool)
    with pytest.raises(SettingError, match=r"8 × 4 pixels and the photo 4 × 8: make both"):
        mask_seen(~mask, SQUARE, (4, 8))
    with pytest.raises(SettingError, match=r"marks nothing: all of its pixels are black"):
        mask_seen(mask, SQUARE, (8, 4))
    mask[:, 0] = True  # which the crop cuts off
    with pytest.raises(SettingError, match=r"nothing in the part of the photo that the model sees"):
        mask_seen(mask, SQUARE, (8, 4))


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    size=st.tuples(st.integers(60, 120), st.integers(60, 120)),
    resize=st.integers(40, 80),
    crop=st.tuples(st.integers(33, 64), st.integers(33, 64)),
    corner=st.tuples(st.floats(0.2, 0.5), st.floats(0.2, 0.5)),
    side=st.integers(12, 30),
    orientation=st.integers(1, 8),
    own=st.booleans(),
)
def test_a_detector_of_a_bright_square_finds_the_square(
    mode, size, resize, crop, corner, side, orientation, own
):
    """However the photo comes to the model, its mask comes with it."""
    width, height = size
    left, top = (int(share * length) for share, length in zip(corner, size, strict=True))
    stored = np.zeros((height, width), np.uint8)
    stored[top : top + side, left : left + side] = 255
    exif = Image.Exif()
    exif[274] = orientation
    photo = picture_from_bytes(encoded(Image.fromarray(stored), exif=exif))
    upright = np.asarray(photo.image.convert("L"))
    # The mask as a viewer shows the photo, or with the photo's own pixels and orientation.
    mask = encoded(Image.fromarray(stored), exif=exif) if own else encoded(Image.fromarray(upright))
    way = Preprocessing(resize, crop, (0.0,), (1.0,), "bilinear", mode, fill=(0, 0, 0))
    values = way.tensor(photo.image)[0, 0].numpy()
    if values.max() < 0.5:
        return  # the crop has cut it off
    seen = mask_seen(open_mask(mask), way, photo.image.size)
    assert seen.shape == values.shape
    found = localisation(values, seen)
    assert found.pointing == 1
    assert found.mass > 0.85  # the border of the square is soft in what the model sees
    assert found.rank > 0.85
