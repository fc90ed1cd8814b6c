"""Infidelity: how well the sum of a map over a square predicts the drop of the score.

Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations",
NeurIPS 2019, with their "square removal" perturbation; `captum.metrics.infidelity` with
``normalize=True`` is the same for the same squares. Squares of random sizes and places are covered.
The drop of the score is compared with the sum of the map in the square, up to one common factor,
since the values of an occlusion map are not shares of the score.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ..methods.masked import covered_scores
from ..methods.scores import Question

SQUARES = 48
_SIDES = (0.125, 0.5)  # of the input's shorter side
_ROUNDING = 1e-9  # of shares: a uniform map explains what the size does, but for the last bits


@dataclass(frozen=True, eq=False)
class Squares:
    """Covered squares, and the drop of the score for each.

    Attributes:
        masks: bool (n, H, W), True where covered.
        drops: score of the picture minus score with the square covered, float64 (n,).
    """

    masks: np.ndarray
    drops: np.ndarray


@dataclass(frozen=True, eq=False)
class Infidelity:
    """Infidelity of a map, and what its sums explain.

    Attributes:
        value: infidelity: mean squared error with the best common factor, in squared units; 0 or
            more, lower is better.
        explained: share of the drops' mean square that the map explains, 0..1, higher is better:
            1 - ``value`` / mean square; 0 for a map of the wrong sign, with a negative factor.
        flat: the same for a uniform map, for which only the size of a square counts.
        expected: drop that the map predicts for each square, float64 (n,), with that factor.
        drops: measured drop, float64 (n,).
    """

    value: float
    explained: float
    flat: float
    expected: np.ndarray
    drops: np.ndarray

    @property
    def better(self) -> bool:
        """Whether the map explains more of the drops than the size of a square does."""
        return self.explained > self.flat + _ROUNDING

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.better:
            return "the map explains more than the size of the square alone"
        return "the map explains no more than the size of the square alone"


def square_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    baseline: float | Tensor = 0.0,
    seed: int = 0,
) -> Generator[int, None, Squares]:
    """Cover squares of random sizes and places, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        question: the score that is recorded.
        baseline: what covered pixels become, a number or a tensor of the input's shape.
        seed: of the squares.

    Raises:
        SettingError: a class is out of range.
        ModelError: the scores are not finite.
    """
    masks = _masks(tuple(inputs.shape[2:]), seed)
    clean = np.zeros_like(masks[:1])
    scores = yield from covered_scores(
        module, inputs, np.concatenate([clean, masks]), question, baseline
    )
    return Squares(masks, scores[0] - scores[1:])


def infidelity(values: np.ndarray, squares: Squares) -> Infidelity:
    """Compare a map (H, W) with what covering squares did."""
    drops = squares.drops
    sums = (squares.masks * values.astype(np.float64)).sum(axis=(1, 2))
    expected = _fitted(sums, drops)
    value = float(np.mean((expected - drops) ** 2))
    explained = _explained(expected, drops) if np.mean(sums * drops) > 0 else 0.0
    flat = _explained(_fitted(squares.masks.mean(axis=(1, 2)), drops), drops)
    return Infidelity(value, explained, flat, expected, drops)


def _fitted(sums: np.ndarray, drops: np.ndarray) -> np.ndarray:
    """The multiple of the sums that is nearest to the drops."""
    power = float(np.mean(sums**2))
    return sums * (float(np.mean(sums * drops)) / power if power else 0.0)


def _explained(expected: np.ndarray, drops: np.ndarray) -> float:
    """Share of the drops' mean square."""
    power = float(np.mean(drops**2))
    return 1 - float(np.mean((expected - drops) ** 2)) / power if power else 0.0


def _masks(size: tuple[int, ...], seed: int) -> np.ndarray:
    """Squares of random sizes and places, bool (n, H, W)."""
    generator = np.random.default_rng(seed)
    low, high = (max(1, round(share * min(size))) for share in _SIDES)
    masks = np.zeros((SQUARES, *size), dtype=bool)
    for mask in masks:
        side = int(generator.integers(low, high, endpoint=True))
        top, left = (int(generator.integers(0, length - side, endpoint=True)) for length in size)
        mask[top : top + side, left : left + side] = True
    return masks
