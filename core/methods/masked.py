"""Logits and scores of a picture with masks covered, by dense forward passes."""

import itertools
from collections.abc import Callable, Generator, Iterable
from contextlib import closing

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.checks import baseline_like, check_inputs, finite
from ..engine.incremental import IncrementalNetwork
from ..engine.remembered import memory
from ..engine.teams import side_by_side, teams_for
from .scores import Question

Cover = float | Tensor | Callable[[np.ndarray], Tensor]
"""What covered pixels become: a number, a tensor of the input's shape, or a function of masks, bool
(n, H, W), that gives the covered pictures, (n, C, H, W) of the input's dtype and device."""

WHOLE_PICTURES = {"cpu": 8, "cuda": 64, "mps": 16}
"""How many pictures a device computes well at once, where all of each goes through the network."""
_MADE_AT_ONCE = 8  # pictures of a function, which may take longer over each than the network does


def covered_scores(
    module: nn.Module,
    inputs: Tensor,
    masks: Iterable[np.ndarray],
    question: Question,
    baseline: Cover = 0.0,
) -> Generator[int, None, np.ndarray]:
    """The score with each of some masks covered, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        masks: bool (H, W) each, True where covered; as many are held at once as fit a batch.
        question: which score.
        baseline: what covered pixels become.

    Returns:
        float64 (n,).

    Raises:
        SettingError: input or baseline have another shape, or a class is out of range.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    scores: list[float] = []
    network = memory.prepared(module, inputs).network
    with closing(covered_logits(network, inputs, masks, baseline)) as batches:
        for logits in batches:
            scores += question.check(logits.shape[1]).scores(logits.double()).tolist()
            yield len(logits)
    return np.array(scores)


def covered_logits(
    network: IncrementalNetwork, inputs: Tensor, masks: Iterable[np.ndarray], baseline: Cover
) -> Generator[Tensor, None, None]:
    """The logits (n, classes) of each batch; otherwise as `covered_scores`."""
    cover = _cover(baseline, inputs)
    size = 1 if network.single else WHOLE_PICTURES[inputs.device.type]
    if callable(baseline):
        size = min(size, _MADE_AT_ONCE)
    teams = 1 if network.captured is None else teams_for(inputs.device)

    def visit(chunk: list[np.ndarray]) -> Tensor:
        return network.dense(cover(np.stack(chunk)))

    following = iter(masks)
    chunks = iter(lambda: list(itertools.islice(following, size)), [])
    with closing(side_by_side(visit, chunks, teams)) as visited:
        for _, logits in visited:
            yield finite(logits)


def _cover(baseline: Cover, inputs: Tensor) -> Callable[[np.ndarray], Tensor]:
    """The covered pictures, as a function of their masks."""
    if callable(baseline):
        return baseline
    covered = baseline_like(baseline, inputs)

    def cover(masks: np.ndarray) -> Tensor:
        return torch.where(torch.from_numpy(masks)[:, None].to(inputs.device), covered, inputs)

    return cover
