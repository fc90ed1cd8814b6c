"""Maps on the photo, and the region that they mark: toys by hand, and Pillow's own resize."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.exports.placing import on_photo, top_region
from core.pictures.preprocessing import Box, Preprocessing

MAP = np.array([[1, 2], [3, 4]], np.float32)


def test_a_map_of_the_middle():
    placed, inside = on_photo(MAP, Box(1, 0, 5, 4), (6, 4))
    assert placed.dtype == np.float32
    assert placed.tolist() == [
        [0, 1, 1, 2, 2, 0],
        [0, 1, 1, 2, 2, 0],
        [0, 3, 3, 4, 4, 0],
        [0, 3, 3, 4, 4, 0],
    ]
    assert inside.tolist() == [[False, True, True, True, True, False]] * 4


def test_an_input_that_reaches_beyond_the_photo():
    """As a letterbox does: the padding lies nowhere."""
    placed, inside = on_photo(
        np.arange(16, dtype=np.float32).reshape(4, 4), Box(0, -1, 4, 3), (4, 2)
    )
    assert placed.tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    assert inside.all()


def test_a_result_of_another_size_shows_the_same_photo():
    placed, _ = on_photo(MAP, Box(2, 0, 6, 4), (8, 4), (4, 2))
    assert placed.tolist() == [[0, 1, 2, 0], [0, 3, 4, 0]]


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    corner=st.tuples(st.integers(-20, 20), st.integers(-20, 20)),
    side=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 9),
)
def test_it_is_what_pillow_pastes(size, corner, side, seed):
    """A part of the photo that is a multiple of the input is enlarged without any doubt."""
    values = np.random.default_rng(seed).integers(1, 255, (4, 6), dtype=np.uint8)
    large = Image.fromarray(values).resize((6 * side[0], 4 * side[1]), Image.Resampling.NEAREST)
    expected = Image.new("L", size)
    expected.paste(large, corner)
    seen = Box(*corner, corner[0] + large.width, corner[1] + large.height)
    placed, inside = on_photo(values, seen, size)
    assert np.array_equal(placed, np.asarray(expected))
    assert np.array_equal(inside, placed > 0)


@pytest.mark.parametrize("mode", ["short side", "squash", "letterbox", "none"])
def test_it_is_the_way_back(mode):
    """What the model sees of the photo that was made from its input is that input."""
    preprocessing = Preprocessing(
        64, 64, (0.5,) * 3, (0.5,) * 3, "nearest", mode=mode, fill=(9, 9, 9)
    )
    blocks = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) + 1, np.ones((16, 16), np.uint8))
    photo = (128, 192)
    placed, inside = on_photo(blocks, preprocessing.seen(photo, None), photo)
    seen = preprocessing.picture(Image.fromarray(placed).convert("RGB"))
    there = np.asarray(seen)[..., 0]
    shown = np.asarray(preprocessing.picture(Image.fromarray(inside).convert("RGB")))[..., 0] == 255
    assert shown.mean() > 0.3
    assert np.array_equal(there[shown], blocks[shown])


def region(rows, share):
    return top_region(np.array(rows, np.float32), share).astype(int).tolist()


def test_the_smallest_region_that_holds_the_share():
    rows = [[3, 2], [1, -5]]
    assert region(rows, 0.5) == [[1, 0], [0, 0]]
    assert region(rows, 0.51) == [[1, 1], [0, 0]]
    assert region(rows, 1) == [[1, 1], [1, 0]]


def test_equal_values_are_in_it_or_not_together():
    assert region([[2, 2], [2, 1]], 0.2) == [[1, 1], [1, 0]]
    assert region([[1, 1], [1, 1]], 0.01) == [[1, 1], [1, 1]]


def test_without_evidence_there_is_none():
    assert region([[0, 0], [-1, 0]], 0.5) == [[0, 0], [0, 0]]


@given(st.integers(0, 99), st.floats(0.01, 1))
def test_it_holds_the_share_and_no_smaller_one_does(seed, share):
    values = np.random.default_rng(seed).normal(size=(5, 7)).astype(np.float32)
    found = top_region(values, share)
    positive = np.maximum(values, 0).astype(np.float64)
    assert positive[found].sum() >= share * positive.sum() * (1 - 1e-12)
    without = positive[found].sum() - positive[found].min()
    assert without < share * positive.sum()
