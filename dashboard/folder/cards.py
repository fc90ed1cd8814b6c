"""What a card of the Folder page says of its picture, as HTML."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from core.drawing.sentences import number, percent
from core.folders.label_selection import LabelCard
from core.folders.selection import Card
from core.folders.value_selection import ValueCard
from core.text import escape, plain
from dashboard.folder.reading import AnyCard

_MOST = 3  # labels or values in one line
_MARKS = {
    True: ("✓", "good", "right"),
    False: ("✗", "bad", "wrong"),
    None: ("·", "none", "not judged"),
}


def said_html(card: AnyCard) -> str:
    """The answer, with a mark that says whether it is right; a value has none."""
    match card:
        case Card():
            return _marked(card.correct, _of_class(card))
        case LabelCard():
            return _marked(card.correct, _held(card)) + _label_mistakes(card)
        case ValueCard():
            return _of_values(card)


def _marked(correct: bool | None, words: str) -> str:
    mark, kind, judged = _MARKS[correct]
    return (
        f'<span class="said {kind}"><b aria-label="{judged}" title="{judged}">{mark}</b> '
        f"{_text(words)}</span>"
    )


def _text(words: str) -> str:
    return escape(words).replace(" %", "&nbsp;%")


def _of_class(card: Card) -> str:
    if card.predicted is None or card.probability is None:
        return "no prediction"
    said = f"{plain(card.predicted)}, {percent(card.probability)}"
    return said if card.label is None else f"{plain(card.label)} → {said}"


def _held(card: LabelCard) -> str:
    if card.held is None:
        return "no prediction"
    if card.held:
        return _listed([_label(*each) for each in card.held])
    nearest = "" if card.predicted is None else f"; most probable: {_label(*card.predicted)}"
    return f"no label{nearest}"


def _label(name: str, probability: float | None) -> str:
    return plain(name) if probability is None else f"{plain(name)}, {percent(probability)}"


def _label_mistakes(card: LabelCard) -> str:
    missed = _listed([_label(*each) for each in card.missed])
    false = _listed([plain(name) for name in card.false])
    return "".join(
        f'<span class="off"><b>{kind}</b> {_text(words)}</span>'
        for kind, words in (("missed", missed), ("false positive", false))
        if words
    )


def _listed(words: Sequence[str]) -> str:
    more = len(words) - _MOST
    return "; ".join([*words[:_MOST], *([f"{more} more"] if more > 0 else [])])


def _of_values(card: ValueCard) -> str:
    unit = f" {plain(card.unit)}".rstrip()
    one = len(card.outputs) == 1
    lines = [
        f"{'' if one else f'{plain(name)} '}{number(value)}{unit}"
        + ("" if wanted is None else f", expected {number(wanted)}")
        for name, value, wanted in card.outputs[:_MOST]
        if value is not None
    ]
    if not lines:
        return '<span class="said">no prediction</span>'
    said = "".join(f'<span class="said">{_text(each)}</span>' for each in lines)
    if card.off is None:
        return said
    mean = "" if one else " on average"
    return f'{said}<span class="off"><b>off by</b> {_text(number(card.off) + unit + mean)}</span>'


def alt(card: AnyCard) -> str:
    """The picture in words."""
    name = PurePosixPath(card.path).name
    match card:
        case Card():
            label = f", a picture of {card.label}" if card.label else ""
            return f"{name}{label}, called {card.predicted}" if card.predicted else f"{name}{label}"
        case LabelCard():
            labels = "" if card.expected is None else _listed([each for each, _ in card.expected])
            return f"{name}, a picture of {labels}" if labels else name
        case ValueCard():
            return name
