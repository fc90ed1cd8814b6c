"""Inputs that are squashed, padded, rectangular, grey, in another order or on another scale."""

import io
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from core.errors import ModelError
from core.methods.baselines import baseline_tensor
from core.methods.captum_occlusion import captum_occlusion
from core.methods.scores import Question
from core.pictures.picture import picture_from_bytes
from core.pictures.preprocessing import INTERPOLATIONS, MODES, Box, Preprocessing

WHOLE = (0.0,), (1.0,)


def plain(resize, crop, mode="short side", **options):
    """A transform that leaves values in 0..1."""
    return Preprocessing(resize, crop, *WHOLE, options.pop("interpolation", "box"), mode, **options)


def columns(width=4, height=2):
    """A photo whose columns tell where they are."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[...] = (10 * np.arange(1, width + 1))[None, :, None]
    return Image.fromarray(pixels)


def values(tensor):
    return (tensor[0, 0] * 255).round().int().tolist()


def test_each_mode_by_hand():
    assert values(plain(2, 2).tensor(columns())) == [[20, 30]] * 2
    assert values(plain(2, 2, "squash").tensor(columns())) == [[15, 35]] * 2
    padded = plain(4, 4, "letterbox", fill=(7, 7, 7)).tensor(columns())
    assert values(padded) == [[7] * 4, *[[10, 20, 30, 40]] * 2, [7] * 4]
    assert values(plain(4, (3, 2), "none").tensor(columns())) == [[20, 30]] * 2 + [[0, 0]]
    assert values(plain((2, 2), (2, 2)).tensor(columns(4, 4))) == [[15, 35]] * 2
    # Of a rectangle the photo covers all: the shorter way round decides.
    assert values(plain((1, 4), (1, 4)).tensor(columns(4, 4))) == [[10, 20, 30, 40]]


@pytest.mark.parametrize(
    ("mode", "size", "box"),
    [
        ("short side", (400, 200), (100, 0, 300, 200)),
        ("squash", (400, 200), (0, 0, 400, 200)),
        ("letterbox", (400, 200), (0, -100, 400, 300)),
        ("letterbox", (200, 400), (-100, 0, 300, 400)),
        ("none", (400, 200), (150, 50, 250, 150)),
        ("none", (60, 200), (-20, 50, 80, 150)),
    ],
)
def test_the_part_of_the_photo_that_is_seen(mode, size, box):
    assert plain(100, 100, mode).crop_box(size) == pytest.approx(Box(*box))


def test_sizes_are_pairs_where_they_must_be_and_numbers_where_they_can():
    assert plain(256, (224, 224)).crop == 224
    assert plain(256, (224, 160)).size == (224, 160)
    assert plain(256, 224) == plain(256, [224, 224])
    assert plain(256, 224, "none") == plain(1, 224, "none")
    assert hash(plain([256, 300], [224, 160])) == hash(plain((256, 300), (224, 160)))
    assert plain(256, 224).mean == (0.0, 0.0, 0.0)
    assert asdict(plain(224, 224, "squash"))["resize"] == (224, 224)


@pytest.mark.parametrize("channels", [0, -1, 513, True, 1.0, "3"])
def test_no_model_takes_such_channels(channels):
    with pytest.raises(ModelError) as caught:
        plain(8, 8, channels=channels)
    assert str(caught.value) == (
        f"The model takes {channels!r} channels: choose a model of 1 to 512."
    )
    with pytest.raises(ModelError, match="mean has 2 numbers"):
        Preprocessing(8, 8, (0.1, 0.2), (1.0,), "bilinear")


def test_grey_is_pillows():
    photo = Image.effect_noise((40, 30), 90).convert("RGB")
    photo.paste((200, 30, 90), (0, 0, 20, 30))
    grey = plain(30, 30, channels=1)
    seen = grey.picture(photo)
    assert seen.mode == "RGB"
    assert seen.convert("L").tobytes() == photo.convert("L").crop((5, 0, 35, 30)).tobytes()
    assert grey.tensor(photo).shape == (1, 1, 30, 30)
    assert grey.image(grey.tensor(photo)).tobytes() == seen.tobytes()


def test_order_and_scale():
    photo = Image.new("RGB", (8, 8), (255, 0, 51))
    tensor = Preprocessing(
        8, 8, (100.0, 50.0, 10.0), (1.0, 2.0, 5.0), "bilinear", order="BGR", scale=255
    ).tensor(photo)
    assert tensor[0, :, 0, 0].tolist() == [-49, -25, 49]
    half = Preprocessing(8, 8, (1.0,), (1.0,), "bilinear", scale=2.0).tensor(photo)
    torch.testing.assert_close(half[0, :, 0, 0], torch.tensor([1.0, -1.0, -0.6]))


KINDS = {
    "grey": {"channels": 1, "mean": (0.4,), "std": (0.2,)},
    "BGR": {"order": "BGR"},
    "bytes": {"scale": 255.0, "mean": (104.0, 117.0, 123.0), "std": (1.0, 57.0, 58.0)},
    "BGR bytes": {"order": "BGR", "scale": 255.0, "mean": (104.0, 117.0, 123.0), "std": (1.0,)},
    "wide": {"crop": (20, 50), "resize": (24, 60)},
    "letterbox": {"mode": "letterbox", "resize": 33},
}
USUAL = {"resize": 40, "crop": 32, "mean": (0.5, 0.4, 0.3), "std": (0.3, 0.2, 0.1)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_as_a_picture_undoes_everything(kind):
    preprocessing = Preprocessing(**USUAL | KINDS[kind], interpolation="bicubic")
    pixels = np.random.default_rng(0).integers(0, 256, (47, 61, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels)
    seen = preprocessing.picture(photo)
    assert seen.size == preprocessing.size[::-1]
    assert preprocessing.image(preprocessing.tensor(photo)).tobytes() == seen.tobytes()
    # What a bundle keeps is a picture all of which is seen, unchanged.
    assert torch.equal(
        preprocessing.tensor(seen, Box(0, 0, *seen.size)), preprocessing.tensor(photo)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_baselines_in_the_models_order_scale_and_channels(kind):
    preprocessing = Preprocessing(**USUAL | KINDS[kind], interpolation="bicubic")
    photo = Image.effect_noise((90, 61), 90).convert("RGB")
    shape = (1, preprocessing.channels, *preprocessing.size)
    for name in ("grey", "black", "white", "mean", "blur:3", "noise:1"):
        tensor = baseline_tensor(name, preprocessing, photo)
        assert tensor.shape == shape, name
        seen = np.asarray(preprocessing.image(tensor)).reshape(-1, 3)
        if name == "grey":
            assert not tensor.any()
        elif name in ("black", "white"):
            assert (seen == (0 if name == "black" else 255)).all()
        elif name == "mean":
            colour = [124, 116, 104] if preprocessing.channels == 3 else [117] * 3
            assert (seen == colour).all()
        elif name == "noise:1":
            assert 100 < seen.mean() < 155
            assert seen.std() > 60


def test_padding_is_the_mean_colour_in_a_letterbox_and_black_elsewhere():
    mean = {"mean": (0.5, 0.25, 0.0), "std": (1.0,), "interpolation": "bilinear"}
    assert Preprocessing(8, 8, mode="letterbox", **mean).padding == (128, 64, 0)
    assert Preprocessing(8, 8, mode="letterbox", order="BGR", **mean).padding == (0, 64, 128)
    assert Preprocessing(8, 8, mode="none", **mean).padding == (0, 0, 0)
    grey = Preprocessing(8, 8, (51.0,), (1.0,), "box", "letterbox", channels=1, scale=255)
    assert grey.padding == (51, 51, 51)
    assert values(grey.tensor(Image.new("L", (8, 4), 51).convert("RGB"))) == [[0] * 8] * 8


def test_a_region_of_another_shape_loses_its_ends():
    wide = plain(10, (10, 20))
    assert wide.fitted(Box(0, 0, 100, 100)) == Box(0, 25, 100, 75)
    assert wide.fitted(Box(10, 10, 90, 20)) == Box(40, 10, 60, 20)
    assert wide.fitted(Box(3, 3, 43.2, 23)) == Box(3, 3, 43.2, 23)
    assert wide.seen((400, 100), None) == wide.crop_box((400, 100))
    assert wide.seen((400, 100), Box(0, 0, 100, 100)) == Box(0, 25, 100, 75)


def test_the_part_in_the_photos_own_detail():
    photo = columns(400, 200)
    assert plain(20, 20).part(photo, most=400).size == (200, 200)
    assert plain(20, 20, "squash").part(photo, most=400).size == (200, 200)
    padded = plain(20, 20, "letterbox", fill=(9, 8, 7)).part(photo, most=400)
    assert padded.size == (400, 400)
    assert padded.getpixel((200, 50)) == (9, 8, 7)
    assert padded.getpixel((3, 200)) == photo.getpixel((3, 100))
    smaller = plain(20, 20, "letterbox", fill=(9, 8, 7)).part(photo, most=100)
    assert smaller.size == (100, 100)
    assert smaller.getpixel((50, 24)) == (9, 8, 7)
    assert abs(smaller.getpixel((30, 50))[0] - photo.getpixel((122, 100))[0]) <= 10
    grey = plain(20, 20, "letterbox", channels=1, fill=(200, 0, 0)).part(photo, most=400)
    assert grey.getpixel((200, 50)) == (60, 60, 60)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 20), (20, 1), (2000, 100), (100, 2000)])
@pytest.mark.parametrize("crop", [32, (16, 300), (300, 16)])
def test_pixels_and_panoramas(mode, size, crop):
    """The part is bounded, whatever is padded, and nothing is lost of the smallest."""
    model = plain(crop, crop, mode, fill=(0, 0, 0), interpolation="bilinear")
    photo = Image.new("RGB", size, (200, 200, 200))
    tensor = model.tensor(photo)
    assert tensor.shape == (1, 3, *model.size)
    box = model.seen(size, None)
    assert box.left < box.right
    assert box.top < box.bottom
    part = model.part(photo, most=120)
    assert 1 <= min(part.size) <= max(part.size) <= 120
    # Both show the same share of the photo, as far as whole pixels can.
    inside = (min(box.right, size[0]) - max(box.left, 0)) * (
        min(box.bottom, size[1]) - max(box.top, 0)
    )
    share = inside / ((box.right - box.left) * (box.bottom - box.top))
    assert (tensor > 0.7).float().mean() == pytest.approx(share, abs=1 / min(model.size))
    assert (np.asarray(part) > 180).mean() == pytest.approx(share, abs=0.51 / min(part.size))


class Brightness(nn.Module):
    """A detector that adds up what is brighter than the mean colour, at every place alike."""

    def forward(self, x):
        return torch.stack([x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], 1)


def photographed(upright, orientation):
    """The bytes of a photo that a camera held otherwise has taken."""
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    held = upright if turned is None else upright.transpose(turned)
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    held.save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


@settings(max_examples=80)
@given(
    mode=st.sampled_from(MODES),
    crop=st.sampled_from([48, (32, 64), (64, 40)]),
    size=st.sampled_from([(240, 160), (150, 260), (120, 120), (70, 90)]),
    channels=st.sampled_from([1, 3]),
    interpolation=st.sampled_from(INTERPOLATIONS),
    across=st.floats(0.1, 0.9),
    down=st.floats(0.1, 0.9),
    orientation=st.sampled_from([1, 3, 6]),
    chosen=st.booleans(),
)
def test_the_map_put_back_on_the_photo_lies_on_what_was_found(
    mode, crop, size, channels, interpolation, across, down, orientation, chosen
):
    resize = crop if mode != "short side" or isinstance(crop, tuple) else 54
    model = Preprocessing(
        resize, crop, (128 / 255,), (0.25,), interpolation, mode, channels=channels
    )
    # A photo of the mean colour with a bright square somewhere in what the model sees.
    region = model.fitted(Box(0.1 * size[0], 0.15 * size[1], *size)) if chosen else None
    left, top, right, bottom = model.seen(size, region)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    side = 0.16 * min(right - left, bottom - top)
    x, y = left + across * (right - left - side), top + down * (bottom - top - side)
    square = [round(each) for each in (x, y, x + side, y + side)]
    upright = Image.new("RGB", size, (128,) * 3)
    upright.paste((255, 255, 255), tuple(square))
    picture = picture_from_bytes(photographed(upright, orientation))
    assert picture.image.size == size
    if region is not None:
        picture = picture.cropped(region, model.aspect)

    window = stride = 4
    inputs = model.tensor(picture.image, picture.region)
    values = captum_occlusion(
        Brightness(),
        inputs,
        Question(0),
        window=window,
        stride=stride,
        report=lambda *_: None,
    ).values
    assert values.shape == model.size

    # Where the map says something, in the photo's pixels.
    rows, cells = np.nonzero(np.abs(values) > 0.1 * np.abs(values).max())
    box = model.seen(size, picture.region)
    wide = (box.right - box.left) / model.size[1]
    tall = (box.bottom - box.top) / model.size[0]
    found = Box(
        box.left + cells.min() * wide,
        box.top + rows.min() * tall,
        box.left + (cells.max() + 1) * wide,
        box.top + (rows.max() + 1) * tall,
    )
    reach = (stride + 1) * wide, (stride + 1) * tall
    for edge in range(4):
        beyond = (found[edge] - square[edge]) * (-1 if edge < 2 else 1)
        assert -1.5 * (wide, tall)[edge % 2] - 1 <= beyond <= reach[edge % 2] + 1, (edge, found)
