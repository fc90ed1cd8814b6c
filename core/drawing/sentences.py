"""Sentences about a prediction and its occlusion survey, built from the numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..methods.occlusion import OcclusionSurvey
from ..methods.scores import UNITS, Question
from ..models.classifiers import ClassScore
from ..models.heads import SOFTMAX, Head
from ..models.labels import only_of_kind, search
from ..text import plain

MARKED = "the marked square"
"""What sentences call a window that is marked on the picture."""

_UNSURE = 0.25
_TINY = 1e-5  # a smaller number has an exponent
_SMALL = 0.01  # and so has the other end of its range below this
_MOST_LISTED = 3  # labels or values in a headline


def answer(ranking: Sequence[ClassScore], head: Head = SOFTMAX) -> str:
    """The answer as a headline.

    Of exclusive classes: the most probable one; under 25 % also the second. Of independent labels:
    those that reach their thresholds. Of values: the values.

    Args:
        ranking: all outputs, as `Classifier.ranking` orders them.
        head: what they mean.
    """
    top = ranking[0]
    if head.kind == "value":
        return f"The model says {_listed([said(each, head) for each in ranking])}."
    if head.kind == "sigmoid":
        held = [each for each in ranking if head.holds(each.index, each.probability)]
        if held:
            return f"The model says {_listed([said(each, head) for each in held])}."
        return f"No label reaches its threshold; the most probable is {said(top, head)}."
    sure = top.probability is None or top.probability >= _UNSURE
    if sure or len(ranking) < 2:
        return f"The model says {said(top, head)}."
    return f"The model is not sure: {said(top, head)}, or {said(ranking[1], head)}."


def said(score: ClassScore, head: Head) -> str:
    """An output with its amount: "king penguin, 53 %", "age 37.2 years"."""
    between = ", " if head.has_probabilities else " "
    return f"{score.name}{between}{amount_of(score, head)}"


def says(model: str, ranking: Sequence[ClassScore], head: Head = SOFTMAX) -> str:
    """What a model says, for a heading: "ResNet-18 says king penguin, 53 %"."""
    if head.exclusive:
        return f"{model} says {said(ranking[0], head)}"
    return answer(ranking, head).replace("The model", model, 1).rstrip(".")


def amount_of(score: ClassScore, head: Head) -> str:
    """A probability, or a value with its unit."""
    return amount(score.logit if score.probability is None else score.probability, head)


def share_of(score: ClassScore, among: Sequence[ClassScore]) -> float:
    """How long the bar of an output is, 0..1: its probability, or its value beside the largest."""
    if score.probability is not None:
        return score.probability
    return abs(score.logit) / (max(abs(each.logit) for each in among) or 1.0)


def amount(figure: float, head: Head) -> str:
    """A figure on the scale `Head.telling`: a probability (0..1), or a value with its unit."""
    if head.has_probabilities:
        return percent(figure)
    return f"{number(figure)} {head.unit}".rstrip()


def _listed(words: Sequence[str]) -> str:
    """A list of at most a few things; the last word says how many more there are."""
    if len(words) > _MOST_LISTED:
        return f"{'; '.join(words[:_MOST_LISTED])}; and {len(words) - _MOST_LISTED} more"
    return "; ".join(words)


def percent(probability: float) -> str:
    """A probability (0..1) as people read it: 53 %, 0.4 %, under 0.1 %."""
    share = 100 * probability
    if share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %" if share < 1 or share > 99 else f"{share:.0f} %"


def share(part: float | None) -> str:
    """A share (0..1) that was counted or measured: none and all are exact; "–" if not known."""
    if part is None:
        return "–"
    return f"{100 * part:.0f} %" if part in (0, 1) else percent(part)


def number(value: float) -> str:
    """A number with two or three telling digits and a true minus sign."""
    return _written(value, "e" if abs(value) < _TINY else _digits(value))


def span(low: float, high: float) -> tuple[str, str]:
    """The ends of a range as `number` writes them, but both in one format.

    Where one has an exponent, so has the other; or, beside one that is far larger, it is written
    with the digits of that.
    """
    largest = max(abs(low), abs(high))
    if not any(0 < abs(end) < _TINY for end in (low, high)):
        return number(low), number(high)
    how = "e" if largest < _SMALL else _digits(largest)
    small, large = (
        _written(end, how if abs(end) < _TINY or how == "e" else _digits(end))
        for end in (low, high)
    )
    return small, large


def _digits(value: float) -> str:
    size = abs(value)
    return f".{1 if size >= 10 else 2 if size >= 0.1 else 3 if size >= 0.01 else 5}f"


def _written(value: float, how: str) -> str:
    if not value:
        return "0"
    words = f"{value:{'.1e' if how == 'e' else how}}".replace("-", "−")
    return words if words.strip("−0.") else words.removeprefix("−")


def unit_words(units: str) -> tuple[str, float]:
    """A unit as a colour bar names it, and what values are multiplied by for that."""
    return ("points", 100.0) if units == UNITS["probability"] else (units, 1.0)


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
        name: the class that the model says then; of labels and values, the one that is explained.
        before: with nothing covered, probability (0..1) of the answer, or the value.
        after: with the window covered, probability of `name`, or the value.
        flips: how many windows change the answer; with none, `name` is the answer itself.
        head: what the model's outputs mean.
    """

    top: int
    left: int
    height: int
    width: int
    name: str
    before: float
    after: float
    flips: int
    head: Head = SOFTMAX

    @property
    def marked(self) -> str:
        """The finding in a sentence, for a picture on which the window is marked."""
        before, after = (amount(each, self.head) for each in (self.before, self.after))
        if not self.flips:
            if self.head.kind == "value":
                return f"Covering {MARKED} changes {self.name} most: from {before} to {after}."
            side = f"{self.height} × {self.width}"
            return (
                f"No single square of {side} pixels changes the answer; "
                f"covering {MARKED} takes {self._subject} from {before} to {after}."
            )
        others = self.flips - 1
        more = f" {others} other square{'s' if others > 1 else ''} would change it too."
        return f"Cover {MARKED}, and it says {self._then}.{more if others else ''}"

    @property
    def placed(self) -> str:
        """The same where there is no picture: with the window's row and column."""
        before, after = (amount(each, self.head) for each in (self.before, self.after))
        side, at = f"{self.height} × {self.width}", f"row {self.top}, column {self.left}"
        if self.head.kind == "value":
            return (
                f"Covering {side} pixels at {at} changes {self.name} most: from {before} to "
                f"{after}."
            )
        if not self.flips:
            return (
                f"No single window of {side} pixels changes the answer; "
                f"at worst {self._subject} goes from {before} to {after}."
            )
        count = f" ({self.flips} windows change it)" if self.flips > 1 else ""
        return f"Covering {side} pixels at {at} turns it into {self._then}{count}."

    @property
    def _subject(self) -> str:
        """What goes up or down: the one answer, or a label or value by its name."""
        return "it" if self.head.exclusive else self.name

    @property
    def _then(self) -> str:
        """What the model says with the window covered."""
        after = amount(self.after, self.head)
        if self.head.exclusive:
            return f"{self.name}, {after}"
        crossed = "no longer" if self.after < self.before else "now"
        return f"{crossed} {self.name}: {amount(self.before, self.head)} becomes {after}"


def strongest_window(
    survey: OcclusionSurvey,
    class_names: tuple[str, ...],
    head: Head = SOFTMAX,
    target: int | None = None,
) -> Finding:
    """The window of a finished survey that changes the answer most, or else lowers it most.

    Args:
        survey: finished.
        class_names: of the model.
        head: what its outputs mean.
        target: the label or value that is looked at; by default the largest. Of exclusive classes
            it is always the answer.
    """
    height, width = survey.grid.window
    if head.exclusive or target is None:
        target = int(survey.clean.argmax())
    flips = survey.flips(head, target)
    if flips:
        flip = flips[0]
        after, name = flip.probability, class_names[flip.index]
        return Finding(
            *(flip.top, flip.left, height, width, name, flip.before, after, len(flips)), head
        )
    question = Question(target, None, head.telling, head)
    before = float(question.scores(survey.clean[None])[0])
    drops = survey.drops(question).flatten()
    worst = int((drops if head.has_probabilities else abs(drops)).argmax())
    top, left = survey.grid.corners[worst].tolist()
    after = before - float(drops[worst])
    return Finding(top, left, height, width, class_names[target], before, after, 0, head)
