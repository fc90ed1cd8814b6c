"""Coarse maps for weight randomisation and noise stability: a method at a fraction of its cost.

Both measures compute a map several times. Coarse maps are enough for that, as long as both sides of
the comparison are equally coarse.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image
from torch import Tensor, nn

from ..errors import ModelError
from ..methods.attribution import Step
from ..methods.cover_methods import OcclusionSetting, PatchSetting
from ..methods.gradients import gradient_steps
from ..methods.occlusion import OcclusionSurvey
from ..methods.preview import coarse
from ..methods.registry import survey_of
from ..methods.scores import Question
from ..methods.settings import Setting, SurveySetting
from ..methods.superpixels import superpixels
from ..methods.survey import survey_steps
from ..methods.windows import WindowGrid


@dataclass(frozen=True, eq=False)
class Asking:
    """How a map is computed, apart from the network and the input, which vary.

    Attributes:
        question: the score that is explained.
        setting: of the method.
        baseline: the method's, (1, C, H, W).
        seen: the input as a picture, RGB, for superpixels.
        regions: what is covered in place of superpixels, int (H, W); None for superpixels.
    """

    question: Question
    setting: Setting
    baseline: Tensor
    seen: Image.Image
    regions: np.ndarray | None = None

    @cached_property
    def patches(self) -> np.ndarray:
        """The patches of the picture as it is, on which all its quick maps are made."""
        if self.regions is not None:
            return self.regions
        setting = self.setting.quick()
        assert isinstance(setting, PatchSetting)
        return superpixels(self.seen, setting.segments)


def quick_passes(setting: Setting, side: int) -> int:
    """About how many passes a quick map takes on an input of ``side`` x ``side`` pixels."""
    setting = setting.quick()
    if isinstance(setting, OcclusionSetting):
        size, stride = (setting.window,) * 2, (setting.stride,) * 2
        return int(coarse(WindowGrid((side, side), size, stride).shape).sum())
    return setting.passes((side, side))


def quick_map(
    module: nn.Module, inputs: Tensor, asking: Asking
) -> Generator[int, None, np.ndarray]:
    """Compute a coarse map, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes); no other thread may use it.
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
    setting, question = asking.setting.quick(), asking.question
    if isinstance(setting, SurveySetting):
        survey = survey_of(setting, module, inputs, asking.baseline, lambda _: asking.patches)
        goal = None
        if isinstance(survey, OcclusionSurvey):
            goal = int(coarse(survey.grid.shape).sum())
        return survey_steps(survey, question), goal
    return (
        gradient_steps(module, inputs, question, setting, asking.baseline),
        None,
    )
