"""Gradient methods as steps that can be shown and stopped.

Saliency: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2014
(arXiv:1312.6034). Input x Gradient: Shrikumar et al., "Not Just a Black Box", 2016
(arXiv:1605.01713). The other methods are in modules of their own, with their sources.

All of them work on the private, simplified copy of the network that the occlusion survey uses too:
batch norms are folded, weights lie in channels_last, and hooks never touch the caller's module.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from core import grad_cam, gradient_shap, integration, rectifiers, smoothing
from core.asking import Asked, Progress, ends, finite_gradients
from core.attribution import Attribution, Step
from core.checking import first_line
from core.checks import baseline_like, check_inputs
from core.errors import ModelError
from core.free_memory import out_of_memory
from core.memory import memory
from core.scores import Question, ScoreKind
from core.settings import (
    GradCamSetting,
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
    Steps,
    method_name,
    parameters,
)
from core.teams import alone

GradientsSetting = (
    IntegratedGradientsSetting
    | GradientSetting
    | SmoothSetting
    | GradientShapSetting
    | GradCamSetting
)

_MAY_BE_ZERO = {
    "grad_cam",
    "guided_grad_cam",
    "vargrad",
}  # an answer: nothing for it, or nothing varies


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
            "enough": points where they are needed, until what the values add up to is within 1 % of
            the change of the score, or `integration.MOST_POINTS` are used.
        baseline: a number, or a tensor of the input's shape, in the input's own space.
        contrast: class whose score is subtracted, if any.
        score: "logit", "probability" or "log_probability".

    Returns:
        Values (H, W), channels summed. They add up to score(inputs) - score(baseline), but for
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
    setting: GradientsSetting,
    baseline: float | Tensor = 0.0,
) -> Generator[Step, None, None]:
    """The map of any gradient method, yielding after each batch.

    Args:
        module, inputs, baseline: as for `integrated_gradients`.
        question: which score is explained.
        setting: of the method. Its own ``baseline`` is only the name of the ``baseline`` given.

    Raises:
        SettingError: a setting is out of range, or the method cannot be had for this network.
        ModelError: scores or gradients are not finite, or the gradients are zero everywhere.
    """
    check_inputs(inputs)
    reference = baseline_like(baseline, inputs)
    network = memory.prepared(module, inputs).network
    with torch.inference_mode(False):
        given = inputs.detach().clone(), reference.detach().clone()
        asked = Asked(network, *given, question)
    at_input, at_reference = alone(lambda: ends(asked))
    adds_up = _adds_up(setting)
    named = {"baseline": "tensor" if isinstance(baseline, Tensor) else float(baseline)}
    seconds = 0.0

    def attribution(at: Progress) -> Attribution:
        return Attribution(
            values=at.values().sum(dim=0).numpy(),
            method=method_name(setting),
            question=question,
            parameters={**parameters(setting), **named},
            forward_passes=at.done + 2,
            seconds=seconds,
            change=at_input - at_reference if adds_up and at.done == at.total else None,
            path=at.path,
        )

    with closing(_progress(asked, setting)) as progress, _derivative():
        started = time.perf_counter()
        for point in progress:
            seconds += time.perf_counter() - started
            if point.done == point.total:
                _check_not_zero(asked, setting, point.values())
            yield Step(point.done, point.total, partial(attribution, point))
            started = time.perf_counter()


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


def _progress(asked: Asked, setting: GradientsSetting) -> Generator[Progress, None, None]:
    """The steps of a method."""
    match setting:
        case IntegratedGradientsSetting(steps=int(steps)):
            return integration.even(asked, steps)
        case IntegratedGradientsSetting():
            return integration.adaptive(asked)
        case SmoothSetting(method=method):
            return smoothing.smoothed(asked, setting, lambda noisy: _progress(noisy, method))
        case GradientShapSetting():
            return gradient_shap.gradient_shap(asked, setting)
        case GradCamSetting():
            return grad_cam.grad_cam(asked, setting)
        case GradientSetting(method="deep_lift"):
            return _once(rectifiers.deep_lift, asked)
        case GradientSetting(method="guided_backprop"):
            return _once(rectifiers.guided_backprop, asked)
        case GradientSetting(method="saliency"):
            return _once(_saliency, asked)
        case GradientSetting():
            return _once(_input_x_gradient, asked)


def _once(method: Callable[[Asked], Tensor], asked: Asked) -> Generator[Progress, None, None]:
    """A method that needs a single pass forward and back."""

    def make() -> Tensor:
        with torch.inference_mode(False):
            return finite_gradients(method(asked))[0].detach().double().cpu()

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def _saliency(asked: Asked) -> Tensor:
    return asked.gradients(asked.inputs)[1].abs()


def _input_x_gradient(asked: Asked) -> Tensor:
    return asked.inputs * asked.gradients(asked.inputs)[1]


def _adds_up(setting: GradientsSetting) -> bool:
    """Whether the values of a method are to add up to the change of the score."""
    if isinstance(setting, GradientSetting):
        return setting.method == "deep_lift"
    return isinstance(setting, IntegratedGradientsSetting | GradientShapSetting)


def _check_not_zero(asked: Asked, setting: GradientsSetting, values: Tensor) -> None:
    """Refuse a map that says nothing, unless zero is the answer."""
    if values.any() or method_name(setting) in _MAY_BE_ZERO:
        return
    if asked.inputs.equal(asked.reference):
        return  # the baseline is the picture: nothing changes on the way
    hint = "choose another class, model or picture"
    if asked.question.kind != "logit":
        hint = "the probability is saturated; choose the logit as the score"
    raise ModelError(f"The gradients are zero everywhere, so there is no map: {hint}.")
