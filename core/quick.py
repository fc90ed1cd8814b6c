"""A method's map at a fraction of its cost, to be compared with another one made in the same way.

To see whether a map follows the weights, or stands still under noise, it is made again and again.
A coarse one will do for that, as long as both sides of the comparison are equally coarse.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image
from torch import Tensor, nn

from core.attribution import Step
from core.errors import ModelError
from core.forecast import gradient_passes
from core.gradients import gradient_steps
from core.occlusion import OcclusionSurvey, occlusion_steps
from core.preview import coarse
from core.scores import Question
from core.settings import (
    GradientShapSetting,
    IntegratedGradientsSetting,
    OcclusionSetting,
    Setting,
    SmoothSetting,
    SuperpixelSetting,
)
from core.superpixels import SuperpixelSurvey, superpixel_steps, superpixels
from core.windows import WindowGrid

_POINTS = 8
_SMOOTHED_POINTS = 4
_SAMPLES = 4
_PATCHES = 60


@dataclass(frozen=True, eq=False)
class Asking:
    """What a map is asked of, but for the network and the input, which vary.

    Attributes:
        question: whose score is explained.
        setting: of the method.
        baseline: the method's, (1, C, H, W).
        seen: the input as a picture, RGB, for superpixels.
    """

    question: Question
    setting: Setting
    baseline: Tensor
    seen: Image.Image

    @cached_property
    def patches(self) -> np.ndarray:
        """The superpixels of the picture as it is, on which all its quick maps are made."""
        setting = quick_setting(self.setting)
        assert isinstance(setting, SuperpixelSetting)
        return superpixels(self.seen, setting.segments)


def quick_setting(setting: Setting) -> Setting:
    """The same method with few points, samples or patches; occlusion keeps its windows."""
    match setting:
        case IntegratedGradientsSetting():
            return replace(setting, steps=_POINTS)
        case SmoothSetting(method=method, samples=samples):
            if isinstance(method, IntegratedGradientsSetting):
                method = replace(method, steps=_SMOOTHED_POINTS)
            return replace(setting, method=method, samples=min(samples, _SAMPLES))
        case GradientShapSetting(samples=samples):
            return replace(setting, samples=min(samples, _POINTS))
        case SuperpixelSetting(segments=segments):
            return replace(setting, segments=min(segments, _PATCHES))
    return setting


def quick_passes(setting: Setting, side: int) -> int:
    """About how many passes a quick map takes on an input of ``side`` x ``side`` pixels."""
    setting = quick_setting(setting)
    if isinstance(setting, OcclusionSetting):
        size, stride = (setting.window,) * 2, (setting.stride,) * 2
        return int(coarse(WindowGrid((side, side), size, stride).shape).sum())
    if isinstance(setting, SuperpixelSetting):
        return setting.segments
    return gradient_passes(setting)


def quick_map(
    module: nn.Module, inputs: Tensor, asking: Asking
) -> Generator[int, None, np.ndarray]:
    """Make a quick map, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes), of which no other thread makes maps.
        inputs: float32 (1, C, H, W).
        asking: the rest.

    Returns:
        The map (H, W); all zeros where the network gives no usable scores or gradients.
    """
    try:
        steps, goal = _begun(module, inputs, asking)
        before = 0
        with closing(steps):
            for step in steps:
                yield step.done - before
                before = step.done
                if goal is not None and step.done >= goal:
                    break
        return step.snapshot().values
    except ModelError:  # a network of random weights may say nothing at all
        return np.zeros(inputs.shape[2:], np.float32)


def _begun(
    module: nn.Module, inputs: Tensor, asking: Asking
) -> tuple[Generator[Step, None, None], int | None]:
    """The steps of a quick map, and after how many passes to stop; None for at the end."""
    setting, question = quick_setting(asking.setting), asking.question
    if isinstance(setting, OcclusionSetting):
        survey = OcclusionSurvey(
            module,
            inputs,
            window=setting.window,
            stride=setting.stride,
            baseline=asking.baseline,
        )
        goal = int(coarse(survey.grid.shape).sum())
        return occlusion_steps(survey, question, survey.steps()), goal
    if isinstance(setting, SuperpixelSetting):
        parts = SuperpixelSurvey(module, inputs, asking.patches, asking.baseline)
        return superpixel_steps(parts, question, parts.steps()), None
    return (
        gradient_steps(module, inputs, question, setting, asking.baseline),
        None,
    )
