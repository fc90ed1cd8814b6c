"""A judgement on paper: every part of it is there, and no sentence runs off the page."""

from dataclasses import replace

import numpy as np
import pytest

from core.drawing.rendering import Display, colours, scale
from core.trust.badges import sentences
from core.trust.figure import drawing
from tests.core.trust.test_badges import COMPLETE, SAYS_MORE, curves, randomisation

BLUE, BROWN, GREY = (0x1F, 0x5F, 0xBF), (0xB3, 0x54, 0x1E), (0x6B, 0x77, 0x85)
INK = 160  # darker than this


def drawn(judgement, title="EfficientNet-Lite0 says king penguin, 53 %. Saliency"):
    return np.asarray(drawing(judgement, title)).astype(int)


def near(pixels, colour):
    return (np.abs(pixels - colour).sum(axis=2) < 30).sum()


def text(pixels, lines):
    """The part below the maps, which holds the sentences alone; about 23 rows a line."""
    return pixels[-21 * lines :].min(axis=2)


@pytest.fixture(scope="module")
def page():
    return drawn(COMPLETE)


def test_it_is_a_picture_of_everything(page):
    assert page.ndim == 3
    assert page.shape[1] > 1400
    above = page[: len(page) // 2]
    assert min(near(above, BLUE), near(above, BROWN), near(above, GREY)) > 100
    assert near(page[-page.shape[0] // 5 :], BLUE) == 0, "below are words"


def test_every_map_is_shown_in_its_colours(page):
    random = COMPLETE.randomisation
    display = Display()
    for values in (random.values, *(stage.values for stage in random.stages)):
        table = colours(values, display, scale([values], display))
        strongest = table[np.unravel_index(np.abs(values).argmax(), values.shape)]
        on_white = strongest[:3] * (strongest[3] / 255) + 255 - strongest[3]
        assert (np.abs(page - np.round(on_white)).sum(axis=2) < 12).sum() > 100


def test_as_many_maps_as_there_are_stages(page):
    few = drawn(replace(COMPLETE, randomisation=randomisation(0.5, layers=1)))
    assert few.shape == page.shape
    assert (few != page).any()


def test_sentences_end_before_the_edges():
    """However long the words: numbers as wide as they come, and all verdicts of many words."""
    wide = replace(
        COMPLETE,
        infidelity=replace(SAYS_MORE, value=123456.7),
        curves=curves(0.1, 0.9, (0.0, 1.0)),
    )
    pixels = drawn(wide)
    ink = text(pixels, 8)
    assert (ink < INK).sum() > 2000, "there are words"
    assert (ink[:, -40:] > INK).all(), "they end before the right edge"
    assert (ink[-4:] > INK).all(), "and above the lower one"
    assert (ink[:, : ink.shape[1] // 2] < INK).any()
    assert (ink[:, ink.shape[1] * 3 // 4 :] < INK).any(), "lines use the width of the page"


def test_more_sentences_make_a_longer_page(page):
    shorter = replace(COMPLETE, infidelity=None, sensitivity=None)
    assert len(sentences(shorter)["noise"]) == 0
    other = drawn(shorter)
    assert other.shape[0] < page.shape[0]
    assert other.shape[1] == page.shape[1]


def test_signs_of_a_formula_are_written_as_they_are(page):
    """A class or a file may be called so; nothing is set as mathematics, which could fail."""
    assert drawn(COMPLETE, r"a swan $\frac{ $ %_^{").shape == page.shape


@pytest.mark.parametrize("part", ["curves", "randomisation"])
def test_what_is_not_there_cannot_be_drawn(part):
    with pytest.raises(ValueError, match="not complete: run all of its steps"):
        drawing(replace(COMPLETE, **{part: None}), "a swan")
