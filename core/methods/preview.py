"""Previews of occlusion maps: the order in which windows are visited, and interpolation.

A coarse, even grid over the whole image, then the windows in whose neighbourhood the answers differ
most, and only then the rest. On photographs, an eighth of the windows chosen so gives a map that
ranks pixels much as the final one does; `benchmarks/preview.py` measures it.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

_COARSE = 4  # every fourth window down and across, a sixteenth of them
_ADAPTIVE_SHARE = 0.25  # after this share of windows the rest comes in the cheapest order
_LEG_SHARE = 0.02  # chosen at a time; smaller legs choose better but batch worse
_FEW = 64  # windows that are there so soon that no order is worth smaller batches
_NEIGHBOURS = 8  # visited windows that are asked how much the answer varies here


def legs(
    shape: tuple[int, int],
    known: np.ndarray,
    answers: Callable[[], np.ndarray],
    least: int = 1,
) -> Iterator[np.ndarray]:
    """The order of visits, as groups of windows to be visited together.

    Args:
        shape: windows (down, across), numbered row by row.
        known: bool (windows,), kept up to date by the caller while it visits.
        answers: gives float (windows, k), scores that were found; read only where known.
        least: windows that are worth a leg.

    Yields:
        Indices, int64 (n,), of windows that are not known. Before asking for the next leg, all of
        them are to be visited and marked in ``known``.
    """
    places = np.indices(shape).reshape(2, -1).T
    yield from _some(np.flatnonzero(coarse(shape) & ~known))
    enough = int(np.ceil(_ADAPTIVE_SHARE * len(places)))
    size = max(1, least, round(_LEG_SHARE * len(places)))
    while (missing := enough - int(known.sum())) > 0:
        yield from _some(_most_telling(places, known, answers(), min(size, missing)))
    yield from _some(np.flatnonzero(~known))


def coarse(shape: tuple[int, int]) -> np.ndarray:
    """The windows of the first leg, bool (windows,): an even grid, or all where they are few."""
    if math.prod(shape) <= _FEW:
        return np.ones(math.prod(shape), dtype=bool)
    down, across = (_coarse(length) for length in shape)
    return (down[:, None] & across).ravel()


def interpolate(shape: tuple[int, int], known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Fill in the windows between: float64 (windows,), exact where known.

    Radial basis functions |r| (the two-dimensional relative of drawing straight lines between
    points), see Wahba, "Spline Models for Observational Data", 1990.

    Args:
        shape: windows (down, across).
        known: bool (windows,).
        values: float (known windows,).
    """
    filled = np.zeros(len(known))
    filled[known] = values
    if known.all() or not known.any():
        return filled
    if known.sum() == 1:
        return np.full(len(known), values[0])
    # Takes a while to load, and no prediction needs it.
    from scipy.interpolate import RBFInterpolator

    places = np.indices(shape).reshape(2, -1).T.astype(float)
    # Beyond a few hundred points a solution in all of them costs more than the next windows would.
    neighbours = None if known.sum() <= 300 else 16
    surface = RBFInterpolator(
        places[known], values, kernel="linear", degree=0, neighbors=neighbours
    )
    filled[~known] = surface(places[~known])
    return filled


def _coarse(length: int) -> np.ndarray:
    """Which of ``length`` rows or columns belong to the first grid, bool (length,).

    Beginning one in from the border: windows on the border speak for one side only.
    """
    return np.arange(length) % _COARSE == min(1, length - 1)


def _some(windows: np.ndarray) -> Iterator[np.ndarray]:
    if len(windows):
        yield windows


def _most_telling(
    places: np.ndarray, known: np.ndarray, answers: np.ndarray, count: int
) -> np.ndarray:
    """Windows far from what is known, where what is known disagrees.

    Ranked by squared distance to the nearest visited window times the root of the spread of the
    nearest answers: distance counts for more, since flat regions have to be ranked as well.
    """
    seen, open_ = np.flatnonzero(known), np.flatnonzero(~known)
    if not len(seen):
        return open_[:count]
    from scipy.spatial import KDTree  # as in `interpolate`

    distance, near = KDTree(places[seen]).query(
        places[open_], k=np.arange(1, min(_NEIGHBOURS, len(seen)) + 1)
    )
    spread = answers[seen][near].std(axis=1).mean(axis=-1)
    promise = np.sqrt(spread + 1e-12) * distance[:, 0] ** 2
    chosen = []
    for _ in range(min(count, len(open_))):
        best = int(promise.argmax())
        chosen.append(open_[best])
        beside = np.abs(places[open_] - places[open_[best]]).max(axis=1) <= 1
        promise[beside] *= 0.3  # a window next to a chosen one has less left to tell
        promise[best] = -1.0
    return np.array(chosen)
