"""Sentences built from the numbers, for people who will not read the numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.labels import only_of_kind, search
from core.models import ClassScore
from core.occlusion import OcclusionSurvey
from core.scores import Question
from core.text import plain

MARKED = "the marked square"
"""What sentences call a window that is marked on the picture."""

_UNSURE = 0.25


def answer(ranking: Sequence[ClassScore]) -> str:
    """The answer as a headline; under 25 % it is none, and says the second class too."""
    top = ranking[0]
    if top.probability >= _UNSURE or len(ranking) < 2:
        return f"The model says {top.name}, {percent(top.probability)}."
    second = ranking[1]
    return (
        f"The model is not sure: {top.name}, {percent(top.probability)}, "
        f"or {second.name}, {percent(second.probability)}."
    )


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


@dataclass(frozen=True)
class Finding:
    """What covering the most telling window of a survey does to the answer.

    Attributes:
        top, left, height, width: the window, in pixels of the model's input.
        name: the class that the model says then.
        before: probability (0..1) of the answer with nothing covered.
        after: probability of `name` with the window covered.
        flips: how many windows change the answer; with none, `name` is the answer itself.
    """

    top: int
    left: int
    height: int
    width: int
    name: str
    before: float
    after: float
    flips: int

    @property
    def marked(self) -> str:
        """The finding in a sentence, for a picture on which the window is marked."""
        if not self.flips:
            side = f"{self.height} × {self.width}"
            return (
                f"No single square of {side} pixels changes the answer; covering {MARKED} "
                f"takes it from {percent(self.before)} to {percent(self.after)}."
            )
        others = self.flips - 1
        more = f" {others} other square{'s' if others > 1 else ''} would change it too."
        return (
            f"Cover {MARKED}, and it says {self.name}, {percent(self.after)}."
            f"{more if others else ''}"
        )

    @property
    def placed(self) -> str:
        """The same where there is no picture: with the window's row and column."""
        side = f"{self.height} × {self.width}"
        if not self.flips:
            return (
                f"No single window of {side} pixels changes the answer; "
                f"at worst it goes from {percent(self.before)} to {percent(self.after)}."
            )
        count = f" ({self.flips} windows change it)" if self.flips > 1 else ""
        return (
            f"Covering {side} pixels at row {self.top}, column {self.left} turns it "
            f"into {self.name}, {percent(self.after)}{count}."
        )


def strongest_window(survey: OcclusionSurvey, class_names: tuple[str, ...]) -> Finding:
    """The window of a finished survey that changes the answer most, or lowers it most."""
    height, width = survey.grid.window
    flips = survey.flips()
    if flips:
        flip = flips[0]
        after, name = flip.probability, class_names[flip.index]
        return Finding(flip.top, flip.left, height, width, name, flip.before, after, len(flips))
    answer = int(survey.clean.argmax())
    question = Question(answer, kind="probability")
    before = float(question.scores(survey.clean[None])[0])
    drops = survey.drops(question).flatten()
    worst = int(drops.argmax())
    top, left = survey.grid.corners[worst].tolist()
    after = before - float(drops[worst])
    return Finding(top, left, height, width, class_names[answer], before, after, 0)
