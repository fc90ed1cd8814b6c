"""Pictures of other channels than a photo's: arrays and TIFF pages, each seen as by Pillow."""

import io

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from scipy import ndimage
from torch import nn

from core.errors import ImageError, ModelError, SettingError
from core.methods.baselines import baseline_tensor
from core.methods.captum_occlusion import captum_occlusion
from core.methods.scores import Question
from core.pictures.channels import as_pixels, blurred, view
from core.pictures.pages import open_pages
from core.pictures.picture import picture_from_array, picture_from_bytes, picture_from_image
from core.pictures.preprocessing import INTERPOLATIONS, MODES, Box, Preprocessing

TYPES = ("uint8", "uint16", "float32")


def channels_of(kind="uint16", shape=(20, 30, 6), seed=0):
    """Random values over the whole range of a type, or around 0."""
    generator = np.random.default_rng(seed)
    if kind.startswith("float"):
        return generator.normal(0, 2, shape).astype(kind)
    return generator.integers(0, np.iinfo(kind).max + 1, shape).astype(kind)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def tiff(array, **options):
    """An array (H, W, N) as N pages."""
    buffer = io.BytesIO()
    pages = np.ascontiguousarray(array.transpose(2, 0, 1))
    tifffile.imwrite(buffer, pages, **{"photometric": "minisblack"} | options)
    return buffer.getvalue()


def model(**options):
    """A transform that leaves values as they are."""
    given = {"resize": 16, "crop": 16, "mean": (0.0,), "std": (1.0,), "channels": 6}
    return Preprocessing(**given | {"interpolation": "bilinear"} | options)


# What is taken, and what is refused


@pytest.mark.parametrize("kind", [*TYPES, ">u2", ">f4", "float16", "float64"])
def test_a_file_of_an_array_is_the_array(kind):
    array = channels_of("uint16" if kind == ">u2" else kind.replace(">f4", "float32")).astype(kind)
    picture = picture_from_bytes(npy(array))
    white = {"uint8": 255, "uint16": 65535}.get(array.dtype.name, 1)
    assert picture.pixels.dtype == (np.uint8 if kind == "uint8" else np.float32)
    expected = array if kind == "uint8" else (array / np.float64(white)).astype(np.float32)
    np.testing.assert_array_almost_equal_nulp(picture.pixels, expected, 1)
    assert not picture.is_photo
    assert picture.image.size == (30, 20)
    assert picture.notes[0].startswith(f"It has 6 channels ({array.dtype.name}, {white:,} is taken")
    same = picture_from_array(array)
    assert np.array_equal(same.pixels, picture.pixels)
    assert same.notes == picture.notes
    by_column = picture_from_bytes(npy(np.asfortranarray(array)))
    assert np.array_equal(by_column.pixels, picture.pixels)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3)])
def test_bytes_of_one_or_three_channels_are_a_photo(shape):
    array = channels_of("uint8", shape)
    picture = picture_from_bytes(npy(array))
    expected = Image.fromarray(array.squeeze()).convert("RGB")
    assert picture.pixels is None
    assert picture.image.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(9), "The array has shape (9,): give (H, W, 3) or, of N channels, (H, W, N)"),
        (np.zeros((2, 9, 9, 6)), "The array has shape (2, 9, 9, 6): give (H, W, 3)"),
        (np.zeros((3, 9, 9), np.uint8), "The array has shape (3, 9, 9): give (H, W, 3)"),
        (np.zeros((9, 0, 6)), "The array has shape (9, 0, 6): it holds no pixel."),
        (np.zeros((9, 9, 6), np.int16), "The array is of int16: give uint8, uint16 or floating"),
        (np.zeros((9, 9, 6), bool), "The array is of bool: give uint8"),
        (np.zeros((9, 9, 6), complex), "The array is of complex128: give uint8"),
        (np.full((9, 9, 6), np.nan), "The array holds numbers that are not finite (NaN or inf"),
        (np.full((9, 9, 6), -np.inf, "float32"), "The array holds numbers that are not finite"),
        (np.full((9, 9, 6), 1e300), "The array holds numbers that are not finite"),
        (
            np.zeros((9, 9, 513), np.uint8),
            "at most 512 channels and 50,000,000 numbers are allowed",
        ),
        (np.zeros((9, 200, 6), np.uint8), "200 × 9 pixels and its long side may be at most 20 t"),
        (np.full((9, 9, 3), 1.5), "The array's values go from 1.5 to 1.5"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(array, said):
    with pytest.raises(ImageError) as caught:
        picture_from_array(array)
    assert said in str(caught.value)
    with pytest.raises(ImageError) as again:
        picture_from_bytes(npy(array))
    assert str(again.value) == str(caught.value)


def test_more_numbers_than_a_picture_may_have_are_refused_before_they_are_copied():
    many = np.broadcast_to(np.uint8(0), (3000, 3000, 6))  # no memory behind it
    with pytest.raises(ImageError, match="50,000,000 numbers"):
        as_pixels(many)


@pytest.mark.parametrize(
    "data",
    [
        npy(channels_of())[:-1],
        npy(channels_of()) + b"x",
        npy(np.array([{}, 1], dtype=object), allow_pickle=True),
        npy(channels_of()).replace(b"(20, 30, 6)", b"(20, 30, 7)"),
        npy(channels_of()).replace(b"(20, 30, 6)", b"(20,-30,-6)"),
        npy(channels_of())[:40],
        b"\x93NUMPY\x03\x00" + bytes(200),
    ],
)
def test_damaged_arrays_and_pickles_are_refused_unread(data):
    with pytest.raises(ImageError, match=r"^The .npy file is incomplete, damaged or no plain"):
        picture_from_bytes(data)


def test_a_large_file_is_refused_by_its_size(monkeypatch):
    monkeypatch.setattr("core.pictures.images.MAX_BYTES", 1000)
    monkeypatch.setattr("core.pictures.picture.MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="at most 1,000 are allowed"):
        picture_from_bytes(npy(channels_of()))


# Pages


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": 2}]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_are_the_channels_whichever_way_they_are_written(kind, options, byteorder):
    if kind == "float32" and "predictor" in options:
        pytest.skip("tifffile writes no such file without another package")
    array = channels_of(kind)
    data = tiff(array, byteorder=byteorder, **options)
    found = open_pages(data, trusted=True)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    if byteorder == "<":
        assert np.array_equal(open_pages(data), found)  # by a process of its own


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_pages_where_zero_is_white_are_turned(kind):
    array = channels_of(kind)
    found = open_pages(tiff(array, photometric="miniswhite"), trusted=True)
    assert np.array_equal(found, np.iinfo(kind).max - array)


@pytest.mark.parametrize("kind", TYPES)
def test_pages_are_upright(kind):
    array = channels_of(kind)
    pages = [Image.fromarray(np.ascontiguousarray(array[..., n])) for n in range(6)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], tiffinfo={274: 6})
    picture = picture_from_bytes(buffer.getvalue(), trusted=True)
    assert picture.image.size == (20, 30)
    assert np.array_equal(picture.pixels, as_pixels(np.rot90(array, -1)))


def test_a_model_of_photos_takes_the_first_page_and_one_of_channels_all():
    array = channels_of("uint16")
    picture = picture_from_bytes(tiff(array))
    assert picture.notes[0] == (
        "The file holds 6 pages of one channel (uint16, 65,535 is taken as 1), all of which a "
        "model of 6 channels takes; the first is shown, in 8 bits."
    )
    first = picture_from_bytes(tiff(array[..., :1]), trusted=True)
    assert picture.content(3) is picture.image
    assert picture.image.tobytes() == first.image.tobytes()
    assert np.array_equal(picture.content(6), (array / 65535).astype(np.float32))
    three = picture_from_bytes(tiff(array[..., :3]), trusted=True)
    assert three.pixels is None
    assert three.image.tobytes() == first.image.tobytes()
    assert "The file holds more than one picture; only the first is shown." in three.notes
    floating = picture_from_bytes(tiff(channels_of("float32")))
    assert floating.content(3) is floating.pixels  # no photo has such values


def test_pages_that_are_no_channels_of_one_picture():
    assert open_pages(tiff(channels_of(shape=(20, 30, 1))), trusted=True) is None
    pages = [Image.new("L", (30, 20)), Image.new("L", (30, 21))]
    for other in (pages[1], Image.new("RGB", (30, 20)), Image.new("I;16", (30, 20))):
        buffer = io.BytesIO()
        pages[0].save(buffer, "TIFF", save_all=True, append_images=[other])
        picture = picture_from_bytes(buffer.getvalue(), trusted=True)
        assert picture.pixels is None
        assert "only the first is shown" in picture.notes[0]
    buffer = io.BytesIO()
    Image.new("L", (30, 20)).save(buffer, "PNG")
    assert open_pages(buffer.getvalue()) is None


def test_too_many_numbers_in_pages_leave_the_first(monkeypatch):
    monkeypatch.setattr("core.pictures.pages.MAX_VALUES", 3599)
    assert open_pages(tiff(channels_of()), trusted=True) is None
    monkeypatch.setattr("core.pictures.pages.MAX_VALUES", 3600)
    assert open_pages(tiff(channels_of()), trusted=True) is not None


def test_several_channels_in_one_page_are_refused_with_the_way_out():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, channels_of(), photometric="minisblack", planarconfig="contig")
    for trusted in (True, False):
        with pytest.raises(ImageError, match="as a page each, of 8 or 16 unsigned bits or of 32"):
            picture_from_bytes(buffer.getvalue(), trusted=trusted)


# What a model sees


@settings(max_examples=30)
@given(
    kind=st.sampled_from(TYPES),
    mode=st.sampled_from(MODES),
    interpolation=st.sampled_from(INTERPOLATIONS),
    size=st.sampled_from([(30, 20), (20, 30), (90, 11), (1, 1), (16, 16)]),
    crop=st.sampled_from([16, (16, 32)]),
    chosen=st.booleans(),
)
def test_each_channel_is_resampled_as_by_pillow(kind, mode, interpolation, size, crop, chosen):
    """Beside a model of one channel that is given the channel as a picture of Pillow's."""
    array = channels_of(kind, (*size[::-1], 5))
    options = {"resize": crop, "crop": crop, "mode": mode, "interpolation": interpolation}
    region = Box(0, 0, size[0] / 2, size[1]) if chosen else None
    found = model(channels=5, **options).pixels(as_pixels(array), region)
    single = model(channels=1, **options)
    for number in range(5):
        image = Image.fromarray(np.ascontiguousarray(array[..., number]))
        seen = np.asarray(single._seen_of(image, region, 0))
        if kind != "uint16":
            assert np.array_equal(found[..., number], seen)
        elif interpolation not in ("bicubic", "lanczos"):  # of which Pillow cuts off what is beyond
            # 16 bits are rounded twice by Pillow, and not at all here.
            np.testing.assert_allclose(found[..., number], seen / 65535, atol=2 / 65535)


def test_three_channels_of_bytes_are_seen_as_the_photo_is():
    photo = Image.effect_noise((61, 47), 90).convert("RGB")
    photo.paste((200, 30, 90), (0, 0, 20, 30))
    three = model(channels=3, mode="letterbox", resize=16, mean=(0.5, 0.2, 0.4), order="BGR")
    pixels = np.asarray(photo)
    assert torch.equal(three.tensor(pixels), three.tensor(photo))


def test_values_by_hand():
    array = np.full((4, 4, 2), (51, 255), np.uint8)
    two = model(channels=2, resize=4, crop=4, mean=(1.0, 2.0), std=(0.5, 4.0), scale=10.0)
    assert two.tensor(array)[0, :, 0, 0].tolist() == [2.0, 2.0]
    deep = as_pixels(array.astype(np.uint16) * 257)
    torch.testing.assert_close(two.tensor(deep), two.tensor(array))
    assert model(channels=2).mean == (0.0, 0.0)
    kelvin = model(channels=2, resize=4, crop=4, mean=(300.0,), std=(10.0,))
    torch.testing.assert_close(
        kelvin.tensor(as_pixels(np.full((4, 4, 2), 305.0)))[0, :, 0, 0], torch.tensor([0.5, 0.5])
    )


def test_what_is_padded_in_each_channel():
    how = {"channels": 2, "resize": 4, "crop": 4, "mean": (1.0, 2.5), "scale": 10.0}
    for array, levels in (
        (np.full((2, 4, 2), 51, np.uint8), [26, 64]),
        (np.full((2, 4, 2), 0.2, np.float32), [0.1, 0.25]),
    ):
        seen = model(mode="letterbox", **how).pixels(array)
        assert seen.dtype == array.dtype
        np.testing.assert_allclose(seen[0, 0], levels)
        assert np.array_equal(seen[1:3], array)
        black = model(mode="none", **how).pixels(array)
        assert not black[0].any()
        grey = model(mode="none", fill=(51, 51, 51), **how).pixels(array)
        np.testing.assert_allclose(grey[0], grey[1])


def test_what_was_between_black_and_white_stays_there():
    edge = np.zeros((20, 20, 2), np.float32)
    edge[:, 10:] = 1
    sharp = model(channels=2, interpolation="lanczos", resize=50, crop=50)
    assert (sharp.pixels(edge).min(), sharp.pixels(edge).max()) == (0, 1)
    assert sharp.pixels(edge + 1).max() > 2  # nobody knows what is white there


def test_other_channels_are_refused_in_a_sentence():
    photo = Image.new("RGB", (30, 20))
    with pytest.raises(ImageError) as caught:
        model().tensor(photo)
    assert str(caught.value) == (
        "The model takes 6 channels, and a photo has 3: give a .npy file of (H, W, 6), or a TIFF "
        "of 6 pages of one channel and one size, with at most 50,000,000 numbers."
    )
    with pytest.raises(ImageError) as caught:
        model(channels=3).tensor(as_pixels(channels_of()))
    assert str(caught.value) == (
        "The picture has 6 channels, and the model takes 3: choose another picture or another "
        "model."
    )
    with pytest.raises(ModelError, match="The order is BGR, and the model takes 6 channels"):
        model(order="BGR")
    with pytest.raises(ModelError, match="The fill is a colour, and the model takes 6 channels"):
        model(fill=(1, 2, 3))
    with pytest.raises(ModelError, match="mean has 2 numbers"):
        model(mean=(1.0, 2.0))


@pytest.mark.parametrize("kind", TYPES)
def test_what_a_model_sees_is_a_picture_that_it_sees_unchanged(kind):
    picture = picture_from_array(channels_of(kind))
    wide = model(resize=(16, 32), crop=(16, 32))
    for each in (picture, picture.cropped(Box(0, 2, 30, 17), wide.aspect)):
        seen = each.as_seen(wide)
        assert seen.image.size == (32, 16)
        assert torch.equal(
            wide.tensor(seen.pixels, seen.region), wide.tensor(each.pixels, each.region)
        )
    photo = picture_from_image(Image.new("RGB", (40, 30), "red")).as_seen(model(channels=3))
    assert photo.pixels is None


def test_a_view():
    array = np.stack([np.full((2, 2), level, np.uint8) for level in (10, 20, 30, 40)], 2)
    assert view(array).getpixel((0, 0)) == (10, 20, 30)
    assert view(array[..., :2]).getpixel((0, 0)) == (10, 10, 10)
    values = np.array([[[-1.0, 0.0, 1.0, 50.0]]], np.float32)
    assert view(values).getpixel((0, 0)) == (0, 128, 255)
    assert view(np.full((1, 1, 6), 7.0)).getpixel((0, 0)) == (0, 0, 0)


# Baselines


def test_baselines_of_each_channel():
    how = model(mean=tuple(np.arange(6) / 10), std=(0.5,), scale=2.0)
    pixels = as_pixels(channels_of("uint16"))
    mean = torch.arange(6).view(6, 1, 1) / 10
    assert not baseline_tensor("grey", how, pixels).any()
    for name, level in (("black", 0), ("white", 1)):
        found = baseline_tensor(name, how, pixels)
        torch.testing.assert_close(found[0], ((2.0 * level - mean) / 0.5).expand(6, 16, 16))
    noise = baseline_tensor("noise:1", how, pixels)[0] * 0.5 + mean
    assert (noise.min() >= 0, noise.max() <= 2) == (True, True)
    assert noise.std(dim=(1, 2)).min() > 0.4  # 2 / sqrt(12), in every channel
    assert not torch.equal(noise[0], noise[1])
    with pytest.raises(SettingError, match="ImageNet's mean is a colour, and the model takes 6"):
        baseline_tensor("mean", how, pixels)
    values = as_pixels(channels_of("float32"))
    for name in ("black", "white", "noise"):
        with pytest.raises(ImageError, match=rf"and the baseline {name} is of values from 0 to 1"):
            baseline_tensor(name, how, values)


@pytest.mark.parametrize("sigma", [0.5, 3.0, 12.0])
def test_a_blur_is_the_gaussian_of_each_channel(sigma):
    pixels = as_pixels(channels_of("float32", (24, 40, 3)))
    found = blurred(pixels, sigma)
    # Within the picture: SciPy's beyond zeros, by the share of the weights that lies inside.
    inside = ndimage.gaussian_filter(np.ones((24, 40)), sigma, mode="constant", truncate=60)
    for number in range(3):
        whole = ndimage.gaussian_filter(
            pixels[..., number].astype(float), sigma, mode="constant", truncate=60
        )
        np.testing.assert_allclose(found[..., number], whole / inside, atol=1e-5)
    flat = np.full((9, 9, 2), 51, np.uint8)
    np.testing.assert_allclose(blurred(flat, sigma), 0.2, rtol=1e-6)
    photo = Image.effect_noise((40, 24), 90)
    pillow = np.asarray(photo.filter(ImageFilter.GaussianBlur(sigma)))[8:-8, 8:-8] / 255
    ours = blurred(np.asarray(photo)[..., None], sigma)[8:-8, 8:-8, 0]
    assert np.abs(ours - pillow).max() < (
        0.06 if sigma < 12 else 0.2
    )  # which has boxes, to its edge
    how = model(channels=3, mean=(0.3,), std=(2.0,))
    expected = how.normalise(blurred(how.pixels(pixels), sigma))
    assert torch.equal(baseline_tensor(f"blur:{sigma}", how, pixels), expected)


# A map lies on what was found


class OneChannel(nn.Module):
    """A detector that adds up what is above 0 in one channel, at every place alike."""

    def __init__(self, channel):
        super().__init__()
        self.channel = channel

    def forward(self, x):
        found = x[:, self.channel].sum((1, 2))
        return torch.stack([found, 0 * found], 1)


@settings(max_examples=20)
@given(
    mode=st.sampled_from(MODES),
    kind=st.sampled_from(TYPES),
    crop=st.sampled_from([24, (16, 32), (32, 20)]),
    size=st.sampled_from([(120, 80), (75, 130), (60, 60), (35, 45)]),
    channels=st.sampled_from([1, 2, 3, 5]),
    interpolation=st.sampled_from(INTERPOLATIONS),
    across=st.floats(0.1, 0.9),
    down=st.floats(0.1, 0.9),
    chosen=st.booleans(),
    data=st.data(),
)
def test_the_map_lies_on_a_bright_square_in_one_channel(
    mode, kind, crop, size, channels, interpolation, across, down, chosen, data
):
    resize = crop if mode != "short side" or isinstance(crop, tuple) else 27
    how = Preprocessing(
        resize, crop, (0.5,), (0.25,), interpolation, mode, channels=channels, fill=(128,) * 3
    )
    region = how.fitted(Box(0.1 * size[0], 0.15 * size[1], *size)) if chosen else None
    left, top, right, bottom = how.seen(size, region)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    side = 0.16 * min(right - left, bottom - top)
    x, y = left + across * (right - left - side), top + down * (bottom - top - side)
    square = [round(each) for each in (x, y, x + side, y + side)]
    white, middle = {"uint8": (255, 128), "uint16": (65535, 32768), "float32": (1, 0.5)}[kind]
    array = np.full((size[1], size[0], channels), middle, kind)
    channel = data.draw(st.integers(0, channels - 1))
    array[square[1] : square[3], square[0] : square[2], channel] = white
    # The other channels are bright elsewhere: a mixed-up one would be found there.
    array[: size[1] // 3, : size[0] // 3, [n for n in range(channels) if n != channel]] = white
    picture = picture_from_bytes(npy(array), trusted=True)
    if region is not None:
        picture = picture.cropped(region, how.aspect)
    stride = 4
    values = captum_occlusion(
        OneChannel(channel),
        how.tensor(picture.content(channels), picture.region)
        if picture.pixels is not None
        else how.tensor(picture.image, picture.region),
        Question(0),
        window=stride,
        stride=stride,
        report=lambda *_: None,
    ).values
    assert values.shape == how.size
    rows, cells = np.nonzero(np.abs(values) > 0.1 * np.abs(values).max())
    box = how.seen(size, picture.region)
    wide, tall = (box.right - box.left) / how.size[1], (box.bottom - box.top) / how.size[0]
    found = Box(
        box.left + cells.min() * wide,
        box.top + rows.min() * tall,
        box.left + (cells.max() + 1) * wide,
        box.top + (rows.max() + 1) * tall,
    )
    for edge in range(4):
        pixel = (wide, tall)[edge % 2]
        beyond = (found[edge] - square[edge]) * (-1 if edge < 2 else 1)
        assert -1.5 * pixel - 1 <= beyond <= (stride + 1) * pixel + 1, (edge, found)
