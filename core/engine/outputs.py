"""Finds the tensor of logits in the output of a network."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError

KEYS = ("logits", "out")
"""Under which networks return their scores where they return several tensors by name."""


def logits_of(output: Any) -> Tensor:
    """Take the scores out of what a network returned for pictures (N, C, H, W).

    Args:
        output: a tensor; a mapping or an object with ``logits``, or a mapping with ``out``; or a
            tuple or list that begins with one of these. The tensor is (N, classes),
            (N, classes, 1, 1), or (N,) for a single score.

    Returns:
        (N, classes).

    Raises:
        ModelError: there is no such tensor, or its shape or type is another.
    """
    found = _unwrapped(output)
    if not isinstance(found, Tensor):
        raise ModelError(
            f"The model returns {type(output).__name__} without scores: it has to return a tensor, "
            "or one under logits or out, or one as the first of several."
        )
    if not found.is_floating_point():
        raise ModelError(
            f"The model returns scores of type {str(found.dtype).removeprefix('torch.')}: "
            "it has to return floating point numbers."
        )
    if 0 in found.shape[1:]:
        raise ModelError("The model returns scores of no class: it has to return one at least.")
    if found.dim() == 1:
        return found[:, None]
    if found.dim() == 4 and found.shape[2] == 1 and found.shape[3] == 1:
        return found.flatten(1)
    if found.dim() != 2:
        shape = ", ".join(["N", *(str(side) for side in found.shape[1:])])
        raise ModelError(
            f"The model returns scores of shape ({shape}) for N pictures: "
            "it has to return (N, classes), (N, classes, 1, 1) or (N,)."
        )
    return found


def _unwrapped(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        return next((output[key] for key in KEYS if isinstance(output.get(key), Tensor)), None)
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, tuple | list) and output:
        return _unwrapped(output[0])
    return None


class TwoOutcomes(nn.Module):
    """A network with one logit z as one with two outputs, (-z, z): the sigmoid of each is its own.

    What holds for several outputs then holds for such a network too, and the logit of either
    outcome is the network's own, up to its sign.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take a network that returns one logit for each picture."""
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (N, C, H, W) -> outputs (N, 2)."""
        logit = logits_of(self.network(inputs))
        return torch.cat((-logit, logit), 1)
