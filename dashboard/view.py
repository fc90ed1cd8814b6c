"""Maps and pictures as panels: numbers become words here, and nowhere else on the page."""

from functools import lru_cache

from core.attribution import Attribution
from core.baselines import TITLES
from core.explainer import IntegratedGradientsSetting, OcclusionSetting, Setting
from core.models import Classifier
from core.picture import Picture
from core.rendering import Display, colour_bar, colours, data_uri, scale
from core.scores import Question
from dashboard.panels import Outline, Panel, ScaleBar

_PHOTO_SIDE = 640  # pixels; what a panel can show on a large screen


def photo_panel(picture: Picture, classifier: Classifier) -> Panel:
    """The whole photo, what lies outside the model's crop greyed."""
    width, height = picture.image.size
    box = classifier.record.preprocessing.crop_box((width, height))
    return Panel(
        title="Photo",
        alt=f"The photo, {width} by {height} pixels; the part the model sees is outlined.",
        picture=_photo_uri(picture),
        size=(width, height),
        outlines=(_outline(box, (width, height), "crop"),),
        caption=f"{width} × {height} pixels. Bright: what the model sees.",
    )


def input_panel(
    picture: Picture, classifier: Classifier, settings: tuple[OcclusionSetting, ...]
) -> Panel:
    """The model's input, with the occlusion windows drawn to scale."""
    side = classifier.record.preprocessing.crop
    centred = [
        Outline(*(2 * [50 * (1 - s.window / side)]), *(2 * [100 * s.window / side]), kind="window")
        for s in settings
        if s.window <= side
    ]
    return Panel(
        title="What the model sees",
        alt=f"The centred square of the photo, {side} by {side} pixels, with the two occlusion "
        "windows drawn to scale.",
        picture=_input_uri(picture, classifier),
        size=(side, side),
        outlines=tuple(centred),
        caption=f"{side} × {side} pixels. Outlined: the two windows, to scale.",
    )


def map_title(setting: Setting, name: str) -> str:
    """What a map's panel is called."""
    if isinstance(setting, IntegratedGradientsSetting):
        return "Integrated Gradients"
    return f"Occlusion {name} {setting.window}/{setting.stride}"


def map_panel(
    title: str,
    attribution: Attribution,
    picture: Picture,
    classifier: Classifier,
    display: Display,
    progress: str | None = None,
) -> Panel:
    """A map over the model's input; ``progress`` says so while it forms."""
    ends = scale(attribution.values, display)
    side = classifier.record.preprocessing.crop
    names = classifier.class_names
    low, high = ends
    return Panel(
        title=title,
        alt=f"{title}: which pixels speak for {names[attribution.target]}, "
        f"from {_number(low)} to {_number(high)} {attribution.units}.",
        picture=_input_uri(picture, classifier),
        size=(side, side),
        overlay=data_uri(colours(attribution.values, display, ends)),
        bar=ScaleBar(
            colours=tuple(colour_bar(display, ends)),
            ticks=(_number(low), "0", _number(high)) if low < 0 < high else _two(low, high),
            units=attribution.units,
        ),
        caption=progress or caption(attribution, names),
    )


def caption(attribution: Attribution, class_names: tuple[str, ...]) -> str:
    """Method, settings, score explained, time taken and forward passes used, in one line."""
    parts = [question_words(attribution.question, class_names)]
    settings = attribution.parameters
    if attribution.method == "occlusion":
        parts.append(f"drop per window {settings['window']}, stride {settings['stride']}")
    else:
        parts.append(f"{settings['steps']} steps")
        if attribution.gap is not None:
            parts.append(f"sum is off by {_number(attribution.gap)}")
    parts.append(f"baseline {TITLES[settings['baseline']]}")
    parts.append(f"{attribution.forward_passes:,} passes, {attribution.seconds:.1f} s")
    return " · ".join(parts)


def question_words(question: Question, class_names: tuple[str, ...]) -> str:
    """The explained score in words."""
    against = ""
    if question.contrast is not None:
        against = f" minus {class_names[question.contrast]}"
    return f"{question.kind.replace('_', ' ')} of {class_names[question.target]}{against}"


def _number(value: float) -> str:
    """A number with a sensible number of digits and a true minus sign."""
    size = abs(value)
    digits = 1 if size >= 10 else 2 if size >= 0.1 else 3 if size >= 0.001 else 5
    return f"{value:.{digits}f}".replace("-", "−")


def _two(low: float, high: float) -> tuple[str, str, str]:
    return _number(low), "", _number(high)


def _outline(box: tuple[float, float, float, float], size: tuple[int, int], kind: str) -> Outline:
    left, top, right, bottom = box
    width, height = size
    return Outline(
        100 * left / width,
        100 * top / height,
        100 * (right - left) / width,
        100 * (bottom - top) / height,
        "crop" if kind == "crop" else "window",
    )


@lru_cache(maxsize=32)
def _photo_uri(picture: Picture) -> str:
    small = picture.image.copy()
    small.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    return data_uri(small, "JPEG")


@lru_cache(maxsize=32)
def _input_uri(picture: Picture, classifier: Classifier) -> str:
    return data_uri(classifier.record.preprocessing.picture(picture.image), "JPEG")
