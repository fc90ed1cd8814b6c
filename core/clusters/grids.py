"""Maps as small grids of shares, and grids as points whose distances compare them.

A grid holds the area means of the relevance, divided by their sum: where a map lies, however large
its values are. Grids are compared by the Hellinger distance, the Euclidean distance of their square
roots: of shares it is the usual one, from 0 to the square root of 2, and no single strong cell
decides it.
"""

from functools import cache
from typing import Literal, get_args

import numpy as np

SIDE = 16
"""Cells of a grid along each side."""

BORDER = 8
"""The border is one part in so many of the input's height and width, on each side."""

Sign = Literal["positive", "absolute"]
SIGNS: tuple[Sign, ...] = get_args(Sign)


def relevance(values: np.ndarray, sign: Sign) -> np.ndarray:
    """What of a map counts, (H, W), not negative: evidence for the answer, or of either kind."""
    return np.maximum(values, 0) if sign == "positive" else np.abs(values)


def grid_of(weights: np.ndarray) -> np.ndarray | None:
    """The share of relevance in each cell.

    Args:
        weights: relevance (H, W), not negative.

    Returns:
        float32 (SIDE, SIDE) that sums to 1, or None where there is no relevance.
    """
    height, width = weights.shape
    cells = _areas(height) @ weights.astype(np.float64) @ _areas(width).T
    total = cells.sum()
    if not (total > 0 and np.isfinite(total)):
        return None
    return (cells / total).astype(np.float32)


def border_share(weights: np.ndarray) -> float:
    """The share of relevance (H, W) in the outer ring, 0 to 1; NaN where there is none.

    The ring is an eighth of the height and of the width on each side, and 44 % of the area.
    """
    height, width = weights.shape
    down, right = (max(1, round(side / BORDER)) for side in (height, width))
    total = float(weights.sum(dtype=np.float64))
    inside = float(weights[down : height - down, right : width - right].sum(dtype=np.float64))
    return 1 - inside / total if total > 0 else float("nan")


def points_of(grids: np.ndarray, anywhere: bool) -> np.ndarray:
    """Grids (n, SIDE, SIDE) as points, float32 (n, d), each of length 1.

    With ``anywhere``, what lies at another place is the same: the magnitudes of the Fourier
    transform of the root, padded with zeros to twice the side so that nothing wraps around. They do
    not change when a map is shifted by whole cells.
    """
    roots = np.sqrt(grids)
    if not anywhere:
        return roots.reshape(len(grids), SIDE * SIDE)
    size = (2 * SIDE, 2 * SIDE)
    magnitudes = np.abs(np.fft.rfft2(roots, size)).astype(np.float32)
    found = magnitudes.reshape(len(grids), 2 * SIDE * (SIDE + 1))
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def unlike(grid: np.ndarray, other: np.ndarray) -> float:
    """The Hellinger distance of two grids divided by the square root of 2: 0 equal, 1 apart."""
    overlap = float(np.sqrt(grid.astype(np.float64) * other).sum())
    return float(np.sqrt(max(0.0, 1 - overlap)))


def enlarged(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cells (SIDE, SIDE) as pixels of an input of ``size`` (height, width), of the same type."""
    rows, columns = (np.arange(side) * SIDE // side for side in size)
    return cells[np.ix_(rows, columns)]


@cache
def _areas(length: int) -> np.ndarray:
    """How much of each pixel lies in each cell of one side, float64 (SIDE, length)."""
    edges = np.linspace(0, length, SIDE + 1)
    pixels = np.arange(length)
    low, high = edges[:-1, None], edges[1:, None]
    return np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
