"""Compares scores of the engine with those of the network itself.

The reference is the network in eval mode, given one picture at a time. Differences of rounding are
allowed; anything larger is an error.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError, UserError
from ..text import counted
from .free_memory import out_of_memory
from .outputs import logits_of

ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""The largest difference that is put down to rounding, as a share of the largest logit.

Some hundred units in the last place of float32 and float64; a few of the short types, whose
rounding grows from layer to layer.
"""


_AMPLIFIED = 32
"""Every layer rounds, where the test moves the picture alone."""

_EACH = 100
_MOST = 4  # each takes a whole pass


class Agreement(NamedTuple):
    """How far scores were from the network's own.

    Attributes:
        windows: how many pictures with a covered window were computed both ways.
        difference: the largest difference of a logit.
    """

    windows: int = 0
    difference: float = 0.0

    def __add__(self, other: object) -> "Agreement":
        """Both together."""
        if not isinstance(other, Agreement):
            return NotImplemented
        return Agreement(self.windows + other.windows, max(self.difference, other.difference))


def own_scores(twin: nn.Module, pictures: Tensor) -> Tensor:
    """What the network itself says of pictures (n, C, H, W), one at a time: (n, classes).

    Raises:
        ModelError: it cannot be computed on them, or does not return one row of logits for each.
    """
    return torch.cat([own_batch(twin, picture) for picture in pictures.split(1)])


def own_batch(twin: nn.Module, pictures: Tensor) -> Tensor:
    """The same, in one batch.

    Raises:
        ModelError: as `own_scores`.
    """
    with torch.inference_mode(False), torch.no_grad():
        pictures = pictures.detach().clone()  # the network may write into its input
        try:
            scores = logits_of(twin(pictures)).detach().clone()
        except UserError:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            reason = first_line(error)
            shape, dtype = tuple(pictures.shape), str(pictures.dtype).removeprefix("torch.")
            raise ModelError(
                f"The model cannot be computed on an input of shape {shape} and type {dtype}: "
                f"{reason}. Give it pictures of the size, channels and type that it takes."
            ) from error
    if len(scores) != len(pictures):
        raise ModelError(
            f"The model returns {counted(len(scores), 'row')} of scores for {len(pictures)} "
            "pictures: it has to return one for each."
        )
    return scores


def probes(inputs: Tensor) -> tuple[Tensor, list[int], list[int]]:
    """Two patches that change a picture (1, C, H, W): (2, C, h, w), tops and lefts.

    A quarter of the picture high and wide, one in the middle and one at a corner; x becomes 1 - x,
    which is a change whatever the picture holds.
    """
    height, width = inputs.shape[2:]
    high, wide = max(1, height // 4), max(1, width // 4)
    tops, lefts = [(height - high) // 2, 0], [(width - wide) // 2, 0]
    places = zip(tops, lefts, strict=True)
    patches = [1 - inputs[0, :, top : top + high, left : left + wide] for top, left in places]
    return torch.stack(patches), tops, lefts


def paler(inputs: Tensor) -> Tensor:
    """The picture with a quarter of its contrast, of the same shape.

    Beside it in a batch, it shows whether the network reads a range or a mean of the whole batch.
    """
    mean = inputs.mean()
    return mean + (inputs - mean) / 4


def covered(inputs: Tensor, patches: Tensor, tops: list[int], lefts: list[int]) -> Tensor:
    """The picture (1, C, H, W) with each of n patches (n, C, h, w) laid on it: (n, C, H, W)."""
    pictures = inputs.repeat(len(patches), 1, 1, 1)
    height, width = patches.shape[2:]
    for picture, patch, top, left in zip(pictures, patches, tops, lefts, strict=True):
        picture[:, top : top + height, left : left + width] = patch
    return pictures


def numbers_to_check(windows: int) -> np.ndarray:
    """Which of so many windows the network itself computes too: one of a hundred, 1 to 4 in all."""
    count = max(1, min(_MOST, windows // _EACH))
    return np.random.default_rng(0).choice(windows, count, replace=False)


def first_line(error: Exception) -> str:
    """What an error says, in short."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def difference(scores: Tensor, truth: Tensor) -> float:
    """The largest difference of two tensors of logits; infinity where one alone is not finite."""
    if scores.shape != truth.shape:
        return float("inf")
    alike = scores.eq(truth) | (scores.isnan() & truth.isnan())
    apart = (scores.double() - truth.double()).abs().masked_fill(alike, 0.0)
    return float(apart.nan_to_num(float("inf"), float("inf")).max()) if apart.numel() else 0.0


def unsteady(apart: float) -> ModelError:
    """What to raise where the network itself gives other scores for the same picture."""
    return ModelError(
        f"The model gives other scores each time, by up to {apart:.2g}, so that no map of "
        "it means anything: switch off its noise, or dropout that stays on in eval mode."
    )


def is_rounding(found: float, truth: Tensor, dtype: torch.dtype) -> bool:
    """Whether a difference is as small as rounding usually leaves it; see `ROUNDING`.

    Args:
        found: the largest difference of a logit.
        truth: the network's own logits.
        dtype: in which the network computes.
    """
    finite = truth[truth.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return found <= ROUNDING.get(dtype, ROUNDING[torch.float32]) * scale


def only_rounding(twin: nn.Module, found: float, pictures: Tensor, truth: Tensor) -> bool:
    """Whether a difference from the network's own logits of pictures is no more than rounding.

    Some networks, such as those with random weights, amplify rounding. How much is seen from what
    they make of pictures that are moved by one unit in the last place.

    Args:
        twin: the network itself.
        found: the largest difference of a logit.
        pictures: (n, C, H, W).
        truth: the network's own logits of them, (n, classes).
    """
    if is_rounding(found, truth, pictures.dtype):
        return True
    again = difference(own_scores(twin, pictures).to(truth), truth)
    if not is_rounding(again, truth, pictures.dtype):
        return False  # it gives other scores each time
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, pictures.shape, generator=generator).to(pictures) * 2 - 1
    moved = pictures + pictures * signs * torch.finfo(pictures.dtype).eps
    return found <= _AMPLIFIED * difference(own_scores(twin, moved).to(truth), truth)
