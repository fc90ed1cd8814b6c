"""The caption of a bundle's figure: model, prediction, and method and range of each map."""

from collections.abc import Sequence
from string import ascii_lowercase

from ..drawing.captions import baseline_words, checked, completeness, remark, uncertainty
from ..drawing.paper import heading
from ..drawing.rendering import Display
from ..drawing.sentences import says as model_says
from ..drawing.sentences import span
from ..methods.baselines import title as baseline_title
from ..methods.registry import METHODS
from ..methods.settings import baseline_of
from ..text import line, plain
from .exhibits import Plate, Shown

_SIGNS = {
    "all": "Red is evidence for the {0}, blue against it.",
    "positive": "Only evidence for the {0} is shown.",
    "negative": "Only evidence against the {0} is shown.",
    "absolute": "Absolute values are shown.",
}
_SIGNS_OF_VALUES = {
    "all": "Red raises the value, blue lowers it.",
    "positive": "Only what raises the value is shown.",
    "negative": "Only what lowers the value is shown.",
    "absolute": "Absolute values are shown.",
}


def figure_caption(shown: Sequence[Shown], display: Display, same_scale: bool) -> str:
    """Several sentences: what is asked of which model, what each map shows, how to read it."""
    parts = [answer(each) for each in shown]
    marks = letters(shown)
    for each in shown:
        for plate in each.plates:
            parts.append(f"{marks[plate.stem]}{plate_caption(each, plate)}")
    signed = display.sign != "all" or any(
        plate.attribution.values.min() < 0 for each in shown for plate in each.plates
    )
    if signed and display.colour_map == "red-blue":
        parts += dict.fromkeys(_sign(each, display) for each in shown)
    if display.outlier_percent:
        share = f"{display.outlier_percent:g} %"
        parts.append(f"Values beyond the ends of a scale make up {share} of the map's total.")
    if same_scale:
        parts.append("Maps in the same units share one scale.")
    elif len(shown) > 1:
        parts.append("Maps of the same name share one scale.")
    return " ".join(map(line, parts))


def _sign(shown: Shown, display: Display) -> str:
    """What the colours say of a model's maps."""
    head = shown.exhibit.classifier.head
    signs = _SIGNS if head.has_probabilities else _SIGNS_OF_VALUES
    return signs[display.sign].format(head.noun)


def letters(shown: Sequence[Shown]) -> dict[str, str]:
    """What marks each map in a figure of several, such as "(a) ", by its files' stem."""
    stems = [plate.stem for each in shown for plate in each.plates]
    if len(stems) == 1:
        return {stems[0]: ""}
    once = len(ascii_lowercase)
    names = [
        ascii_lowercase[i % once] + (str(i // once + 1) if i >= once else "")
        for i in range(len(stems))
    ]
    return {stem: f"({name}) " for stem, name in zip(stems, names, strict=True)}


def says(shown: Shown) -> str:
    """What the model says of the picture, for a heading."""
    classifier = shown.exhibit.classifier
    return model_says(classifier.record.title, shown.ranking, classifier.head)


def answer(shown: Shown) -> str:
    """What the model says of the picture, as a sentence."""
    record = shown.exhibit.classifier.record
    known = f" ({record.top1})" if record.top1 else ""
    words = model_says(f"{record.title}{known}", shown.ranking, record.head)
    return f"{words}, of {plain(shown.exhibit.name)}."


def plate_caption(shown: Shown, plate: Plate) -> str:
    """What one map shows, and its range."""
    made, names = plate.attribution, shown.class_names
    score = f"the {made.question.scale} of {names[made.target]}"
    if made.contrast is not None:
        score += f" minus that of {names[made.contrast]}"
    reading = METHODS[plate.setting.name].reading.format(score=score)
    low, high = span(float(made.values.min()), float(made.values.max()))
    words = [heading(made)]
    if baseline_words(made):
        words.append(f"baseline {baseline_title(baseline_of(plate.setting))}")
    sentence = f"{', '.join(words)}: {reading}, from {low} to {high} {made.units}"
    said = [
        sentence,
        completeness(made, made.units),
        uncertainty(made, made.units),
        remark(made, names),
        checked(made),
    ]
    return f"{'; '.join(filter(None, said))}."
