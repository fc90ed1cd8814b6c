"""The registry of attribution methods: all that the rest of the program asks of one, in one entry.

It loads neither torch nor NumPy: the functions that compute a method are named as
``module.function`` of this package, and imported when a map is made.
"""

from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import SettingError
from ..text import did_you_mean, plain
from . import (
    attention_methods,
    black_box_methods,
    cam_methods,
    cover_methods,
    gradient_methods,
    lrp_method,
)
from .given_setting import GIVEN, NO_UNIT, SCORE_UNIT, GivenSetting
from .method import NEED_GRADIENTS, UNITLESS, Method
from .settings import Setting, SurveySetting

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ..engine.incremental import IncrementalNetwork
    from .request import Asked, Progress
    from .survey import Survey

METHOD_ALIASES = {"ig": "integrated_gradients"}
"""Short names for the command line and for results."""

METHODS: dict[str, Method] = {
    method.setting.name: method
    for method in (
        gradient_methods.INTEGRATED_GRADIENTS,
        cover_methods.OCCLUSION,
        cover_methods.SUPERPIXELS,
        black_box_methods.RISE,
        black_box_methods.KERNEL_SHAP,
        black_box_methods.LIME,
        cover_methods.WHAT_IS_ENOUGH,
        cover_methods.WHAT_MUST_GO,
        gradient_methods.SALIENCY,
        gradient_methods.INPUT_X_GRADIENT,
        gradient_methods.SMOOTHGRAD,
        gradient_methods.SMOOTHED_INTEGRATED_GRADIENTS,
        gradient_methods.VARGRAD,
        gradient_methods.GRADIENT_SHAP,
        gradient_methods.DEEP_LIFT,
        gradient_methods.GUIDED_BACKPROP,
        cam_methods.GRAD_CAM,
        cam_methods.GRAD_CAM_PLUS_PLUS,
        cam_methods.XGRAD_CAM,
        cam_methods.HIRES_CAM,
        cam_methods.LAYER_CAM,
        cam_methods.EIGEN_CAM,
        cam_methods.SCORE_CAM,
        cam_methods.ABLATION_CAM,
        cam_methods.GUIDED_GRAD_CAM,
        attention_methods.ATTENTION_ROLLOUT,
        attention_methods.GRADIENT_ROLLOUT,
        attention_methods.LEGRAD,
        lrp_method.LRP,
    )
}
"""By name, in the order of the page."""


def described(name: str, parameters: Mapping[str, Any]) -> Method:
    """The entry of a method; of a map made elsewhere, what was said of it.

    Args:
        name: of the method, or `GIVEN`.
        parameters: of the map, as `core.methods.attribution.Attribution` has them.
    """
    if name != GIVEN:
        return METHODS[name]
    said, title = parameters["unit"], parameters["title"]
    units = {SCORE_UNIT: "{}", NO_UNIT: UNITLESS}
    return Method(
        title,
        GivenSetting(parameters["values"], parameters["sign"], said, title),
        "the value in the file, made elsewhere",
        "black_box",
        (),
        "",
        unit=units.get(said, said.replace("{", "{{").replace("}", "}}")),
        coarse=parameters.get("coarse", True),
        sign=parameters["sign"],
        adds_up=parameters["adds_up"],
        may_be_zero=False,
    )


def progress(asked: "Asked", setting: Setting) -> "Generator[Progress, None, None]":
    """The steps of a method that is no survey."""
    steps: Generator[Progress, None, None] = _function(METHODS[setting.name].compute)(
        asked, setting
    )
    return steps


def survey_of(
    setting: SurveySetting,
    module: "nn.Module",
    inputs: "Tensor",
    baseline: "float | Tensor",
    patches: "Callable[[int], np.ndarray]",
) -> "Survey":
    """The survey that a setting asks for, of which nothing is computed yet.

    Args:
        setting: which survey; its own ``baseline`` is only the name of the ``baseline`` given.
        module, inputs, baseline: see `core.methods.survey.Survey`.
        patches: gives about so many superpixels, int (H, W), numbered from 1; called by the surveys
            that have them.

    Raises:
        SettingError: a setting is out of its range.
    """
    survey: Survey = _function(METHODS[setting.name].compute)(
        setting, module, inputs, baseline, patches
    )
    return survey


def reason_why_none(name: str, network: "IncrementalNetwork", inputs: "Tensor") -> str | None:
    """Why a network cannot have a method, as the end of a sentence; None if it can."""
    if METHODS[name].group in NEED_GRADIENTS:
        from ..engine.black_box import why_no_gradients  # with torch

        reason = why_no_gradients(network.twin)
        if reason is not None:
            return reason
    why = METHODS[name].why_none
    return str(reason) if why and (reason := _function(why)(network, inputs)) else None


def _function(path: str) -> Callable[..., Any]:
    """The function ``module.name`` of this package."""
    module, name = path.split(".")
    function: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
    return function


def method_named(wanted: str) -> str:
    """The name of a method, given by name or alias.

    Raises:
        SettingError: there is no such method.
    """
    name = METHOD_ALIASES.get(wanted, wanted) if isinstance(wanted, str) else None
    if name not in METHODS:
        near = did_you_mean(str(wanted), [*METHOD_ALIASES, *METHODS])
        raise SettingError(
            f'There is no method "{plain(str(wanted))}"{near}: choose one of {", ".join(METHODS)}.'
        )
    return name


def title_of(setting: Setting) -> str:
    """A method's name for people, with what tells two maps of it apart at a glance."""
    if isinstance(setting, GivenSetting):
        return setting.title
    title = METHODS[setting.name].title
    if isinstance(setting, cover_methods.OcclusionSetting):
        return f"{title} {setting.window}/{setting.stride}"
    if isinstance(setting, cover_methods.PatchSetting) and setting.regions:
        return f"{title}, own regions"
    return title
