"""How a map was made and how to read it, in words: the same on the page, on paper and in files."""

from core import baselines
from core.attribution import Attribution
from core.methods import METHODS
from core.story import number

_NO_BASELINE = {"saliency", "input_x_gradient", "guided_backprop", "grad_cam", "guided_grad_cam"}


def method_title(attribution: Attribution) -> str:
    """The method's name for people."""
    return METHODS[attribution.method].title


def settings_words(attribution: Attribution) -> str:
    """The settings that shape the map, without the baseline; empty where there are none."""
    found = attribution.parameters
    match attribution.method:
        case "occlusion":
            return f"window {found['window']}, stride {found['stride']}"
        case "superpixels":
            return f"{found['patches']} patches"
        case "integrated_gradients":
            return _steps(attribution)
        case "gradient_shap":
            return f"{found['samples']} samples, noise {found['stdev']:g}, seed {found['seed']}"
        case "smoothgrad" | "smoothgrad_sq" | "vargrad":
            steps = f" of {found['steps']} steps" if "steps" in found else ""
            inner = METHODS[found["method"]].title
            return (
                f"{inner}{steps} on {found['samples']} noisy copies, noise {found['stdev']:g}, "
                f"seed {found['seed']}"
            )
        case "grad_cam" | "guided_grad_cam":
            return f"layer {found['layer']}" if found["layer"] else "last layer with a map"
    return ""


def baseline_words(attribution: Attribution) -> str:
    """The baseline, or nothing for methods that have none."""
    inner = attribution.parameters.get("method", attribution.method)
    baseline = attribution.parameters.get("baseline")
    if inner in _NO_BASELINE or not isinstance(baseline, str):
        return ""
    return f"baseline {baselines.title(baseline)}"


def completeness(attribution: Attribution, unit: str, factor: float = 1.0) -> str:
    """What the values add up to, against what they should: "adds up to 6.3 of 8.0 logits".

    Empty for methods that promise nothing. ``factor`` turns the map's units into ``unit``.
    """
    change, gap = attribution.change, attribution.gap
    if change is None or gap is None:
        return ""
    off = f" (off by {100 * abs(gap / change):.1f} %)" if change else ""
    reached = number(factor * (change + gap))
    return f"adds up to {reached} of {number(factor * change)} {unit}{off}"


def checked(attribution: Attribution) -> str:
    """How far the model's own scores were from those of the map: "equal to 8e-6".

    Empty where the model itself computed none of the map's windows again.
    """
    found = attribution.agreement
    if found is None:
        return ""
    part = "patch" if attribution.method == "superpixels" else "window"
    plural = "" if found.windows == 1 else "es" if part == "patch" else "s"
    digits, _, power = f"{found.difference:.0e}".partition("e")
    equal = f"equal to {digits}e{int(power)}" if found.difference else "equal"
    return f"{found.windows} {part}{plural} recomputed by the model itself: {equal}"


def emptiness(attribution: Attribution) -> str:
    """What a map of zeros says, where zero is an answer; else empty."""
    if attribution.method in ("grad_cam", "guided_grad_cam") and not attribution.values.any():
        return "nothing speaks for this class here"
    return ""


def _steps(attribution: Attribution) -> str:
    if attribution.parameters["steps"] == "enough":
        return f"{attribution.forward_passes - 2} steps, placed where needed"
    return f"{attribution.parameters['steps']} steps"
