"""Maps of methods that are no survey, computed in steps that can be shown and stopped.

The methods are in modules of their own, with their sources; `core.methods.registry` lists them.

All of them work on the private, simplified copy of the network that the occlusion survey uses too:
batch norms are folded, weights lie in channels_last, and hooks never touch the caller's module.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from ..engine.agreement import first_line
from ..engine.black_box import why_no_gradients
from ..engine.checks import baseline_like, check_inputs
from ..engine.free_memory import out_of_memory
from ..engine.remembered import memory
from ..engine.teams import alone
from ..errors import ModelError, SettingError
from .attribution import Attribution, Step
from .gradient_methods import IntegratedGradientsSetting, Steps
from .method import NEED_GRADIENTS
from .options import options_of
from .registry import METHODS, progress
from .request import Asked, Progress, ends
from .scores import Question, ScoreKind
from .settings import Setting, parameters


def integrated_gradients(
    module: nn.Module,
    inputs: Tensor,
    *,
    target: int,
    steps: Steps,
    baseline: float | Tensor = 0.0,
    contrast: int | None = None,
    score: ScoreKind = "logit",
) -> Attribution:
    """Integrated Gradients of one input, along the straight line from a baseline.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Used in eval mode, left as it was.
        inputs: float32 (1, C, H, W).
        target: class whose score is explained.
        steps: points of the Gauss-Legendre quadrature, 1 to 1000, a pass forward and back each; or
            "enough": adaptive points, until the sum of the values is within 1 % of the change of
            the score, or `core.methods.gradient_methods.MOST_POINTS` are used.
        baseline: a number, or a tensor of the input's shape, in the input's own space.
        contrast: class whose score is subtracted, if any.
        score: "logit", "probability" or "log_probability".

    Returns:
        Values (H, W), channels summed. Their sum is score(inputs) - score(baseline), up to
        ``gap``, which shrinks with more steps.

    Raises:
        SettingError: a setting is out of range.
        ModelError: the gradients are not finite, or zero everywhere.
    """
    setting = IntegratedGradientsSetting(steps)
    question = Question(target, contrast, score)
    for step in gradient_steps(module, inputs, question, setting, baseline):
        last = step
    return last.snapshot()


def gradient_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    setting: Setting,
    baseline: float | Tensor = 0.0,
) -> Generator[Step, None, None]:
    """The map of any gradient method, yielding after each batch.

    Args:
        module, inputs, baseline: as for `integrated_gradients`.
        question: which score is explained.
        setting: of the method. Its own ``baseline`` is only the name of the ``baseline`` given.

    Raises:
        SettingError: a setting is out of range, or the method is not available for this network.
        ModelError: scores or gradients are not finite, or the gradients are zero everywhere.
    """
    check_inputs(inputs)
    reference = baseline_like(baseline, inputs)
    network = memory.prepared(module, inputs).network
    method = METHODS[setting.name]
    reason = why_no_gradients(network.twin) if method.group in NEED_GRADIENTS else None
    if reason is not None:
        raise SettingError(
            f"{method.title} is not available for this model, since {reason}: "
            "choose Occlusion, which needs no gradients."
        )
    with torch.inference_mode(False):
        given = inputs.detach().clone(), reference.detach().clone()
        asked = Asked(network, *given, question)
    at_input, at_reference = alone(lambda: ends(asked))
    due = _due(setting, question, at_input, at_reference)
    named = {"baseline": "tensor" if isinstance(baseline, Tensor) else float(baseline)}
    seconds = 0.0

    def attribution(at: Progress) -> Attribution:
        return Attribution(
            values=at.values().sum(dim=0).numpy(),
            method=setting.name,
            question=question,
            parameters={**parameters(setting), **named},
            forward_passes=at.done + 2,
            seconds=seconds,
            change=due if at.done == at.total else None,
            path=at.path,
            found=at.found,
        )

    with closing(progress(asked, setting)) as points, _derivative():
        started = time.perf_counter()
        for point in points:
            seconds += time.perf_counter() - started
            if point.done == point.total:
                _check_not_zero(asked, setting, point.values())
            yield Step(point.done, point.total, partial(attribution, point))
            started = time.perf_counter()


def _due(
    setting: Setting, question: Question, at_input: float, at_reference: float
) -> float | None:
    """What the values should sum to; None for a method without completeness.

    That is the change of the score from the baseline. Where a method has none, it is the score
    itself, if that is a logit: of a probability, the logits hold more or less than there is.
    """
    if not METHODS[setting.name].adds_up:
        return None
    if "baseline" in options_of(setting.name):
        return at_input - at_reference
    return at_input if question.kind == "logit" else None


@contextmanager
def _derivative() -> Iterator[None]:
    """Around a pass back through a network.

    Raises:
        ModelError: an operation of the network has no derivative.
    """
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"The model cannot be differentiated ({first_line(error)}): choose Occlusion, which "
            "needs no gradients."
        ) from error


def _check_not_zero(asked: Asked, setting: Setting, values: Tensor) -> None:
    """Refuse a map of zeros, unless zero is a valid result."""
    if values.any() or METHODS[setting.name].may_be_zero:
        return
    if asked.inputs.equal(asked.reference):
        return  # the baseline is the picture: nothing changes on the way
    hint = "choose another class, model or picture"
    if asked.question.kind != "logit":
        hint = "the probability is saturated; choose the logit as the score"
    raise ModelError(f"The gradients are zero everywhere, so there is no map: {hint}.")
