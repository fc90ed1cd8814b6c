"""Colours on a scale whose ends are numbers, against Captum's scale and by hand."""

import base64
import io
import math

import matplotlib as mpl
import numpy as np
import pytest
from captum.attr._utils.visualization import _cumulative_sum_threshold
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.drawing.rendering import (
    COLOUR_MAPS,
    SIGNS,
    Display,
    backdrop,
    colour_bar,
    colours,
    data_uri,
    indexed,
    limit,
    neighbourhood_sums,
    overlay,
    scale,
    shown,
)
from core.errors import SettingError


@st.composite
def maps(draw):
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    size = draw(st.sampled_from([1e-6, 1.0, 1e4]))
    return (size * random.normal(size=shape) ** 3).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(maps(), st.floats(0.01, 50))
def test_the_limit_is_captums(values, outliers):
    # At exactly 0 % Captum itself may fail: its 0.01 * 100 rounds to a little over the whole.
    sizes = np.abs(values.astype(np.float64))
    expected = _cumulative_sum_threshold(sizes, 100 - outliers)
    assert limit(values, outliers) == pytest.approx(expected)


def test_limits_by_hand():
    values = np.array([[-4.0, 3.0], [2.0, -1.0]])
    # Sizes 1, 2, 3, 4 sum up to 1, 3, 6, 10.
    assert [limit(values, p) for p in (0, 1, 40, 41, 50)] == [4, 4, 3, 3, 3]
    assert limit(values, 70.1) == 2


@settings(max_examples=30, deadline=None)
@given(maps(), st.floats(0, 50), st.floats(0.5, 8))
def test_a_stronger_map_has_the_same_colours(values, outliers, factor):
    display = Display(outlier_percent=outliers)
    stronger = values * np.float32(factor)
    assert limit(stronger, outliers) == pytest.approx(factor * limit(values, outliers), rel=1e-4)
    ours, theirs = (colours(v, display, scale([v], display)) for v in (values, stronger))
    # Rounding may move a value over the border between two of 256 colours.
    assert np.abs(ours.astype(int) - theirs).max() <= 12


def test_what_a_sign_shows():
    values = np.array([[-2.0, 0.0, 3.0]], dtype=np.float32)
    assert shown(values, "all").tolist() == [[-2, 0, 3]]
    assert shown(values, "positive").tolist() == [[0, 0, 3]]
    assert shown(values, "negative").tolist() == [[-2, 0, 0]]
    assert shown(values, "absolute").tolist() == [[2, 0, 3]]


@pytest.mark.parametrize(
    ("sign", "ends"),
    [("all", (-3, 3)), ("positive", (0, 3)), ("negative", (-2, 0)), ("absolute", (0, 3))],
)
def test_the_ends_of_the_scale(sign, ends):
    values = np.array([[-2.0, 0.0, 3.0]])
    assert scale([values], Display(sign=sign, outlier_percent=0)) == ends


def test_maps_share_the_scale_of_the_strongest():
    weak, strong = np.array([[1.0, -1.0]]), np.array([[5.0, 0.0]])
    assert scale([weak, strong], Display(outlier_percent=0)) == (-5, 5)


@pytest.mark.parametrize("name", ["red-blue", "purple-green"])
@settings(max_examples=30, deadline=None)
@given(values=maps())
def test_colours_are_centred_on_zero(name, values):
    display = Display(colour_map=name)
    ends = scale([values], display)
    assert ends[0] == -ends[1]
    rgba = colours(values, display, ends)
    assert (rgba.shape, rgba.dtype) == ((*values.shape, 4), np.uint8)
    mirrored = colours(-values, display, ends)
    # The same strength on either side of zero lets the same of the picture through.
    assert np.abs(rgba[..., 3].astype(int) - mirrored[..., 3]).max() <= 3
    zero = colours(np.zeros((1, 1)), display, ends)[0, 0]
    assert zero[3] <= 0.05 * 255


def test_red_speaks_for_and_blue_against():
    against, for_ = colours(np.array([[-1.0, 1.0]]), Display(opacity=1), (-1.0, 1.0))[0]
    assert against[2] > against[0] + 50
    assert for_[0] > for_[2] + 50
    assert against[3] == for_[3] == 255
    ends = mpl.colormaps["RdBu_r"]([0.0, 1.0], bytes=True)[:, :3]
    np.testing.assert_allclose([against[:3], for_[:3]], ends, atol=1)


def test_values_beyond_the_ends_have_the_colours_of_the_ends():
    rgba = colours(np.array([[-9.0, -1.0, 1.0, 9.0]]), Display(), (-1.0, 1.0))[0]
    assert rgba[0].tolist() == rgba[1].tolist()
    assert rgba[2].tolist() == rgba[3].tolist()


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_a_map_of_zeros(name, sign):
    zeros = np.zeros((3, 4), dtype=np.float32)
    display = Display(sign=sign, colour_map=name, opacity=0.5)
    ends = scale([zeros], display)
    assert ends == {"all": (-1, 1), "negative": (-1, 0)}.get(sign, (0, 1))
    rgba = colours(zeros, display, ends)
    assert len(np.unique(rgba.reshape(-1, 4), axis=0)) == 1
    if name in ("red-blue", "purple-green"):
        assert rgba[..., 3].max() <= 0.05 * 255, "nothing was said, so nothing covers the picture"


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_a_colour_bar_begins_and_ends_with_the_colours_of_the_ends(name):
    display, ends = Display(colour_map=name, opacity=1), (-2.0, 2.0)
    bar = colour_bar(display, ends)
    assert len(bar) == 9
    strongest = colours(np.array([[-2.0, 2.0]]), display, ends)[0, :, :3]
    assert [bar[0], bar[-1]] == ["rgb({},{},{})".format(*rgb) for rgb in strongest.tolist()]
    assert len(colour_bar(display, ends, stops=3)) == 3


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"sign": "odd"},
            'There is no sign "odd": choose one of all, positive, negative, absolute.',
        ),
        (
            {"colour_map": "jet"},
            f'There is no colour map "jet": choose one of {", ".join(COLOUR_MAPS)}.',
        ),
        ({"opacity": 1.1}, "Opacity: 1.1; choose between 0 and 1."),
        ({"opacity": -0.1}, "Opacity: -0.1; choose between 0 and 1."),
        ({"opacity": float("nan")}, "Opacity: nan; choose between 0 and 1."),
        ({"outlier_percent": -1}, "Outliers: -1 %; choose between 0 and 50."),
        ({"outlier_percent": 51}, "Outliers: 51 %; choose between 0 and 50."),
    ],
)
def test_ranges(setting, sentence):
    with pytest.raises(SettingError) as refused:
        Display(**setting)
    assert str(refused.value) == sentence


def test_an_overlay_lies_where_the_map_says():
    photo = Image.new("RGB", (40, 20), (0, 0, 0))
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[1, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (0, 0, 200, 128)
    laid = overlay(photo, rgba)
    assert (laid.size, laid.mode) == ((40, 20), "RGB")
    assert laid.crop((0, 10, 20, 20)).getcolors() == [(200, (255, 0, 0))]
    assert laid.getpixel((0, 0)) == laid.getpixel((39, 19)) == (0, 0, 0)
    assert laid.getpixel((30, 5))[2] == pytest.approx(100, abs=1)


def test_a_backdrop_is_pale_and_without_colour():
    photo = Image.new("RGB", (2, 1), (0, 0, 0))
    photo.putpixel((1, 0), (255, 255, 255))
    ground = backdrop(photo)
    assert ground.mode == "L"
    assert [ground.getpixel((x, 0)) for x in (0, 1)] == [153, 255]


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_a_picture_in_an_address(image_format):
    pixels = np.full((6, 8, 3), 200, dtype=np.uint8)
    address = data_uri(pixels, image_format)
    assert address == data_uri(Image.fromarray(pixels), image_format)
    begin, encoded = address.split(",")
    assert begin == f"data:image/{image_format.lower()};base64"
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert (image.format, image.size) == (image_format, (8, 6))
    np.testing.assert_allclose(np.asarray(image), pixels, atol=3)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_the_picture_with_a_palette_has_the_same_pixels(name, sign):
    values = np.random.default_rng(3).normal(size=(60, 50)).astype(np.float32)
    display = Display(sign, name, opacity=0.6)
    ends = scale([values], display)
    sent = data_uri(indexed(values, display, ends)).split(",")[1]
    received = Image.open(io.BytesIO(base64.b64decode(sent)))
    assert received.mode == "P"
    np.testing.assert_array_equal(
        np.asarray(received.convert("RGBA")), colours(values, display, ends)
    )


def test_sums_over_the_neighbourhood_by_hand():
    values = np.zeros((41, 41), np.float32)
    values[20, 20] = 2.0
    summed = neighbourhood_sums(values, 3.0)
    # A dot becomes its value times the weights: 1 where it is, exp(-1/2) one sigma away.
    assert summed[20, 20] == pytest.approx(2, rel=1e-3)
    assert summed[20, 23] == pytest.approx(2 * math.exp(-0.5), rel=1e-3)
    assert summed.sum() == pytest.approx(2 * 2 * math.pi * 9, rel=1e-3)
    assert summed.dtype == np.float32


def test_neighbours_of_opposite_sign_cancel():
    values = np.indices((40, 40)).sum(0) % 2 * 2.0 - 1
    inside = neighbourhood_sums(values, 3.0)[15:25, 15:25]
    assert np.abs(inside).max() < 1e-3
