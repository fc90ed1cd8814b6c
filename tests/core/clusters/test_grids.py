"""Grids of shares: areas by hand, borders, and distances that shifts do not change."""

import numpy as np
import pytest

from core.clusters.grids import (
    SIDE,
    border_share,
    enlarged,
    grid_of,
    points_of,
    relevance,
    unlike,
)


def test_a_grid_holds_the_share_of_each_area():
    weights = np.zeros((32, 48), np.float32)
    weights[0:2, 0:3] = 1  # the first cell
    weights[31, 47] = 2  # a part of the last one
    grid = grid_of(weights)
    assert grid.shape == (SIDE, SIDE)
    assert grid[0, 0] == pytest.approx(6 / 8)
    assert grid[-1, -1] == pytest.approx(2 / 8)
    assert grid.sum() == pytest.approx(1)


def test_a_pixel_on_the_edge_of_two_cells_belongs_to_both():
    weights = np.zeros((24, 16), np.float32)  # a cell is one and a half pixels high
    weights[1, 0] = 1
    grid = grid_of(weights)
    assert grid[0, 0] == pytest.approx(0.5)
    assert grid[1, 0] == pytest.approx(0.5)


def test_grids_equal_the_sums_of_blocks():
    weights = np.random.default_rng(0).random((64, 80))
    blocks = weights.reshape(SIDE, 4, SIDE, 5).sum((1, 3))
    np.testing.assert_allclose(grid_of(weights), blocks / blocks.sum(), rtol=1e-6)


def test_there_is_no_grid_without_relevance():
    assert grid_of(np.zeros((8, 8))) is None
    assert np.isnan(border_share(np.zeros((8, 8))))


def test_what_counts():
    values = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(relevance(values, "positive"), [[1, 0]])
    np.testing.assert_array_equal(relevance(values, "absolute"), [[1, 2]])


def test_the_border_is_an_eighth_on_each_side():
    even = np.ones((64, 32))
    assert border_share(even) == pytest.approx(1 - 0.75**2)
    inner = np.zeros((64, 32))
    inner[8:56, 4:28] = 1
    assert border_share(inner) == 0
    inner[0, 0] = inner.sum()
    assert border_share(inner) == pytest.approx(0.5)


def drawn(seed, rows=8, columns=8):
    grid = np.zeros((SIDE, SIDE), np.float32)
    grid[:rows, :columns] = np.random.default_rng(seed).random((rows, columns))
    return grid / grid.sum()


def test_a_shift_changes_nothing_only_where_places_do_not_count():
    grid = drawn(0)
    moved = np.roll(grid, (5, 7), (0, 1))
    stays = points_of(np.stack([grid, moved]), anywhere=True)
    np.testing.assert_allclose(stays[0], stays[1], atol=1e-6)
    goes = points_of(np.stack([grid, moved]), anywhere=False)
    assert np.linalg.norm(goes[0] - goes[1]) > 0.5
    other = points_of(np.stack([grid, drawn(1, 2, 12)]), anywhere=True)
    assert np.linalg.norm(other[0] - other[1]) > 0.3


def test_points_have_length_one_and_hellinger_distances():
    first, second = drawn(0), drawn(1)
    for anywhere in (False, True):
        assert len(points_of(np.empty((0, SIDE, SIDE)), anywhere)) == 0
        points = points_of(np.stack([first, second]), anywhere)
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)
    points = points_of(np.stack([first, second]), False)
    apart = np.linalg.norm(points[0] - points[1]) / np.sqrt(2)
    assert unlike(first, second) == pytest.approx(apart, rel=1e-4)
    assert unlike(first, first) == pytest.approx(0, abs=1e-3)
    assert unlike(first, np.roll(first, 8, 0)) == pytest.approx(1)


def test_cells_become_pixels():
    cells = np.zeros((SIDE, SIDE), bool)
    cells[0, 1] = True
    pixels = enlarged(cells, (32, 64))
    assert pixels.shape == (32, 64)
    assert pixels.sum() == 2 * 4
    assert pixels[:2, 4:8].all()
