"""The panel shows the right pixels in the right place, and says what they mean."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from core.drawing import paper as module
from core.drawing.paper import DPI, caption, heading, panel
from core.drawing.rendering import Display, colours
from core.drawing.sentences import number
from core.methods.attribution import Attribution, Provenance
from core.methods.scores import Question

NAMES = ("goose", "price $1 and $2")


def occlusion_map(values, contrast=None, **parameters):
    return Attribution(
        values=values,
        method="occlusion",
        question=Question(0, contrast),
        parameters={"window": 15, "stride": 8, "baseline": "grey", **parameters},
        forward_passes=1784,
        seconds=6.24,
        provenance=Provenance("resnet18", "ab", "cd", "cpu"),
    )


def gradient_map(values):
    return Attribution(
        values=values,
        method="integrated_gradients",
        question=Question(0, kind="log_probability"),
        parameters={"steps": 50, "baseline": "blur"},
    )


def drawn(values, picture=None, **display):
    rows, columns = values.shape
    picture = picture or Image.new("RGB", (columns, rows), "white")
    made = panel(picture, occlusion_map(values), NAMES, Display(**display), title="It says goose")
    return made, np.asarray(made).astype(int)


def at(pixels, left, row, column):
    """The colour in the middle of one of 8 × 8 pixels; the picture begins ``left`` inches in."""
    size = module._SIDE / 8
    y, x = (module._TOP + (row + 0.5) * size) * DPI, (left + (column + 0.5) * size) * DPI
    return pixels[round(y), round(x)]


def test_every_pixel_is_in_its_place():
    values = np.zeros((8, 8), np.float32)
    values[1, 6], values[6, 1] = 2.0, -2.0
    photo = Image.new("RGB", (8, 8), "white")
    photo.putpixel((6, 1), (0, 128, 0))
    made, pixels = drawn(values, photo, outlier_percent=0, opacity=1)
    assert made.mode == "RGB"
    left, right = module._MARGIN, module._MARGIN + module._SIDE + module._GAP
    assert np.abs(at(pixels, left, 1, 6) - (0, 128, 0)).max() < 10
    assert at(pixels, left, 6, 1).tolist() == [255, 255, 255]
    for row, column, value in ((1, 6, 2.0), (6, 1, -2.0)):
        wanted = colours(np.array([[value]]), Display(opacity=1), (-2.0, 2.0))[0, 0, :3]
        found = at(pixels, right, row, column)
        np.testing.assert_allclose(found, wanted, atol=1)


def test_the_colour_bar_runs_from_the_low_to_the_high_end():
    values = np.array([[1.0, -3.0], [0.0, 0.0]], np.float32)
    _, pixels = drawn(values, outlier_percent=0, opacity=1)
    right = module._MARGIN + module._SIDE + module._GAP
    y = round((module._TOP + module._SIDE + 0.1 + 0.045) * DPI)
    low, middle, high = (
        pixels[y, round((right + share * module._SIDE) * DPI)] for share in (0.01, 0.5, 0.99)
    )
    assert low[2] > low[0] + 30  # blue
    assert high[0] > high[2] + 30  # red
    assert middle.min() > 245  # white


@pytest.mark.parametrize("shape", [(6, 6), (4, 8), (8, 4)])
def test_the_margins_are_white_and_the_size_follows_the_picture(shape):
    made, pixels = drawn(np.ones(shape, np.float32))
    margin = int(0.2 * DPI)
    for edge in (pixels[:margin], pixels[-margin:], pixels[:, :margin], pixels[:, -margin:]):
        assert (edge == 255).all()
    assert made.width == round(module._WIDTH * DPI)
    square, _ = drawn(np.ones((6, 6), np.float32))
    taller = module._SIDE * (shape[0] / shape[1] - 1) * DPI
    assert made.height - square.height == pytest.approx(taller, abs=1)


def test_a_map_of_nothing_and_maps_of_one_sign_can_be_drawn():
    drawn(np.zeros((4, 4), np.float32))
    for sign in ("positive", "negative", "absolute"):
        drawn(np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4), sign=sign)


def test_no_state_of_matplotlib_is_touched():
    before = dict(mpl.rcParams)
    drawn(np.ones((4, 4), np.float32))
    assert dict(mpl.rcParams) == before


def test_heading_names_the_settings_that_shape_the_map():
    values = np.ones((2, 2), np.float32)
    assert heading(occlusion_map(values)) == "Occlusion, window 15, stride 8"
    assert heading(gradient_map(values)) == "Integrated Gradients, 50 steps"


def test_caption_of_occlusion():
    found = occlusion_map(np.array([[1, -1]], np.float32), contrast=1)
    reading, made = caption(found, NAMES, Display(outlier_percent=2))
    assert reading == (
        "Colour: how far the logit of goose minus that of price $1 and $2 falls when a window "
        "covers the pixel, mean over the windows on it. Positive values are evidence for goose. "
        "Values beyond the ends of the scale make up 2 % of the map's total."
    )
    assert made == (
        "resnet18 on cpu · baseline grey (zero after normalisation) · 1,784 forward passes · 6.2 s"
    )


def test_caption_of_gradients_and_of_captum():
    values = np.ones((2, 2), np.float32)
    reading, made = caption(gradient_map(values), NAMES, Display(outlier_percent=0))
    assert "the pixel's share of what changes the log probability of goose" in reading
    assert "scale ends" not in reading
    assert "Positive values" not in reading  # nothing is below
    assert made == "baseline picture blurred with sigma 12 · 0 forward passes · 0.0 s"
    _, made = caption(occlusion_map(values, engine="captum"), NAMES, Display())
    assert "1,784 forward passes by Captum" in made


def test_caption_says_what_the_values_add_up_to():
    found = replace(gradient_map(np.full((2, 2), 1.5)), change=8.0)
    made = caption(found, NAMES, Display())[1]
    assert " · completeness: sum 6.00 of 8.00 nats (off by 25.0 %) · " in made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12.34, "12.3"),
        (-1.077, "−1.08"),
        (0.1, "0.10"),
        (0.0361, "0.036"),
        (-0.000321, "−0.00032"),
    ],
)
def test_numbers_have_two_or_three_telling_digits(value, text):
    assert number(value) == text
