"""Compares the view with another picture, model or baseline, on shared scales."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.bundle.exhibits import Exhibit
from core.drawing.sentences import said
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.methods.baselines import BASELINES
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.methods.settings import Setting
from core.models.labels import counterpart
from core.models.registry import records
from core.text import markdown
from dashboard.drawing.view import Look, Scene, input_panel
from dashboard.explain import export
from dashboard.explain.grid import Board, known_maps
from dashboard.explain.methods import Methods
from dashboard.explain.own_regions import with_own
from dashboard.session import live, state

_log = logging.getLogger(__name__)
_SAME, _OWN = "the same", "own"


def draw_pair(
    explainer: Explainer, scene: Scene, question: Question, methods: Methods, look: Look
) -> list[Board]:
    """Choose the other one and draw both; returns the boards, whose maps may be missing."""
    st.caption(
        "The maps of this view, and below them the same for another picture, model or baseline: "
        "the score of the same target, and one scale for each pair, which makes colours comparable."
    )
    try:
        other, name, baseline = _choose_other(explainer, scene)
        mine = methods.of_methods
        theirs = {t: with_own(explainer, other.picture, each) for t, each in mine.items()}
        if baseline != _SAME:
            theirs = {title: each.with_baseline(baseline) for title, each in theirs.items()}
        asks = (question, _asked_of(explainer, other, question, scene))
        rows = ((scene, mine), (other, theirs))
        known = [
            known_maps(explainer, each, asked, maps)
            for (each, maps), asked in zip(rows, asks, strict=True)
        ]
        boards = [
            _row(explainer, *rows[place], asks[place], look, known[1 - place], place)
            for place in range(2)
        ]
    except UserError as error:
        _log.info("no pair", exc_info=error)
        st.error(markdown(str(error)))
        return []
    ready = [
        export.asked_maps(explainer, each, asked, maps)
        for (each, maps), asked in zip(rows, asks, strict=True)
    ]
    if all(ready):
        names = (state.picture_name(), name)
        exhibits = [
            Exhibit(each.classifier, each.picture, maps, called)
            for (each, _), maps, called in zip(rows, ready, names, strict=True)
            if maps
        ]
        export.download_button(explainer, exhibits, look, "two", "Download both")
    return boards


def _choose_other(explainer: Explainer, scene: Scene) -> tuple[Scene, str, str]:
    """Picture and model, the picture's name, and the baseline.

    Raises:
        UserError: the model is not available, or the photo cannot be opened.
    """
    pictures = {_SAME: state.picture_name()}
    pictures |= {name: sample.title for name, sample in state.gallery().items()}
    pictures[_OWN] = "a photo of your own"
    models = {_SAME: scene.classifier.record.title}
    models |= {name: record.title for name, record in records().items()}
    places = st.columns(3)
    # One difference at a time: another picture, unless the model or the baseline is another.
    here = st.session_state["source"]
    another = next((name for name in state.gallery() if name != here), _SAME)
    model = _select(places[1], "Other model", models, "other_model", another)
    baselines = {name: name for name in (_SAME, *BASELINES)}
    baseline = _select(places[2], "Other baseline", baselines, "other_baseline", another)
    first = another if (model, baseline) == (_SAME, _SAME) else _SAME
    picture = places[0].selectbox(
        "Other picture",
        list(pictures),
        index=list(pictures).index(first),
        format_func=lambda name: _SAME if name == _SAME else pictures[name],
        key="other_picture",
        bind="query-params",
    )
    chosen, name = scene.picture, state.picture_name()
    if picture == _OWN:
        given = places[0].file_uploader(
            "Other photo", type=state.UPLOAD_TYPES, key="other_upload", label_visibility="collapsed"
        )
        if given is not None:
            chosen, name = state.opened("other", given.file_id, given.getvalue()), given.name
    elif picture != _SAME:
        chosen, name = state.sample_picture(picture), state.gallery()[picture].path.name
    classifier = scene.classifier
    if model != _SAME:
        live.run_download(model, records()[model].title)
        classifier = explainer.classifier(model, classifier.device.type)
    return Scene(chosen, classifier), name, baseline


def _asked_of(explainer: Explainer, other: Scene, question: Question, scene: Scene) -> Question:
    """The same question to a model that may have other classes; says what it does not have.

    Raises:
        UserError: it gives no prediction.
    """
    names, others = scene.classifier.class_names, other.classifier.class_names
    target = counterpart(question.target, names, others)
    contrast = None
    if question.contrast is not None:
        contrast = counterpart(question.contrast, names, others)
    title = other.classifier.record.title
    if target is None:
        logits = explainer.logits(other.classifier, other.picture)
        target = other.classifier.ranking(logits, 1)[0].index
        missing = f"no class {names[question.target]}: its maps are of what it predicts"
        st.caption(markdown(f"{title} has {missing}, {others[target]}."))
    if question.contrast is not None and contrast in (None, target):
        missing = f"nothing else called {names[question.contrast]} to explain it against"
        st.caption(markdown(f"{title} has {missing}."))
        contrast = None
    head = other.classifier.head
    kind = question.kind if question.kind in head.scores else head.scores[0]
    return Question(target, contrast, kind, head)


def _select(
    place: DeltaGenerator, words: str, titles: dict[str, str], key: str, another: str
) -> str:
    return place.selectbox(
        words,
        list(titles),
        format_func=lambda name: _SAME if name == _SAME else titles[name],
        key=key,
        bind="query-params",
        on_change=_keep_picture,
        args=(another,),
    )


def _keep_picture(another: str) -> None:
    """Compare with the same picture again, if nobody has chosen the other one."""
    if st.session_state["other_picture"] == another:
        st.session_state["other_picture"] = _SAME


def _row(
    explainer: Explainer,
    scene: Scene,
    maps: Mapping[str, Setting],
    question: Question,
    look: Look,
    beside: Mapping[str, Attribution],
    place: int,
) -> Board:
    """One of the two, with what the model says of it."""
    logits = explainer.logits(scene.classifier, scene.picture)
    top = scene.classifier.ranking(logits, 1)[0]
    windows = [setting for setting in maps.values() if isinstance(setting, OcclusionSetting)]
    words = said(top, scene.classifier.head)

    row = f" · {place + 1}"  # titles tell the maps of a page apart, those of the two rows too
    return Board(
        f"pair_{place}",
        *(explainer, scene, question, {title + row: each for title, each in maps.items()}, look),
        [replace(input_panel(scene, windows), title=words)],
        columns=1 + len(maps),
        beside={title + row: each for title, each in beside.items()},
    )
