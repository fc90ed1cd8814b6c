"""Gradient methods, by way of Captum, as steps that can be shown and stopped.

Integrated Gradients: Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from core.attribution import Attribution, Step
from core.checks import baseline_like, check_inputs
from core.errors import ModelError, SettingError
from core.scores import Question, ScoreKind
from core.turns import turn

STEPS_RANGE = (1, 1000)
_LARGEST_BATCH = 8  # of the sizes 1 to 50, the fastest on two cores; also what bounds the memory


def integrated_gradients(
    module: nn.Module,
    inputs: Tensor,
    *,
    target: int,
    steps: int,
    baseline: float | Tensor = 0.0,
    contrast: int | None = None,
    score: ScoreKind = "logit",
) -> Attribution:
    """Integrated Gradients of one input, along the straight line from a baseline.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Used in eval mode, left as it was.
        inputs: float32 (1, C, H, W).
        target: class whose score is explained.
        steps: points of the Gauss-Legendre quadrature, 1 to 1000; a pass forward and back each.
        baseline: a number, or a tensor of the input's shape, in the input's own space.
        contrast: class whose score is subtracted, if any.
        score: "logit", "probability" or "log_probability".

    Returns:
        Values (H, W), channels summed. They add up to score(inputs) - score(baseline), but for
        ``gap``, which shrinks with more steps.

    Raises:
        SettingError: a setting is out of range.
        ModelError: the gradients are not finite.
    """
    question = Question(target, contrast, score)
    for step in integrated_gradients_steps(module, inputs, question, steps, baseline):
        last = step
    return last.snapshot()


def integrated_gradients_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    steps: int,
    baseline: float | Tensor = 0.0,
    batch_seconds: float | None = None,
) -> Generator[Step, None, None]:
    """`integrated_gradients`, yielding after each batch; memory does not grow with ``steps``.

    ``batch_seconds`` is what a batch may take, for those who want to stop soon. The points of the
    path are visited in an interleaved order and a snapshot divides by the weights so far, so that
    an early snapshot already stands for the whole path.
    """
    check_inputs(inputs)
    check_steps(steps)
    reference = baseline_like(baseline, inputs)
    with turn, evaluating(module), torch.no_grad():
        logits = module(torch.cat([inputs, reference]))
        question.check(logits.shape[-1])
        ends = question.scores(logits.cpu().double())
    if not ends.isfinite().all():
        raise ModelError(
            "The model's scores are not finite numbers, so there is no map: "
            "choose another model, baseline or picture."
        )
    change = float(ends[0] - ends[1])

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    alphas, weights = (1 + nodes) / 2, weights / 2
    order = _interleaved(steps)
    captum = IntegratedGradients(lambda batch: question.scores(module(batch)))
    total = torch.zeros(inputs.shape, dtype=torch.float64)  # on the CPU: mps has no float64
    weight_done = seconds = 0.0
    done = 0

    def snapshot() -> Attribution:
        values = (total / weight_done).sum(dim=(0, 1))
        return Attribution(
            values=values.numpy(),
            method="integrated_gradients",
            question=question,
            parameters={"steps": steps, "baseline": _describe(baseline)},
            forward_passes=done + 2,
            seconds=seconds,
            gap=float(values.sum()) - change if done == steps else None,
        )

    batch = _LARGEST_BATCH if batch_seconds is None else 1
    while done < steps:
        started = time.perf_counter()
        chunk = order[done : done + batch]
        with turn, evaluating(module), torch.enable_grad():
            # Captum's own sum over a part of the path. Its public call runs the whole path at once,
            # and can neither report nor stop in between.
            (part,) = captum._attribute(
                (inputs,),
                (reference,),
                n_steps=len(chunk),
                step_sizes_and_alphas=(weights[chunk].tolist(), alphas[chunk].tolist()),
            )
        if not torch.isfinite(part).all():
            raise ModelError(
                "The gradients are not finite numbers, so there is no map: "
                "choose another score, baseline or picture."
            )
        total += part.detach().cpu().double()
        weight_done += float(weights[chunk].sum())
        done += len(chunk)
        seconds += time.perf_counter() - started
        if batch_seconds is not None:
            batch = max(1, min(int(batch_seconds * done / seconds), _LARGEST_BATCH))
        yield Step(done, steps, snapshot)


def check_steps(steps: int) -> None:
    """Accept a number of steps.

    Raises:
        SettingError: it is out of range.
    """
    low, high = STEPS_RANGE
    if not low <= steps <= high:
        raise SettingError(f"Integrated Gradients steps: {steps}; choose between {low} and {high}.")


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside; every submodule's own mode restored after, whatever happens."""
    training = [child for child in module.modules() if child.training]
    module.eval()
    try:
        yield
    finally:
        for child in training:
            child.training = True


def _interleaved(count: int) -> np.ndarray:
    """0..count-1 in an order whose every beginning is spread evenly (van der Corput sequence)."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = [int(format(i, f"0{bits}b")[::-1], 2) for i in range(1 << bits)]
    return np.array([i for i in reversed_bits if i < count])


def _describe(baseline: float | Tensor) -> float | str:
    return "tensor" if isinstance(baseline, Tensor) else float(baseline)
