"""What stands on the stage of a talk, as HTML: answers, bars, maps and their scale."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from core.attribution import Attribution
from core.explainer import Explainer
from core.judgement import Judgement
from core.models import ClassScore
from core.rendering import Display
from core.scenes import TalkPicture
from core.story import correctness, percent
from core.text import columns, escape, plain
from core.trust import badges
from core.warm import Wanted
from dashboard import view
from dashboard.panels import GOOD, MARKS, Panel
from dashboard.view import Look

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


def says(ranking: Sequence[ClassScore], kind: str = "") -> str:
    """The first of a ranking in large type, the others below it as bars."""
    top = ranking[0]
    return (
        f'<div class="says {kind}"><p class="name"{_size(top.name, _NAME)}>{escape(top.name)}</p>'
        f'<p class="share">{share(top)}</p></div>{bars(ranking[1:])}'
    )


def bars(entries: Sequence[ClassScore], ends: Mapping[int, str] = MappingProxyType({})) -> str:
    """Classes with their shares; those at the ends of a map's scale in its colours."""
    rows = "".join(
        f"<span>{escape(entry.name)}</span>"
        f'<b><i class="{ends.get(entry.index, "")}" style="width:{100 * entry.probability:.1f}%">'
        f"</i></b><em>{share(entry)}</em>"
        for entry in entries
    )
    return f'<div class="bars">{rows}</div>'


def share(entry: ClassScore) -> str:
    """A probability as HTML that is not broken over two lines."""
    return percent(entry.probability).replace(" ", "&nbsp;")


def short(explainer: Explainer, each: Wanted) -> str:
    """What the model says of a picture, in one line."""
    top = each.classifier.ranking(explainer.logits(each.classifier, each.picture), 1)[0]
    return f"{escape(plain(top.name, _NAME))}, {share(top)}"


def verdict(shown: TalkPicture, top: ClassScore, class_names: tuple[str, ...]) -> str:
    """Right or wrong, where the speaker says what the picture shows."""
    if top.name in shown.right:
        sentence = correctness(shown.label, shown.right, top, class_names)
        return f'<p class="verdict right">{escape(sentence)}</p>'
    if shown.label is None:
        return ""
    return f'<p class="verdict wrong">Wrong: {escape(shown.label)}</p>'


def trust_line(judgement: Judgement) -> str:
    """How far to trust a map: a mark, a few words and a number for each measure."""
    return "".join(
        f'<p class="{GOOD[badge.good]}"><b>{MARKS[badge.good]}</b>{escape(badge.words)}'
        f"<small>{escape(badge.figure)}</small></p>"
        for badge in badges(judgement)
    )
