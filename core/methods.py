"""Every method by name: what it is called, what it starts with, and which models can have it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor, nn

from core import grad_cam, rectifiers
from core.errors import SettingError
from core.memory import memory
from core.settings import (
    GradCamSetting,
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    OcclusionSetting,
    Setting,
    SmoothSetting,
    SuperpixelSetting,
)
from core.teams import alone


@dataclass(frozen=True)
class Method:
    """A method that can be chosen.

    Attributes:
        title: for people.
        setting: what it starts with.
        reading: what a pixel's value means; "{score}" stands for the explained score.
    """

    title: str
    setting: Setting
    reading: str


METHODS: dict[str, Method] = {
    "integrated_gradients": Method(
        "Integrated Gradients",
        IntegratedGradientsSetting("enough"),
        "the pixel's share of what changes {score} on the way from the baseline",
    ),
    "occlusion": Method(
        "Occlusion",
        OcclusionSetting(15, 8),
        "how far {score} falls when a window covers the pixel, mean over the windows on it",
    ),
    "superpixels": Method(
        "Superpixel ablation",
        SuperpixelSetting(),
        "how far {score} falls when the patch around the pixel is covered",
    ),
    "saliency": Method(
        "Saliency",
        GradientSetting("saliency"),
        "how fast {score} changes with the pixel, whichever way",
    ),
    "input_x_gradient": Method(
        "Input × Gradient",
        GradientSetting("input_x_gradient"),
        "the slope of {score} in the pixel, times the pixel",
    ),
    "smoothgrad": Method(
        "SmoothGrad",
        SmoothSetting(GradientSetting("saliency"), "smoothgrad", 20, 0.3),
        "the mean of the map over noisy copies of the picture",
    ),
    "smoothgrad_sq": Method(
        "Smoothed Integrated Gradients",
        SmoothSetting(IntegratedGradientsSetting(50), "smoothgrad_sq", 10, 1.0),
        "the mean of the map's squares over noisy copies of the picture",
    ),
    "vargrad": Method(
        "VarGrad",
        SmoothSetting(GradientSetting("saliency"), "vargrad", 20, 0.3),
        "the variance of the map over noisy copies of the picture",
    ),
    "gradient_shap": Method(
        "GradientShap",
        GradientShapSetting(),
        "the pixel's share of what changes {score}, at random points from the baseline on",
    ),
    "deep_lift": Method(
        "DeepLift",
        GradientSetting("deep_lift"),
        "the pixel's part in the difference that {score} makes against the baseline",
    ),
    "guided_backprop": Method(
        "Guided Backprop",
        GradientSetting("guided_backprop"),
        "the slope of {score} in the pixel, along paths that only raise it",
    ),
    "grad_cam": Method(
        "Grad-CAM",
        GradCamSetting(),
        "the layer's maps at this place, weighted by what they do to {score}",
    ),
    "guided_grad_cam": Method(
        "Guided Grad-CAM", GradCamSetting(guided=True), "Guided Backprop times Grad-CAM"
    ),
}

COARSE = ("occlusion", "superpixels", "grad_cam")
FINE = frozenset(METHODS).difference(COARSE)
"""Methods that give each pixel a value of its own."""

POSITIVE = frozenset({"grad_cam"})
"""Methods that show what speaks for the class, and nothing else."""

UNSIGNED = frozenset({"saliency", "smoothgrad", "smoothgrad_sq", "vargrad"})
"""Methods whose values say how much a pixel counts, not whether for or against."""


def with_options(name: str, options: Mapping[str, Any]) -> Setting:
    """A method's own setting with some of its fields changed.

    ``steps`` reaches into a smoothed method, and so does ``baseline``.

    Raises:
        SettingError: an option does not belong to the method, or is out of range.
    """
    setting = METHODS[name].setting
    for option, value in options.items():
        if option in _changeable(setting):
            setting = replace(setting, **{option: value})
        elif isinstance(setting, SmoothSetting) and option in _changeable(setting.method):
            setting = replace(setting, method=replace(setting.method, **{option: value}))
        else:
            ours = [key for key in METHODS if option in options_of(key)]
            raise SettingError(
                f"--{option} does not belong to {name}, but to {', '.join(ours)}: leave it out, or "
                "choose another method."
            )
    return setting


def options_of(name: str) -> set[str]:
    """What can be changed of a method, those of the method that it smooths included."""
    setting = METHODS[name].setting
    inner = _changeable(setting.method) if isinstance(setting, SmoothSetting) else set()
    return _changeable(setting) | inner


def _changeable(setting: Setting) -> set[str]:
    """The fields of a setting that do not decide which method it is."""
    found = {field.name for field in fields(setting)} - {"method", "kind", "guided"}
    if isinstance(setting, GradientSetting) and setting.method != "deep_lift":
        found.remove("baseline")
    return found


def why_not(module: nn.Module, inputs: Tensor, name: str) -> str | None:
    """Why a method cannot be had for a network, as the end of a sentence; None if it can."""
    network = memory.prepared(module, inputs).network
    if name == "deep_lift":
        return rectifiers.why_no_deep_lift(network.module)
    if name in ("guided_backprop", "guided_grad_cam"):
        reason = rectifiers.why_no_guided_backprop(network.module)
        if reason is not None:
            return reason
    if name in ("grad_cam", "guided_grad_cam"):
        # Where the network cannot be exported, this sets hooks.
        return alone(lambda: grad_cam.why_none(network, inputs))
    return None
