"""Captions of maps: method, settings, baseline and completeness in words, for page and files."""

from collections.abc import Sequence

import numpy as np

from ..methods import baselines
from ..methods.attribution import Attribution
from ..methods.cam_methods import ALL_LAYERS, ChannelCamSetting, GradCamSetting, fuses
from ..methods.given_setting import GIVEN
from ..methods.lrp_method import LRP_RULES
from ..methods.occlusion import OcclusionSurvey
from ..methods.options import OPTIONS, options_of
from ..methods.registry import METHODS
from ..text import counted
from .region_words import regions_words
from .sentences import number, span, strongest_window

EVERY_CLASS = "the same for every {}"
"""What a map explains that does not depend on the question: the head's noun is to be filled in."""


def method_title(attribution: Attribution) -> str:
    """The method's name for people."""
    return attribution.about.title


def question_words(attribution: Attribution, class_names: tuple[str, ...]) -> str:
    """The explained score in words, such as "logit of swan minus goose"."""
    question, asks = attribution.question, attribution.about.asks
    if not asks:
        return EVERY_CLASS.format(question.head.noun)
    target, contrast = class_names[question.target], question.contrast
    kind, less = f"{question.scale} of", "minus"
    if "score" not in asks:
        kind, less = "answer", "before"
    return f"{kind} {target}{'' if contrast is None else f' {less} {class_names[contrast]}'}"


def settings_words(attribution: Attribution) -> str:
    """The settings that shape the map, without the baseline; empty where there are none."""
    found = attribution.parameters
    match attribution.method:
        case "superpixels" | "kernel_shap" | "lime":
            patches = f"{found['patches']} {'regions' if 'regions' in found else 'patches'}"
            if "samples" not in found:
                return patches
            every = 2 ** found["patches"] - 2
            if attribution.method == "kernel_shap" and every <= found["samples"]:
                return f"all {every} coalitions of {patches}"
            few = "" if found.get("determined", True) else ", too few to tell the worth of each"
            return f"{found['samples']} coalitions of {patches}{few}, seed {found['seed']}"
        case "integrated_gradients":
            return _steps(attribution)
        case "smoothgrad" | "smoothgrad_sq" | "vargrad":
            steps = f" of {found['steps']} steps" if "steps" in found else ""
            inner = METHODS[found["method"]].title
            return (
                f"{inner}{steps} on {found['samples']} noisy copies, noise {found['stdev']:g}, "
                f"seed {found['seed']}"
            )
        case "given":
            order = ", of known order alone" if found["order_only"] else ""
            return f"made elsewhere, {found['sign']}{order}"
        case "lrp":
            rule = attribution.found.get("rule", found["rule"])
            used = attribution.found.get("numbers", LRP_RULES[rule])
            numbers = (_option_words(name, found[name]) for name in used)
            return ", ".join([_option_words("rule", rule), *numbers])
    own = options_of(attribution.method) - {"baseline"}
    words = (_option_words(name, found[name]) for name in OPTIONS if name in own)
    return ", ".join(filter(None, words))


def baseline_words(attribution: Attribution) -> str:
    """The baseline, or nothing for methods that have none."""
    if attribution.method == GIVEN and not attribution.parameters["adds_up"]:
        return ""
    inner = attribution.parameters.get("method", attribution.method)
    baseline = attribution.parameters.get("baseline")
    if (inner != GIVEN and "baseline" not in options_of(inner)) or not isinstance(baseline, str):
        return ""
    return f"baseline {baselines.title(baseline)}"


def completeness(attribution: Attribution, unit: str, factor: float = 1.0) -> str:
    """The sum of the values, and the change of the score that it should equal.

    Such as "completeness: sum 6.3 of 8.0 logits". Empty for methods without the property.
    ``factor`` turns the map's units into ``unit``.
    """
    change, gap = attribution.change, attribution.gap
    if change is None or gap is None:
        return ""
    off = f" (off by {100 * abs(gap / change):.1f} %)" if change else ""
    reached = number(factor * (change + gap))
    return f"completeness: sum {reached} of {number(factor * change)} {unit}{off}"


def uncertainty(attribution: Attribution, unit: str, factor: float = 1.0) -> str:
    """The standard error of the values: "standard error 0.02 logits in the median, at most 0.05".

    Empty for methods without one. ``factor`` turns the map's units into ``unit``.
    """
    if attribution.errors is None:
        return ""
    errors = factor * np.asarray(attribution.errors, dtype=np.float64)
    median, largest = (number(float(each)) for each in (np.median(errors), errors.max()))
    return f"standard error {median} {unit} in the median, at most {largest}"


def checked(attribution: Attribution) -> str:
    """How far scores that the model itself recomputed differ from the map's: "equal to 8e-6".

    Empty if the model recomputed none of them.
    """
    found = attribution.agreement
    if found is None:
        return ""
    part = {"superpixels": "patch", "occlusion": "window"}.get(attribution.method, "picture")
    plural = "" if found.windows == 1 else "es" if part == "patch" else "s"
    digits, _, power = f"{found.difference:.0e}".partition("e")
    equal = f"equal to {digits}e{int(power)}" if found.difference else "equal"
    return f"{found.windows} {part}{plural} recomputed by the model itself: {equal}"


def remark(attribution: Attribution, class_names: Sequence[str]) -> str:
    """What has to be said of a map besides its values; empty for most.

    For the methods that search for regions, what was found; of a setting, that it has no effect;
    where a map of zeros is a valid result, what it means.
    """
    if words := without_effect(attribution):
        return words
    if words := regions_words(attribution, class_names):
        return words
    if attribution.values.any():
        return ""
    method = attribution.about
    if isinstance(method.setting, GradCamSetting | ChannelCamSetting):
        head = attribution.question.head
        asked = "no evidence for" if head.has_probabilities else "nothing that raises"
        asked = f"{asked} this {head.noun}"
        return f"{asked if method.asks else 'no activity'} in this layer"
    if attribution.method in ("gradient_rollout", "legrad"):
        return "no attention raises this score"
    return ""


def without_effect(attribution: Attribution) -> str:
    """Which numbers were chosen that no layer of the network takes; empty for most maps.

    The network decides it where the rule of LRP does: by ``auto``, or by the kinds of its layers.
    """
    if attribution.method != "lrp" or "numbers" not in attribution.found:
        return ""
    found, usual = attribution.parameters, METHODS["lrp"].setting
    idle = [
        _option_words(name, found[name])
        for name in LRP_RULES["auto"]
        if name not in attribution.found["numbers"] and found[name] != getattr(usual, name)
    ]
    rule = attribution.found["rule"]
    return f"{' and '.join(idle)}: no effect, by rule {rule} of this network" if idle else ""


def finding(
    attribution: Attribution, survey: OcclusionSurvey | None, class_names: tuple[str, ...]
) -> str:
    """What a map comes to, in a sentence.

    Args:
        attribution: the map.
        survey: the finished survey that an occlusion map comes from; None for another method.
        class_names: of the model.
    """
    if survey is not None:
        question = attribution.question
        return strongest_window(survey, class_names, question.head, question.target).placed
    if words := regions_words(attribution, class_names):
        return f"{words[0].upper()}{words[1:]}."
    low, high = span(float(attribution.values.min()), float(attribution.values.max()))
    said = f"The map goes from {low} to {high} {attribution.units}."
    if attribution.parameters.get("determined", True):
        return said
    drawn = counted(attribution.parameters["samples"], "coalition is", "coalitions are")
    return f"{said} {drawn} too few to tell the worth of each patch."


def _option_words(name: str, value: object) -> str:
    """The value of an option in words."""
    if name == "layer" and value is None:
        return "last layer with a map"
    if name == "layer" and isinstance(value, str) and fuses(value):
        return "last layer of each size, fused" if value == ALL_LAYERS else f"layers {value}, fused"
    if value is False:
        return ""
    return OPTIONS[name].words.format(value)


def _steps(attribution: Attribution) -> str:
    if attribution.parameters["steps"] == "enough":
        return f"{attribution.forward_passes - 2} steps, placed where needed"
    return f"{attribution.parameters['steps']} steps"
