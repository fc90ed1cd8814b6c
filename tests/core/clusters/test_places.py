"""Regions by hand: half of the relevance, a control that does not touch it, and words."""

import numpy as np
import pytest

from core.clusters.grids import SIDE
from core.clusters.places import elsewhere, region_of, words_of


def cells(rows, columns):
    found = np.zeros((SIDE, SIDE), bool)
    found[rows, columns] = True
    return found


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (slice(0, 3), slice(0, 3), "upper left corner"),
        (slice(0, 3), slice(13, 16), "upper right corner"),
        (slice(13, 16), slice(0, 3), "lower left corner"),
        (slice(12, 16), slice(12, 16), "lower right corner"),
        (slice(0, 16), slice(0, 3), "left edge"),
        (slice(0, 16), slice(13, 16), "right edge"),
        (slice(0, 2), slice(0, 16), "upper edge"),
        (slice(14, 16), slice(6, 10), "lower edge"),
        (slice(6, 10), slice(6, 10), "centre"),
        (slice(4, 12), slice(4, 12), "centre"),
        (slice(0, 16), slice(0, 16), "several parts"),
    ],
)
def test_words(rows, columns, words):
    assert words_of(cells(rows, columns)) == words


def test_a_ring_is_the_border():
    ring = cells(slice(None), slice(None))
    ring[1:-1, 1:-1] = False
    assert words_of(ring) == "border"


def test_a_region_is_the_fewest_cells_with_half_of_the_relevance():
    grid = np.full((SIDE, SIDE), 0.5 / 254)
    grid[3, 4], grid[9, 9] = 0.4, 0.1
    region = region_of(grid)
    assert region[3, 4]
    assert region[9, 9]
    assert grid[region].sum() >= 0.5 * grid.sum()
    assert grid[region].sum() - grid[region].min() < 0.5 * grid.sum()


def test_the_control_is_the_same_shape_at_the_place_that_matters_most():
    region = cells(slice(0, 2), slice(0, 3))
    grid = np.full((SIDE, SIDE), 1e-6)
    grid[region] = 1
    grid[8:10, 8:11] = 0.5
    control = elsewhere(region, grid)
    np.testing.assert_array_equal(control, cells(slice(8, 10), slice(8, 11)))


def test_a_control_does_not_touch_the_region():
    region = cells(slice(5, 8), slice(5, 8))
    control = elsewhere(region, np.exp(-np.hypot(*np.mgrid[-6:10, -6:10])))
    assert control.sum() == region.sum()
    rows, columns = np.nonzero(control)
    assert not cells(slice(4, 9), slice(4, 9))[rows, columns].any()


def test_there_may_be_no_room_for_a_control():
    assert elsewhere(cells(slice(0, 12), slice(0, 12)), np.ones((SIDE, SIDE))) is None
