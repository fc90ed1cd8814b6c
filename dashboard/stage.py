"""The scenes of a talk, drawn: few words in large type, on the dark stage of `talk.css`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from html import escape
from types import MappingProxyType

import streamlit as st

from core.attribution import Attribution, Step
from core.explainer import Explainer
from core.labels import search
from core.masks import mask_from_bits
from core.models import Classifier, ClassScore
from core.picture import Picture, picture_from_bytes
from core.rendering import Display
from core.scenes import (
    AnswerScene,
    BrushScene,
    ContrastScene,
    MapsScene,
    PhotoScene,
    Scene,
    TalkPicture,
    TrustScene,
)
from core.scores import Question
from core.story import percent
from core.trust import sentences
from core.warm import TRUST, Wanted, wanted
from dashboard import components, live, state, view
from dashboard.panels import Panel
from dashboard.view import Look

_LOOK = Look(Display(), same_scale=True, held_scale=False, whole_photo=False, unit_scale=False)
_SHOWN = 3  # classes under an answer


def draw(explainer: Explainer, scene: Scene, classifier: Classifier) -> None:
    """Draw one scene, computing what is not known yet.

    Raises:
        UserError: it cannot be made.
    """
    match scene:
        case AnswerScene():
            _answer(explainer, scene, classifier)
        case MapsScene():
            _maps(explainer, scene, classifier)
        case BrushScene():
            _brush(explainer, scene, classifier)
        case ContrastScene():
            _contrast(explainer, scene, classifier)
        case TrustScene():
            _trust(explainer, scene, classifier)
        case PhotoScene():
            _photo(explainer, scene, classifier)


def frame(title: str, body: str = "", kind: str = "") -> str:
    """A scene as HTML: its title, and below it what it shows."""
    return f'<section class="wil-stage {kind}"><h1>{escape(title)}</h1>{body}</section>'


def _answer(explainer: Explainer, scene: AnswerScene, classifier: Classifier) -> None:
    (shown,) = scene.pictures
    ranking = classifier.ranking(explainer.logits(classifier, shown.picture), _SHOWN)
    photo = view.stage_uri(view.Scene(shown.picture, classifier))
    body = (
        f'<div class="left"><img class="photo" src="{photo}" alt="{escape(shown.label or "")}">'
        f'</div><div class="right">{_says(ranking)}{_verdict(shown, ranking[0])}</div>'
    )
    st.html(frame(scene.title, body, "two"))


def _maps(explainer: Explainer, scene: MapsScene, classifier: Classifier) -> None:
    place = st.empty()
    asked = wanted(explainer, scene, classifier)

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = _panels(asked, found)
        cells = "".join(
            _map(panel, _short(explainer, each)) for panel, each in zip(panels, asked, strict=True)
        )
        count = f"--count:{len(asked)}"
        bar = _bar(panels, "speaks against it", "speaks for it", progress)
        place.html(
            frame(scene.title, f'<div class="maps" style="{count}">{cells}</div>{bar}', "rows")
        )

    _compute(explainer, asked, show)


def _brush(explainer: Explainer, scene: BrushScene, classifier: Classifier) -> None:
    (shown,) = scene.pictures
    each = view.Scene(shown.picture, classifier)
    words = st.empty()
    # Another key each time, so that a scene begins unpainted, whatever was tried before.
    turns = st.session_state.get("talk_turns", 0)
    with st.container(key="talk_canvas"):
        bits = components.brush(
            view.stage_uri(each),
            each.side,
            key=f"talk_brush_{turns}",
            alt="The model's input; paint over what is to be covered.",
        )
    before = classifier.ranking(explainer.logits(classifier, shown.picture), _SHOWN)
    after, kind, note = before, "", "&nbsp;"  # room for the note, so that nothing moves
    if bits is not None:
        mask = mask_from_bits(bits, each.side)
        covered = explainer.covered(classifier, shown.picture, mask, scene.baseline)
        after = classifier.ranking(covered, _SHOWN)
        kind = "flipped" if after[0].index != before[0].index else ""
        note = f"It was {escape(before[0].name)}, {_share(before[0])}."
    body = f'<div class="right">{_says(after, kind)}<p class="verdict">{note}</p></div>'
    words.html(frame(scene.title, body, "two"))


def _contrast(explainer: Explainer, scene: ContrastScene, classifier: Classifier) -> None:
    place = st.empty()
    asked = wanted(explainer, scene, classifier)
    names = classifier.class_names
    (shown,) = scene.pictures
    ranking = classifier.ranking(explainer.logits(classifier, shown.picture), len(names))
    target = names[asked[0].question.target]
    against = names[scene.against]
    absent, chosen = "", [asked[0].question.target, scene.against]
    if scene.absent is not None:
        absent = f'<p class="big">No {escape(scene.absent)} among the {len(names):,} classes.</p>'
        nearest = search(names, scene.absent).nearest
        chosen += nearest
    entries = [entry for entry in ranking if entry.index in chosen][:4]
    ends = {scene.against: "low", asked[0].question.target: "high"}

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = _panels(asked, found)
        bar = _bar(panels, against, target, progress)
        place.html(
            frame(
                scene.title,
                f'<div class="left">{_map(panels[0])}{bar}</div>'
                f'<div class="right">{absent}{_bars(entries, ends)}</div>',
                "two",
            )
        )

    _compute(explainer, asked, show)


def _trust(explainer: Explainer, scene: TrustScene, classifier: Classifier) -> None:
    place = st.empty()
    asked = wanted(explainer, scene, classifier)
    (each,) = asked

    def draw(found: Sequence[Attribution | None], lines: Sequence[str], progress: str) -> None:
        panels = _panels(asked, found)
        said = "".join(f"<p>{escape(line)}</p>" for line in lines)
        bar = _bar(panels, "against it", "for it", progress)
        place.html(
            frame(
                scene.title,
                f'<div class="left">{_map(panels[0])}{bar}</div>'
                f'<div class="right trust">{said}</div>',
                "two",
            )
        )

    (made,) = _compute(explainer, asked, lambda found, progress: draw(found, (), progress))
    lines = _trust_line(explainer, each, made, lambda progress: draw([made], (), progress))
    draw([made], lines, "")


def _trust_line(
    explainer: Explainer, each: Wanted, made: Attribution, report: Callable[[str], None]
) -> list[str]:
    """How far to trust a map, in sentences."""
    steps = explainer.faithfulness(each.classifier, each.picture, made, TRUST)
    with closing(steps):
        paced = live.paced(steps, lambda stage: report(_passes(stage.done, stage.total)))
        *_, last = paced
    return sentences(made, last.found)


def _photo(explainer: Explainer, scene: PhotoScene, classifier: Classifier) -> None:
    place = st.empty()
    with st.container(key="talk_photo"):
        source = st.segmented_control(
            "Photo from", ["File", "Camera"], default="File", key="talk_source", required=True
        )
        if source == "Camera":
            given = st.camera_input("Take a photo", label_visibility="collapsed")
        else:
            given = st.file_uploader(
                "Your photo",
                type=["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"],
                label_visibility="collapsed",
            )
    if given is None:
        place.html(frame(scene.title, "", "photo"))
        return
    picture = _opened(given.file_id, given.getvalue())
    ranking = classifier.ranking(explainer.logits(classifier, picture), _SHOWN)
    photo = view.stage_uri(view.Scene(picture, classifier))
    asked = [Wanted(classifier, picture, scene.setting, Question(ranking[0].index))]

    def show(found: Sequence[Attribution | None], progress: str) -> None:
        panels = _panels(asked, found)
        bar = _bar(panels, "against it", "for it", progress)
        place.html(
            frame(
                scene.title,
                f'<div class="left"><img class="photo" src="{photo}" alt="The photo"></div>'
                f'<div class="middle">{_map(panels[0])}{bar}</div>'
                f'<div class="right">{_says(ranking)}</div>',
                "three given",
            )
        )

    _compute(explainer, asked, show)


def _opened(upload: str, data: bytes) -> Picture:
    """An upload, opened once; it stays in this session's memory."""
    known: tuple[str, Picture] | None = st.session_state.get("talk_picture")
    if known is None or known[0] != upload:
        known = st.session_state["talk_picture"] = (upload, picture_from_bytes(data))
    return known[1]


def _compute(
    explainer: Explainer,
    asked: Sequence[Wanted],
    show: Callable[[Sequence[Attribution | None], str], None],
) -> list[Attribution]:
    """The maps of a scene; those that are not known form on the stage one after the other."""
    found: list[Attribution | None] = [None] * len(asked)
    missing = []
    for place, each in enumerate(asked):
        arguments = (each.classifier, each.picture, each.setting, each.question)
        if explainer.forecast(*arguments).passes:
            missing.append((place, arguments))
        else:
            found[place] = explainer.attribution(*arguments)
    show(found, "")
    for place, arguments in missing:
        with state.line().admitted(lambda before: show(found, live.people(before))):
            steps = explainer.steps(*arguments)

            def form(step: Step, place: int = place) -> None:
                found[place] = step.snapshot()
                show(found, _passes(step.done, step.total))

            with closing(steps):
                *_, last = live.paced(steps, form)
            found[place] = last.snapshot()
            show(found, "")
    return [each for each in found if each is not None]


def _passes(done: int, total: int) -> str:
    return f"{done:,} of {total:,} passes"


def _panels(asked: Sequence[Wanted], found: Sequence[Attribution | None]) -> list[Panel]:
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


def _map(panel: Panel, words: str = "") -> str:
    over = "" if panel.overlay is None else f'<img class="over" src="{panel.overlay}" alt="">'
    return (
        f'<figure><div class="map"><img src="{panel.picture}" alt="{escape(panel.alt)}">{over}'
        f"</div>{words and f'<figcaption>{words}</figcaption>'}</figure>"
    )


def _bar(panels: Sequence[Panel], low: str, high: str, progress: str) -> str:
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


def _says(ranking: Sequence[ClassScore], kind: str = "") -> str:
    top = ranking[0]
    return (
        f'<div class="says {kind}"><p class="name">{escape(top.name)}</p>'
        f'<p class="share">{_share(top)}</p></div>{_bars(ranking[1:])}'
    )


def _bars(entries: Sequence[ClassScore], ends: Mapping[int, str] = MappingProxyType({})) -> str:
    """Classes with their shares; those at the ends of a map's scale in its colours."""
    rows = "".join(
        f"<span>{escape(entry.name)}</span>"
        f'<b><i class="{ends.get(entry.index, "")}" style="width:{100 * entry.probability:.1f}%">'
        f"</i></b><em>{_share(entry)}</em>"
        for entry in entries
    )
    return f'<div class="bars">{rows}</div>'


def _share(entry: ClassScore) -> str:
    return percent(entry.probability).replace(" ", "&nbsp;")


def _short(explainer: Explainer, each: Wanted) -> str:
    top = each.classifier.ranking(explainer.logits(each.classifier, each.picture), 1)[0]
    return f"{escape(top.name)}, {_share(top)}"


def _verdict(shown: TalkPicture, top: ClassScore) -> str:
    """Right or wrong, where the speaker says what the picture shows."""
    if top.name in shown.right:
        return '<p class="verdict right">Right</p>'
    if shown.label is None:
        return ""
    return f'<p class="verdict wrong">Wrong: {escape(shown.label)}</p>'
