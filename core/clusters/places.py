"""The region of a cluster, another one of the same size, and both in words."""

import numpy as np

from .grids import SIDE

_MASS = 0.5
_NAMES = (
    ("upper left corner", "upper edge", "upper right corner"),
    ("left edge", "centre", "right edge"),
    ("lower left corner", "lower edge", "lower right corner"),
)


def region_of(grid: np.ndarray) -> np.ndarray:
    """The smallest set of cells with half of a mean grid's relevance, bool (SIDE, SIDE)."""
    order = np.argsort(-grid, axis=None, kind="stable")
    mass = np.cumsum(grid.ravel()[order], dtype=np.float64)
    needed = int(np.searchsorted(mass, _MASS * mass[-1])) + 1
    found = np.zeros(SIDE * SIDE, bool)
    found[order[:needed]] = True
    return found.reshape(SIDE, SIDE)


def elsewhere(region: np.ndarray, grid: np.ndarray) -> np.ndarray | None:
    """The same shape at another place, bool (SIDE, SIDE): a control.

    Of all places at which it does not touch the region, that with the most of the mean grid's
    relevance, so that the control is a hard one. None if there is no such place.
    """
    near = _grown(region)
    rows, columns = np.nonzero(region)
    best, most = None, -1.0
    for down in range(-int(rows.min()), SIDE - int(rows.max())):
        for right in range(-int(columns.min()), SIDE - int(columns.max())):
            place = rows + down, columns + right
            if not near[place].any() and (mass := float(grid[place].sum())) > most:
                best, most = place, mass
    if best is None:
        return None
    found = np.zeros_like(region)
    found[best] = True
    return found


def words_of(region: np.ndarray) -> str:
    """Where a region (SIDE, SIDE) lies, such as "upper left corner", "left edge", "centre"."""
    rows, columns = np.nonzero(region)
    down, right = _third(rows), _third(columns)
    if down is not None and right is not None:
        return _NAMES[down][right]
    if down is not None and down != 1:
        return _NAMES[down][1]
    if right is not None and right != 1:
        return _NAMES[1][right]
    edge = SIDE // 8
    outer = ~np.pad(np.ones((SIDE - 2 * edge,) * 2, bool), edge)
    sides = [rows.min() < edge, rows.max() >= SIDE - edge]
    sides += [columns.min() < edge, columns.max() >= SIDE - edge]
    if sum(sides) >= 3 and outer[region].mean() > 0.8:
        return "border"
    middle = SIDE // 4
    central = (abs(rows - (SIDE - 1) / 2) <= middle) & (abs(columns - (SIDE - 1) / 2) <= middle)
    return "centre" if central.mean() > 0.7 else "several parts"


def _third(places: np.ndarray) -> int | None:
    """The third of the side in which four of five cells lie; None if there is none."""
    counts = np.bincount(np.minimum(places * 3 // SIDE, 2), minlength=3) / len(places)
    return int(counts.argmax()) if counts.max() >= 0.8 else None


def _grown(region: np.ndarray) -> np.ndarray:
    """A region with the cells that touch it."""
    padded = np.pad(region, 1)
    parts = [padded[i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3)]
    found: np.ndarray = np.any(parts, axis=0)
    return found
