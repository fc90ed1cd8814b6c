"""Sentences built from the numbers, for people who will not read the numbers."""

from collections.abc import Collection

from core.labels import only_of_kind, search
from core.models import ClassScore
from core.occlusion import OcclusionSurvey
from core.scores import Question
from core.text import plain


def percent(probability: float) -> str:
    """A probability (0..1) as people read it: 53 %, 0.4 %, under 0.1 %."""
    share = 100 * probability
    if share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %" if share < 1 or share > 99 else f"{share:.0f} %"


def number(value: float) -> str:
    """A number with two or three telling digits and a true minus sign."""
    size = abs(value)
    digits = 1 if size >= 10 else 2 if size >= 0.1 else 3 if size >= 0.01 else 5
    if 0 < size < 1e-5:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−") if size else "0"


def expectation(expected: str, top: ClassScore, class_names: tuple[str, ...]) -> str | None:
    """What to say when a person would call the picture something else; None if the model agrees."""
    found = search(class_names, expected)
    if top.index in (found.index, *found.choices):
        return None
    if found.index is not None or found.choices:
        return f"A person would say {expected}."
    only = _only(expected, top, class_names)
    if only:
        return f"A person would say {expected}; {only}."
    offered = [class_names[i] for i in found.nearest[:2]]
    nearest = f": the nearest are {' and '.join(offered)}" if offered else ""
    return f"A person would say {expected}; the model has no such class{nearest}."


def correctness(
    label: str | None, right: Collection[str], top: ClassScore, class_names: tuple[str, ...]
) -> str:
    """What to say of an answer that counts as right, and why it does if it is not the label itself.

    Args:
        label: what a person would call the picture; None if nobody says.
        right: names of the classes that count as right, the answer among them.
        top: the answer.
        class_names: of the model.
    """
    if label is None:
        return "Right"
    found = search(class_names, label)
    if top.index in (found.index, *found.choices):
        return "Right"
    only = _only(label, top, class_names)
    if only:
        return f"Right: {only}."
    count = sum(name in right for name in class_names)
    which = "the only class that counts" if count == 1 else f"one of {count} classes that count"
    return f"Right: {top.name} is {which} as {plain(label)}."


def _only(label: str, top: ClassScore, class_names: tuple[str, ...]) -> str:
    """That the answer is the only class of the label's kind; empty if that is not known."""
    kind, index = only_of_kind(class_names, label) or ("", None)
    if index != top.index:
        return ""
    return f"{top.name} is the only {kind} among the {len(class_names):,} classes"


def strongest_window(survey: OcclusionSurvey, class_names: tuple[str, ...]) -> str:
    """What covering the most telling window of a finished survey does to the answer."""
    height, width = survey.grid.window
    answer = int(survey.clean.argmax())
    flips = survey.flips()
    if flips:
        flip = flips[0]
        count = f" ({len(flips)} windows change it)" if len(flips) > 1 else ""
        return (
            f"Covering {height} × {width} pixels at row {flip.top}, column {flip.left} turns it "
            f"into {class_names[flip.index]}, {percent(flip.probability)}{count}."
        )
    question = Question(answer, kind="probability")
    clean = float(question.scores(survey.clean[None])[0])
    covered = clean - float(survey.drops(question).max())
    return (
        f"No single window of {height} × {width} pixels changes the answer; "
        f"at worst it goes from {percent(clean)} to {percent(covered)}."
    )
