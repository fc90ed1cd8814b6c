"""Captum's Occlusion, as a reference for `core.methods.occlusion`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from ..engine.checks import baseline_like, check_inputs
from ..errors import ModelError
from .attribution import Attribution
from .scores import Question
from .windows import WindowGrid

_BATCH = 8  # windows per forward pass: on a CPU, near the fastest for most networks


def captum_occlusion(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    *,
    window: int,
    stride: int,
    baseline: float | Tensor = 0.0,
    report: Callable[[int, int], object],
) -> Attribution:
    """Occlusion of one input by `captum.attr.Occlusion`: the whole network for every window.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Used in eval mode, left as it was.
        inputs: float32 (1, C, H, W).
        question: the score that is explained.
        window, stride: pixels, in both directions.
        baseline: a number, or a tensor of the input's shape, in the input's own space.
        report: called after each batch with (windows done, all windows).

    Returns:
        Values (H, W), in units of the score, as `OcclusionSurvey.attribution` gives them. Like a
        survey's, ``forward_passes`` counts the windows; the uncovered input comes on top.

    Raises:
        SettingError: a setting is out of its range.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    height, width = inputs.shape[-2:]
    grid = WindowGrid((height, width), (window, window), (stride, stride))
    done = -1  # Captum begins with the uncovered input

    def scores(batch: Tensor) -> Tensor:
        nonlocal done
        logits = module(batch)
        done += len(batch)
        report(done, grid.count)
        return question.check(logits.shape[-1]).scores(logits)

    channels = inputs.shape[1]
    started = time.perf_counter()
    with evaluating(module), torch.no_grad():
        values = Occlusion(scores).attribute(
            inputs,
            sliding_window_shapes=(channels, window, window),
            strides=(channels, stride, stride),
            baselines=baseline_like(baseline, inputs),
            perturbations_per_eval=_BATCH,
        )
    values = values[0, 0].cpu()  # a window covers all channels, so they are all alike
    if not values.isfinite().all():
        raise ModelError(
            "The model gave scores that are not finite numbers: "
            "choose another model, picture or baseline."
        )
    return Attribution(
        values=values.numpy(),
        method="occlusion",
        question=question,
        parameters={"window": grid.window, "stride": grid.stride, "engine": "captum"},
        forward_passes=grid.count,
        seconds=time.perf_counter() - started,
    )


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
