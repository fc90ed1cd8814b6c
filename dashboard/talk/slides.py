"""HTML of a talk's scenes: predictions, bars, maps and their scale."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from core.drawing.rendering import Display
from core.drawing.sentences import amount_of, correctness, share_of
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.models.classifiers import Classifier, ClassScore
from core.models.heads import Head
from core.talks.scenes import TalkPicture
from core.talks.warming import Wanted
from core.text import columns, escape, plain
from core.trust.badges import badges
from core.trust.judgement import Judgement
from dashboard.drawing import view
from dashboard.drawing.panels import GOOD, MARKS, Panel
from dashboard.drawing.view import Look

_SHOWN = 3  # outputs: the answer, and others under it
_ONE_LINE, _NAME, _BIG = 32, 40, 250  # letters that fit in large type
_LOOK = Look(Display(), same_scale=True, held_scale=False, whole_photo=False, unit_scale=False)


def frame(title: str, body: str = "", kind: str = "") -> str:
    """A scene as HTML: its title, and below it what it shows."""
    size = _size(title, _ONE_LINE)
    return f'<section class="wil-stage {kind}"><h1{size}>{escape(title)}</h1>{body}</section>'


def told(sentence: str) -> str:
    """What cannot be shown, and why, as HTML."""
    return f'<p class="big"{_size(sentence, _BIG)}>{escape(sentence)}</p>'


def _size(text: str, most: int) -> str:
    """An attribute that makes the type smaller where text is wider than so many letters."""
    return " data-long" if columns(text) > most else ""


def map_panels(asked: Sequence[Wanted], found: Sequence[Attribution | None]) -> list[Panel]:
    """The maps that are there, on one scale; where none is there yet, the picture alone."""
    maps = {str(place): each for place, each in enumerate(found) if each is not None}
    scales = view.map_scales(maps, _LOOK)
    panels = []
    for place, each in enumerate(asked):
        scene, title = view.Scene(each.picture, each.classifier), str(place)
        panel = Panel(title, "The picture.")
        if title in maps:
            panel = view.map_panel(scene, title, maps[title], scales[title], _LOOK, "forming")
        panels.append(replace(panel, picture=view.stage_uri(scene, pale=title in maps)))
    return panels


def figure(panel: Panel, words: str = "") -> str:
    """A map over its picture, and HTML below it."""
    over = "" if panel.overlay is None else f'<img class="over" src="{panel.overlay}" alt="">'
    return (
        f'<figure><div class="map"><img src="{panel.picture}" alt="{escape(panel.alt)}">{over}'
        f"</div>{words and f'<figcaption>{words}</figcaption>'}</figure>"
    )


def scale(panels: Sequence[Panel], low: str, high: str, progress: str) -> str:
    """The scale that all maps share, or how far they are."""
    bars = [panel.bar for panel in panels if panel.bar is not None]
    if progress or not bars:
        return f'<div class="scale"><p class="progress">{escape(progress)}&nbsp;</p></div>'
    bar = bars[0]
    return (
        f'<div class="scale"><span>{escape(low)}<br><small>{escape(bar.ticks[0])}</small></span>'
        f'<i style="background:linear-gradient(to right,{",".join(bar.colours)})"></i>'
        f"<span>{escape(high)}<br><small>{escape(bar.ticks[-1])} {escape(bar.units)}</small>"
        "</span></div>"
    )


def says(ranking: Sequence[ClassScore], head: Head, kind: str = "") -> str:
    """The answer in large type, the outputs that come next below it as bars.

    Of independent labels, the answer is the first that holds; none may.

    Args:
        ranking: all outputs.
        head: what they mean.
        kind: a class of the element.
    """
    held = (each for each in ranking if head.holds(each.index, each.probability))
    top = next(held, ranking[0]) if head.kind == "sigmoid" else ranking[0]
    none = head.kind == "sigmoid" and not head.holds(top.index, top.probability)
    name = "no label" if none else top.name
    below = f"most probable: {escape(top.name)}, {share(top, head)}" if none else share(top, head)
    others = [each for each in ranking if each.index != top.index][: _SHOWN - 1]
    return (
        f'<div class="says {kind}"><p class="name"{_size(name, _NAME)}>{escape(name)}</p>'
        f'<p class="share">{below}</p></div>{bars(others, head)}'
    )


def changed(before: Sequence[ClassScore], after: Sequence[ClassScore], head: Head) -> bool:
    """Whether the answer is another one; of labels, which of them hold. A value has no other.

    Args:
        before, after: all outputs.
        head: what they mean.
    """
    if head.exclusive:
        return before[0].index != after[0].index
    held = [
        {e.index for e in each if head.holds(e.index, e.probability)} for each in (before, after)
    ]
    return head.kind == "sigmoid" and held[0] != held[1]


def bars(
    entries: Sequence[ClassScore], head: Head, ends: Mapping[int, str] = MappingProxyType({})
) -> str:
    """Classes with their shares; those at the ends of a map's scale in its colours."""
    rows = "".join(
        f"<span>{escape(entry.name)}</span>"
        f'<b><i class="{ends.get(entry.index, "")}" '
        f'style="width:{100 * share_of(entry, entries):.1f}%">'
        f"</i></b><em>{share(entry, head)}</em>"
        for entry in entries
    )
    return f'<div class="bars">{rows}</div>'


def share(entry: ClassScore, head: Head) -> str:
    """A probability, or a value with its unit, as HTML that is not broken over two lines."""
    return escape(amount_of(entry, head)).replace(" ", "&nbsp;")


def short(explainer: Explainer, each: Wanted) -> str:
    """What the model says of a picture, in one line."""
    top = each.classifier.ranking(explainer.logits(each.classifier, each.picture), 1)[0]
    return f"{escape(plain(top.name, _NAME))}, {share(top, each.classifier.head)}"


def verdict(shown: TalkPicture, ranking: Sequence[ClassScore], classifier: Classifier) -> str:
    """Right or wrong, where the speaker says what the picture shows, and the answer can be wrong.

    Of labels, one that holds has to be right.
    """
    head, answers = classifier.head, list(ranking[:1])
    if head.kind == "sigmoid":
        answers = [each for each in ranking if head.holds(each.index, each.probability)]
    for answer in answers:
        if answer.name in shown.right and head.has_probabilities:
            sentence = correctness(shown.label, shown.right, answer, classifier.class_names)
            return f'<p class="verdict right">{escape(sentence)}</p>'
    if shown.label is None or not head.has_probabilities:
        return ""
    return f'<p class="verdict wrong">Wrong: {escape(shown.label)}</p>'


def trust_line(judgement: Judgement) -> str:
    """The trust badges of a map: a mark, a few words and a number for each measure."""
    return "".join(
        f'<p class="{GOOD[badge.good]}"><b>{MARKS[badge.good]}</b>{escape(badge.words)}'
        f"<small>{escape(badge.figure)}</small></p>"
        for badge in badges(judgement)
    )
