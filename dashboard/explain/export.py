"""The Export tab: a bundle to download and a link to the view."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from core.bundle.exhibits import Exhibit
from core.errors import UserError
from core.explaining.explainer import Explainer
from core.methods.scores import Question
from core.methods.settings import Setting
from core.text import markdown, plain
from core.trust.badges import record
from core.trust.judgement import Judgement
from dashboard.drawing.view import Look, Scene
from dashboard.explain.methods import Methods
from dashboard.session import state


def draw_export(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    methods: Methods,
    look: Look,
    judgements: Mapping[str, Judgement],
) -> None:
    """A button that makes the bundle when it is pressed, and the address of the view.

    ``judgements`` say how far to trust the maps, by title, where that is known.
    """
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Bundle**")
        st.caption(
            "One zip: the maps as numbers and as figures for print, a report that opens anywhere "
            "without a network, the caption and the BibTeX, and a record by which anyone can make "
            "the maps again, here (the command verify) or with Captum alone."
        )
        photo = st.checkbox(
            "With the photo",
            value=True,
            key="export_photo",
            help="Its pixels only. What the model saw of it is in the bundle in any case.",
        )
        original = photo and st.checkbox(
            "Its file as it is, place and camera included",
            key="export_original",
            help="Otherwise the photo is saved anew, without anything else that its file says.",
        )
        trust = {title: record(each) for title, each in judgements.items() if each.complete}
        if len(methods.of_methods) < len(methods.maps):
            st.caption(
                "Without the map made elsewhere: a bundle holds what anyone can make again from it."
            )
        _download(explainer, scene, question, methods, look, trust, photo, original)
    with right:
        st.markdown("**Link to this view**")
        st.code(address(), language=None, wrap_lines=True)
        if st.session_state["source"] == state.UPLOAD:
            st.caption(
                "Your photo is not part of the link: who opens it chooses the photo again. The "
                "settings are."
            )
        else:
            st.caption("It opens this picture with these settings where the page runs.")


def address() -> str:
    """The address of the present view, but for this tab."""
    held = {key: st.query_params.get_all(key) for key in st.query_params if key != "tab"}
    query = urlencode(held, doseq=True)
    page = (st.context.url or "http://localhost").rstrip("/")
    return f"{page}/?{query}" if query else f"{page}/"


def _download(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    methods: Methods,
    look: Look,
    trust: Mapping[str, Mapping[str, Any]],
    photo: bool,
    original: bool,
) -> None:
    """The button, once all maps are there."""
    known = asked_maps(explainer, scene, question, methods.of_methods)
    if known is None:
        st.caption("Waiting for the maps; then they can be downloaded.")
        return
    if not known:
        st.caption("There is no map to download: choose one under + more.")
        return
    name = state.picture_name()
    exhibit = Exhibit(
        scene.classifier,
        scene.picture,
        known,
        name,
        {title: trust[title] for title in known if title in trust},
        state.original() if original else None,
    )
    model = re.sub(r"[^\w.-]", "-", scene.classifier.record.name)  # such as timm:NAME, hf:ORG/NAME
    stem = f"{name.rsplit('.', 1)[0]}-{model}"
    download_button(explainer, [exhibit], look, stem, "Download the bundle", photo)


def asked_maps(
    explainer: Explainer, scene: Scene, question: Question, settings: Mapping[str, Setting]
) -> dict[str, tuple[Setting, Question]] | None:
    """What a bundle is to hold of a scene, by title; None while a map is missing."""
    known = {}
    for title, setting in settings.items():
        try:
            cost = explainer.forecast(scene.classifier, scene.picture, setting, question)
        except UserError:
            continue  # its panel says why there is no such map
        if cost.passes:
            return None
        known[title] = (setting, question)
    return known


def download_button(
    explainer: Explainer,
    exhibits: Sequence[Exhibit],
    look: Look,
    stem: str,
    words: str,
    photo: bool = True,
) -> None:
    """A button that makes a bundle when it is pressed."""
    from core.bundle.archive import (
        bundle,  # with Captum and Matplotlib, for which the first page has no use
    )

    st.download_button(
        markdown(words),
        partial(
            bundle,
            explainer,
            exhibits,
            look.display,
            same_scale=look.same_scale,
            photo=photo,
            address=address(),
        ),
        file_name=f"{plain(stem)}.zip",
        mime="application/zip",
        key="export_bundle",
        on_click="ignore",
        type="primary",
        help="It is made when you press: a few seconds.",
    )
