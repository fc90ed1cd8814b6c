"""What a network says of a picture with parts of it covered, in full passes."""

import itertools
from collections.abc import Generator, Iterable
from contextlib import closing

import numpy as np
import torch
from torch import Tensor, nn

from core.checks import baseline_like, check_inputs, finite
from core.memory import memory
from core.scores import Question
from core.teams import side_by_side, teams_for

_LARGEST_BATCH = {"cpu": 8, "cuda": 64, "mps": 16}


def covered_scores(
    module: nn.Module,
    inputs: Tensor,
    masks: Iterable[np.ndarray],
    question: Question,
    baseline: float | Tensor = 0.0,
) -> Generator[int, None, np.ndarray]:
    """The score with each of some masks covered, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        masks: bool (H, W) each, True where covered; as many are held at once as fit a batch.
        question: which score.
        baseline: what covered pixels become, a number or a tensor of the input's shape.

    Returns:
        float64 (n,).

    Raises:
        SettingError: input or baseline have another shape, or a class is out of range.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    covered = baseline_like(baseline, inputs)
    network = memory.prepared(module, inputs).network
    teams = 1 if network.captured is None else teams_for(inputs.device)

    def logits(chunk: list[np.ndarray]) -> Tensor:
        part = torch.from_numpy(np.stack(chunk))[:, None].to(inputs.device)
        return network.dense(torch.where(part, covered, inputs))

    scores: list[float] = []
    following, size = iter(masks), _LARGEST_BATCH[inputs.device.type]
    chunks = iter(lambda: list(itertools.islice(following, size)), [])
    with closing(side_by_side(logits, chunks, teams)) as found:
        for chunk, each in found:
            scores += question.check(each.shape[1]).scores(finite(each).double()).tolist()
            yield len(chunk)
    return np.array(scores)
