"""Windows lie where Captum lays them, and what they say is averaged over their pixels."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.methods.windows import WindowGrid, neighbours, sizes_around


@st.composite
def grids(draw, largest=14):
    size = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    window = tuple(draw(st.integers(1, side)) for side in size)
    stride = tuple(draw(st.integers(1, side)) for side in window)
    return WindowGrid(size, window, stride)


def mask(grid, corner):
    covered = np.zeros(grid.size, dtype=bool)
    top, left = corner
    covered[top : top + grid.window[0], left : left + grid.window[1]] = True
    return covered


def captum_masks(grid):
    """Which pixels Captum covers, in its order: a picture of ones turns into zeros there."""
    seen = []

    def forward(batch):
        seen.extend(batch[:, 0].numpy() == 0)
        return batch.sum((1, 2, 3))[:, None]

    Occlusion(forward).attribute(
        torch.ones(1, 1, *grid.size),
        target=0,
        sliding_window_shapes=(1, *grid.window),
        strides=(1, *grid.stride),
    )
    return seen[1:]  # the first is the uncovered picture


@settings(max_examples=40, deadline=None)
@given(grids(largest=9))
def test_the_same_windows_as_captum(grid):
    ours = sorted(mask(grid, corner).tobytes() for corner in grid.corners)
    assert ours == sorted(m.tobytes() for m in captum_masks(grid))


@settings(max_examples=80, deadline=None)
@given(grids(), st.integers(0, 1000))
def test_spread_is_the_mean_of_the_windows_on_each_pixel(grid, seed):
    values = np.random.default_rng(seed).normal(size=grid.count)
    sums, counts = np.zeros(grid.size), np.zeros(grid.size)
    for corner, value in zip(grid.corners, values, strict=True):
        sums += value * mask(grid, corner)
        counts += mask(grid, corner)
    assert counts.min() >= 1, "a pixel without a window"
    spread = grid.spread(values)
    assert spread.dtype == np.float64
    np.testing.assert_allclose(spread, sums / counts, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(grids())
def test_shape_count_and_corners_agree(grid):
    down, across = grid.shape
    assert grid.count == down * across == len(grid.corners)
    table = grid.corners.reshape(down, across, 2)
    assert (table[:, :, 0] == np.arange(down)[:, None] * grid.stride[0]).all()
    assert (table[:, :, 1] == np.arange(across) * grid.stride[1]).all()
    assert (grid.corners < grid.size).all(), "every window covers something"


@settings(max_examples=40, deadline=None)
@given(grids(), st.integers(0, 1000))
def test_a_map_does_not_change_between_two_edges(grid, seed):
    spread = grid.spread(np.random.default_rng(seed).normal(size=grid.count))
    rows, columns = grid.edges
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (0, grid.size[0], 0, grid.size[1])
    cells = spread[np.ix_(rows[:-1], columns[:-1])]
    again = cells.repeat(np.diff(rows), axis=0).repeat(np.diff(columns), axis=1)
    np.testing.assert_allclose(again, spread, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "stride", "count"),
    [(15, 8, 784), (22, 10, 484), (50, 40, 36), (60, 50, 25), (224, 1, 1), (1, 1, 50176)],
)
def test_numbers_of_windows_on_224_pixels(window, stride, count):
    # (224 - 15) / 8 rounded up is 27: 28 windows along each side; and so on.
    assert WindowGrid((224, 224), (window, window), (stride, stride)).count == count


def test_the_last_window_is_clipped_at_the_edge():
    grid = WindowGrid((1, 5), (1, 2), (1, 2))
    assert grid.corners.tolist() == [[0, 0], [0, 2], [0, 4]]
    assert grid.spread([1.0, 2.0, 3.0]).tolist() == [[1, 1, 2, 2, 3]]


@pytest.mark.parametrize(
    ("window", "stride", "sentence"),
    [
        ((0, 3), (1, 1), "Window height: 0 pixels; choose between 1 and 8"),
        ((3, -2), (1, 1), "Window width: -2 pixels; choose between 1 and 10"),
        ((9, 3), (1, 1), "Window height: 9 pixels; choose between 1 and 8"),
        ((3, 11), (1, 1), "Window width: 11 pixels; choose between 1 and 10"),
        ((3, 4), (0, 1), "Stride for window height: 0 pixels; choose between 1 and 3"),
        ((3, 4), (1, 5), "Stride for window width: 5 pixels; choose between 1 and 4"),
        ((3, 4), (4, 1), "Stride for window height: 4 pixels; choose between 1 and 3"),
    ],
)
def test_out_of_range(window, stride, sentence):
    with pytest.raises(SettingError) as refused:
        WindowGrid((8, 10), window, stride)
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")


def test_a_window_as_large_as_the_input_takes_any_stride_as_captum_does():
    grid = WindowGrid((3, 4), (3, 2), (50, 2))
    assert grid.corners.tolist() == [[0, 0], [0, 2]]
    assert len(captum_masks(grid)) == 2


@pytest.mark.parametrize(
    ("window", "sizes"),
    [
        (1, (1, 8, 16, 32)),
        (5, (5, 10, 20, 40)),
        (15, (8, 15, 30, 60)),
        (48, (24, 48, 96, 192)),
        (150, (19, 38, 75, 150)),
        (224, (28, 56, 112, 224)),
    ],
)
def test_a_window_among_three_others(window, sizes):
    assert sizes_around(window, 224) == sizes


@pytest.mark.parametrize("side", [224, 384])
def test_there_are_always_four_sizes(side):
    for window in range(1, side + 1):
        sizes = sizes_around(window, side)
        assert len(set(sizes)) == 4
        assert window in sizes
        assert all(8 <= size <= side for size in sizes if size != window)


@pytest.mark.parametrize(
    ("window", "stride", "expected"),
    [
        (15, 8, ((15, 8), (11, 8), (19, 8), (15, 12))),
        (60, 50, ((60, 50), (45, 45), (75, 50), (60, 60))),
        (1, 1, ((1, 1),)),
        (224, 50, ((224, 50), (168, 50), (224, 75))),
    ],
)
def test_neighbours(window, stride, expected):
    assert neighbours(window, stride, 224) == expected


@given(st.integers(1, 224), st.data())
def test_neighbours_can_all_be_surveyed(window, data):
    stride = data.draw(st.integers(1, window))
    for size, step in neighbours(window, stride, 224):
        assert WindowGrid((224, 224), (size, size), (step, step)).count
