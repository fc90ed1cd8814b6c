"""Noise stability: how much a map changes under invisible input noise (sensitivity-max).

Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations",
NeurIPS 2019; `captum.metrics.sensitivity_max` is the same for the same noise.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .coarse_maps import Asking, quick_map
from .similarity import agreement

RADIUS = 0.02
"""Of the noise, in units of the normalised input: one to three grey levels of 255."""

SAMPLES = 3
_STEADY = 0.5  # rank correlation


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How much a map changes under input noise.

    Attributes:
        largest: sensitivity-max: norm of the map's change relative to the map's norm, the largest
            over the noisy pictures; 0 or more, lower is better.
        spearman: rank correlation with the map of the clean picture, the lowest over the noisy
            pictures; -1..1, higher is better.
        values: the map of the clean picture, float32 (H, W), computed as the others.
        maps: those of the noisy pictures.
    """

    largest: float
    spearman: float
    values: np.ndarray
    maps: tuple[np.ndarray, ...]

    @property
    def steady(self) -> bool:
        """Whether the map is stable: the rank correlation is at least 0.5."""
        return self.spearman >= _STEADY or not self.largest  # nothing correlates with a flat map

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.steady:
            return "the map is stable"
        return "the map is unstable, so its details are not reliable"


def sensitivity_steps(
    module: nn.Module, inputs: Tensor, asking: Asking, reference: np.ndarray, seed: int = 0
) -> Generator[int, None, Sensitivity]:
    """Compute the maps of noisy pictures, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes).
        inputs: float32 (1, C, H, W).
        asking: question, method and baseline.
        reference: the coarse map of the clean picture, (H, W).
        seed: of the noise, which is uniform within `RADIUS`.
    """
    maps = []
    for noise in noises(inputs, seed):
        maps.append((yield from quick_map(module, inputs + noise, asking)))
    size = float(np.linalg.norm(reference)) or 1.0
    correlation, _ = agreement([reference, *maps])
    return Sensitivity(
        max(float(np.linalg.norm(each - reference)) / size for each in maps),
        float(correlation[0, 1:].min()),
        reference,
        tuple(maps),
    )


def noises(inputs: Tensor, seed: int) -> list[Tensor]:
    """The noise that is added to the picture, each of its shape."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand((SAMPLES, *inputs.shape), generator=generator)
    return list((RADIUS * (2 * drawn - 1)).to(inputs))
