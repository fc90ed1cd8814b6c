"""Noisy linear imputation: covered pixels become what their surroundings suggest, for ROAD.

Rong, Leemann, Borisov, Kasneci, Kasneci, "A Consistent and Efficient Evaluation Strategy for
Attribution Methods", ICML 2022: each covered pixel is the weighted mean of its eight neighbours,
1/6 of each beside it and 1/12 of each across a corner, and all of them are solved for together. So
the shape of what is covered, by which a network may guess the class, is hardly seen. Noise hides
what the smoothness would give away.
"""

import threading
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..engine.teams import heed

NOISE = 0.01  # standard deviation, in units of the model's input

_WEIGHTS = {
    (down, across): 1 / 6 if 0 in (down, across) else 1 / 12
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if (down, across) != (0, 0)
}
_OUTSIDE, _GIVEN = -2, -1
_MOST_PIXELS = 800_000  # that are solved for at a time, on all threads: some 700 MB


def imputed(picture: np.ndarray, mask: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """A picture with covered pixels filled in from the others.

    Where everything is covered, there is nothing to fill in from: all pixels become the picture's
    mean, channel by channel.

    Args:
        picture: (C, H, W).
        mask: bool (H, W), True where covered.
        noise: that is added to covered pixels, (C, H, W).

    Returns:
        float64 (C, H, W).
    """
    found = picture.astype(np.float64)
    if mask.all():
        found[:] = found.mean(axis=(1, 2), keepdims=True)
    elif mask.any():
        found[:, mask] = _solved(found, mask)
    return np.where(mask, found + noise, found)


@dataclass(frozen=True, eq=False)
class Imputer:
    """Covers an input by noisy linear imputation, as `core.methods.masked.Cover`.

    The noise of a pixel is the same in every mask: a mask always gives the same picture.

    Attributes:
        inputs: float32 (1, C, H, W).
        seed: of the noise.
    """

    inputs: Tensor
    seed: int = 0
    _room: threading.BoundedSemaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Solve for no more pictures at a time than memory is meant for."""
        places = max(1, _MOST_PIXELS // self.inputs[0, 0].numel())
        object.__setattr__(self, "_room", threading.BoundedSemaphore(places))

    def __call__(self, masks: np.ndarray) -> Tensor:
        """The covered pictures, float32 (n, C, H, W), of masks, bool (n, H, W)."""
        picture, noise = self._arrays
        found = np.empty((len(masks), *picture.shape), np.float32)
        for number, mask in enumerate(masks):
            heed()
            with self._room:
                found[number] = imputed(picture, mask, noise)
        return torch.from_numpy(found).to(self.inputs)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        picture = self.inputs[0].cpu().numpy()
        generator = np.random.default_rng(self.seed)
        return picture, NOISE * generator.standard_normal(picture.shape)


def _solved(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The covered pixels, (C, n), in their order; some pixels are not covered."""
    from scipy.sparse import coo_array  # takes a while to load
    from scipy.sparse.linalg import splu

    rows, columns = np.nonzero(mask)
    count = len(rows)
    numbers = np.full(np.add(mask.shape, 2), _OUTSIDE)
    numbers[1:-1, 1:-1] = _GIVEN
    numbers[rows + 1, columns + 1] = np.arange(count)
    own, other, weights = [np.arange(count)], [np.arange(count)], [np.zeros(count)]
    given = np.zeros((count, len(picture)))
    for (down, across), weight in _WEIGHTS.items():
        beside = numbers[rows + 1 + down, columns + 1 + across]
        weights[0] += weight * (beside != _OUTSIDE)  # at the border, fewer make the mean
        covered, known = np.flatnonzero(beside >= 0), np.flatnonzero(beside == _GIVEN)
        own.append(covered)
        other.append(beside[covered])
        weights.append(np.full(len(covered), -weight))
        given[known] += weight * picture[:, rows[known] + down, columns[known] + across].T
    places = np.concatenate(own), np.concatenate(other)
    system = coo_array((np.concatenate(weights), places), shape=(count, count)).tocsc()
    # Symmetric and diagonally dominant: no pivots are needed, and there is half as much to do.
    symmetric = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0}
    return splu(system, **symmetric, options={"SymmetricMode": True}).solve(given).T
