"""What a map will cost, before it is computed."""

from dataclasses import dataclass

from core.integration import MOST_POINTS
from core.settings import (
    GradientShapSetting,
    IntegratedGradientsSetting,
    OcclusionSetting,
    Setting,
    SmoothSetting,
    SuperpixelSetting,
)
from core.windows import WindowGrid


@dataclass(frozen=True)
class Forecast:
    """The cost of a map.

    Attributes:
        passes: forward passes that are still to be made, at most.
        seconds: how long they will take on this machine; None before anything like it was measured.
        known: passes that need not be made again.
    """

    passes: int
    seconds: float | None
    known: int = 0


def all_passes(setting: Setting, side: int) -> int:
    """Passes that a map takes, at most, if nothing is known beforehand.

    Args:
        setting: the method.
        side: of the model's square input, in pixels.

    Raises:
        SettingError: a window or stride is out of range.
    """
    match setting:
        case OcclusionSetting(window=window, stride=stride):
            return WindowGrid((side, side), (window, window), (stride, stride)).count
        case SuperpixelSetting(segments=segments):
            return segments
        case _:
            return gradient_passes(setting)


def gradient_passes(setting: Setting) -> int:
    """Passes forward and back that a gradient method makes, at most."""
    match setting:
        case IntegratedGradientsSetting(steps=int(steps)):
            return steps
        case IntegratedGradientsSetting():
            return MOST_POINTS
        case SmoothSetting(method=method, samples=samples):
            return samples * gradient_passes(method)
        case GradientShapSetting(samples=samples):
            return samples
        case _:
            return 1
