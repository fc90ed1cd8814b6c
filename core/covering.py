"""What a network says of a picture with parts of it covered, in full passes."""

import itertools
import time
from collections.abc import Generator, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from core.checks import baseline_like, check_inputs, finite
from core.memory import memory
from core.scores import Question
from core.turns import turn

_LARGEST_BATCH = {"cpu": 8, "cuda": 64, "mps": 16}


def covered_scores(
    module: nn.Module,
    inputs: Tensor,
    masks: Iterable[np.ndarray],
    question: Question,
    baseline: float | Tensor = 0.0,
    batch_seconds: float | None = None,
) -> Generator[int, None, np.ndarray]:
    """The score with each of some masks covered, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        masks: bool (H, W) each, True where covered; as many are held at once as fit a batch.
        question: which score.
        baseline: what covered pixels become, a number or a tensor of the input's shape.
        batch_seconds: what a batch may take, for those who want to stop soon.

    Returns:
        float64 (n,).

    Raises:
        SettingError: input or baseline have another shape, or a class is out of range.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    covered = baseline_like(baseline, inputs)
    network = memory.prepared(module, inputs).network
    largest = _LARGEST_BATCH[inputs.device.type]
    batch = largest if batch_seconds is None else 1
    scores: list[float] = []
    following = iter(masks)
    while chunk := list(itertools.islice(following, batch)):
        started = time.perf_counter()
        part = torch.from_numpy(np.stack(chunk))[:, None].to(inputs.device)
        with turn:
            logits = finite(network.dense(torch.where(part, covered, inputs)))
        scores += question.check(logits.shape[1]).scores(logits.double()).tolist()
        if batch_seconds is not None:
            pace = (time.perf_counter() - started) / len(part)
            batch = max(1, min(int(batch_seconds / pace), largest))
        yield len(part)
    return np.array(scores)
