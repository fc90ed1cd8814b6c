"""A figure's caption, in plain words, from the maps that the figure shows."""

from collections.abc import Sequence
from string import ascii_lowercase

from core.baselines import title as baseline_title
from core.exhibits import Plate, Shown
from core.methods import METHODS
from core.panel import heading
from core.rendering import Display
from core.settings import baseline_of, method_name
from core.story import number, percent
from core.text import line, plain
from core.wording import baseline_words, checked, completeness, emptiness

_SIGNS = {
    "all": "Red speaks for the class, blue against it.",
    "positive": "Only what speaks for the class is shown.",
    "negative": "Only what speaks against the class is shown.",
    "absolute": "Shown is how much a pixel matters, whichever way.",
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
        parts.append(_SIGNS[display.sign])
    if display.outlier_percent:
        share = f"{display.outlier_percent:g} %"
        parts.append(f"Scales end where {share} of a map's total lies beyond them.")
    if same_scale:
        parts.append("Maps in the same units share one scale.")
    elif len(shown) > 1:
        parts.append("Maps of the same name share one scale.")
    return " ".join(map(line, parts))


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
    top = shown.ranking[0]
    return f"{shown.exhibit.classifier.record.title} says {top.name}, {percent(top.probability)}"


def answer(shown: Shown) -> str:
    """What the model says of the picture, as a sentence."""
    top, record = shown.ranking[0], shown.exhibit.classifier.record
    known = f" ({record.top1})" if record.top1 else ""
    return (
        f"{record.title}{known} says {top.name}, "
        f"{percent(top.probability)}, of {plain(shown.exhibit.name)}."
    )


def plate_caption(shown: Shown, plate: Plate) -> str:
    """What one map shows, and its range."""
    made, names = plate.attribution, shown.class_names
    score = f"the {made.score.replace('_', ' ')} of {names[made.target]}"
    if made.contrast is not None:
        score += f" minus that of {names[made.contrast]}"
    reading = METHODS[method_name(plate.setting)].reading.format(score=score)
    low, high = (number(float(end)) for end in (made.values.min(), made.values.max()))
    words = [heading(made)]
    if baseline_words(made):
        words.append(f"baseline {baseline_title(baseline_of(plate.setting))}")
    sentence = f"{', '.join(words)}: {reading}, from {low} to {high} {made.units}"
    adds_up = completeness(made, made.units)
    said = [sentence, f"the map {adds_up}" if adds_up else "", emptiness(made), checked(made)]
    return f"{'; '.join(filter(None, said))}."
