"""Does a map stand still when the picture changes by less than anybody sees?

Sensitivity-max: Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of
Explanations", NeurIPS 2019; `captum.metrics.sensitivity_max` is the same for the same noise.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.agreement import agreement
from core.quick import Asking, quick_map

RADIUS = 0.02
"""Of the noise, in units of the normalised input: one to three grey levels of 255."""

SAMPLES = 3
_STEADY = 0.5  # rank correlation


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How a map moves under noise.

    Attributes:
        largest: sensitivity-max: norm of the map's change as a share of the map's norm, the worst
            of the noisy pictures; 0 or more, lower is better.
        spearman: rank correlation with the map of the picture as it is, again the worst; -1..1,
            higher is better.
        values: the map of the picture as it is, float32 (H, W), made as the others were.
        maps: those of the noisy pictures, likewise.
    """

    largest: float
    spearman: float
    values: np.ndarray
    maps: tuple[np.ndarray, ...]

    @property
    def steady(self) -> bool:
        """Whether the map shows much the same all the same."""
        return self.spearman >= _STEADY or not self.largest  # nothing correlates with a flat map

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.steady:
            return "the map stays much the same"
        return "the map becomes another: do not read much into its details"


def sensitivity_steps(
    module: nn.Module, inputs: Tensor, asking: Asking, reference: np.ndarray, seed: int = 0
) -> Generator[int, None, Sensitivity]:
    """Make the map of noisy pictures, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes).
        inputs: float32 (1, C, H, W).
        asking: question, method and baseline.
        reference: the quick map of the picture as it is, (H, W).
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
    """What is added to the picture, each of its shape."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand((SAMPLES, *inputs.shape), generator=generator)
    return list((RADIUS * (2 * drawn - 1)).to(inputs))
