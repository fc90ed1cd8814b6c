"""The Trust tab: the trust measures of a map with their charts, agreement of maps, and pointing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.drawing.rendering import data_uri, indexed, scale
from core.drawing.sentences import percent
from core.explaining.explainer import Explainer
from core.methods.attribution import Attribution
from core.methods.baselines import OF_CURVES
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.methods.settings import Setting
from core.methods.windows import neighbours
from core.pictures.masks import mask_from_bits
from core.text import escape, markdown
from core.trust.badges import TITLES, sentences, stage_words
from core.trust.judgement import Judgement
from core.trust.localisation import Localisation, localisation
from core.trust.settings import FaithfulnessSetting
from core.trust.similarity import agreement
from dashboard.browser import components
from dashboard.drawing import charts
from dashboard.drawing.panels import Panel, panels_html
from dashboard.drawing.view import Look, Scene, backdrop_uri, input_uri, unit_and_factor
from dashboard.explain.grid import Board
from dashboard.explain.methods import Methods

AGREEMENT, POINTING = "agreement", "pointing"
SECTIONS = {**TITLES, AGREEMENT: "Agreement", POINTING: "Mark the object"}
# Titles that are in addresses of version 0.1.
_FORMER = {
    "Cover and reveal": "curves",
    "Adding up": "sums",
    "Random weights": "weights",
    "Noise": "noise",
}
_BLOCKS = (7, 14, 28)
_CHART = {"displayModeBar": False}  # on a phone its buttons always lie on the title
_ABOUT: dict[str, str] = {
    "curves": "Blocks of the picture are covered (deletion) or revealed (insertion) in the order "
    "of the map, and the target's {} is recorded. A faithful map beats random orders, and the "
    "centre-first order, which starts in the middle of the picture.",
    "sums": "Completeness: the values sum to the change of the score from baseline to picture. "
    "Infidelity: squares are covered, and the drop of the score is compared with the sum of the "
    "map in the square.",
    "weights": "The weights are randomised, layer by layer from the last one. A map that does not "
    "change does not explain the model; it may only show the edges in the picture.",
    "noise": "Invisible noise is added to the input. If the map changes much, its details are not "
    "reliable.",
    AGREEMENT: "If different methods agree, the explanation does not depend on the choice of one.",
    POINTING: "Paint over the object to see how much of the positive evidence lies on it.",
}


def how() -> FaithfulnessSetting:
    """Settings of the trust measures in this session."""
    now, default = st.session_state, FaithfulnessSetting()
    return FaithfulnessSetting(
        block=now.get("side_of_blocks", default.block), baseline=now.get("reveal", default.baseline)
    )


def open_evidence(titles: Mapping[str, Setting], tab: str, title: str, measure: str) -> None:
    """Show the evidence of a badge, if it exists; for use in a callback."""
    if title in titles and measure in TITLES:
        st.session_state.update(judged=title, evidence=measure, tab=tab)


def draw_evidence(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    board: Board,
    methods: Methods,
    look: Look,
) -> list[Board]:
    """Draw the tab; returns the boards whose maps are still to be computed."""
    former = _FORMER.get(st.query_params.get("evidence", ""))
    if former is not None:
        st.session_state["evidence"] = former
    section = st.segmented_control(
        "Evidence",
        list(SECTIONS),
        default="curves",
        format_func=SECTIONS.__getitem__,
        key="evidence",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    recorded = question.head.scale(question.head.telling)
    st.caption(markdown(_ABOUT[section].format(recorded)))
    if section == AGREEMENT:
        return [_agreement(explainer, scene, question, board.maps, methods, look)]
    if section == POINTING:
        _pointing(scene, board.maps)
        return []
    if not board.settings:
        st.caption("There is no map: choose one under + more.")
        return []
    left, middle, right = st.columns(3)
    title = left.selectbox("Map", list(board.settings), key="judged")
    if section == "curves":
        _choose_how(middle, right)
    judgement = board.judgements.get(title)
    refusal = board.unjudged(title)
    if refusal is not None:
        st.error(markdown(refusal))
    elif title not in board.maps:
        st.caption("Waiting for the map.")
    elif judgement is None:
        st.caption(
            "Waiting for the trust measures." if board.how else "Turn on *Trust measures* for this."
        )
    else:
        _SECTIONS[section](scene, judgement, look)
        for sentence in sentences(judgement)[section]:
            st.caption(markdown(sentence))
    return []


def _choose_how(baseline_place: DeltaGenerator, block_place: DeltaGenerator) -> None:
    """Two controls that outlive the tab: one is another of what the sidebar has."""
    st.session_state.update(judged_with=how().baseline, judged_block=how().block)

    def choose(key: str, control: str) -> None:
        st.session_state[key] = st.session_state[control]

    baseline_place.selectbox(
        "Baseline of the blocks",
        OF_CURVES,
        key="judged_with",
        on_change=choose,
        args=("reveal", "judged_with"),
        help="What replaces a covered block. A black block adds a shape; a blur keeps colours; "
        "ROAD fills the block from its surroundings.",
    )
    block_place.selectbox(
        "Block size",
        _BLOCKS,
        key="judged_block",
        on_change=choose,
        args=("side_of_blocks", "judged_block"),
        format_func=lambda side: f"{side} pixels",
        help="Small blocks test details, large blocks test regions.",
    )


def _curves(_: Scene, judgement: Judgement, __: Look) -> None:
    for column, found in zip(st.columns(2), judgement.curves or (), strict=False):
        column.plotly_chart(
            charts.curves(found, judgement.attribution.question.head.measured),
            key=f"curve_{found.direction}",
            config=_CHART,
        )


def _sums(_: Scene, judgement: Judgement, __: Look) -> None:
    if judgement.infidelity is not None:
        unit, factor = unit_and_factor(judgement.attribution)
        st.columns(2)[0].plotly_chart(
            charts.squares(judgement.infidelity, unit, factor), key="squares", config=_CHART
        )


def _weights(scene: Scene, judgement: Judgement, look: Look) -> None:
    found = judgement.randomisation
    if found is not None:
        maps = [found.values, *(stage.values for stage in found.stages)]
        _row(scene, maps, stage_words(found), look)


def _noise(scene: Scene, judgement: Judgement, look: Look) -> None:
    found = judgement.sensitivity
    if found is not None:
        words = [("Without noise", "the reference map")]
        words += [(f"With noise, {n}", "") for n in range(1, 1 + len(found.maps))]
        _row(scene, [found.values, *found.maps], words, look)


_SECTIONS: dict[str, Callable[[Scene, Judgement, Look], None]] = {
    "curves": _curves,
    "sums": _sums,
    "weights": _weights,
    "noise": _noise,
}


def _row(scene: Scene, maps: Sequence[Any], words: list[tuple[str, str]], look: Look) -> None:
    """Coarse maps side by side, each on its own scale: only the patterns are compared."""
    panels = [
        Panel(
            title,
            f"{title}: coarse map. {caption}",
            picture=backdrop_uri(scene),
            size=scene.size[::-1],
            overlay=data_uri(indexed(values, look.display, scale([values], look.display))),
            caption=caption,
        )
        for values, (title, caption) in zip(maps, words, strict=True)
    ]
    st.html(panels_html(panels))
    st.caption("Coarse maps of the same method, with few points or windows, each on its own scale.")


def _agreement(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    maps: Mapping[str, Attribution],
    methods: Methods,
    look: Look,
) -> Board:
    """Agreement of the maps on the page, and of occlusion with neighbouring settings."""
    st.markdown("**The maps of the page**")
    _matrices(maps, "maps")
    small = methods.small
    st.markdown("**Occlusion with windows and strides close to the small one**")
    settings: dict[str, Setting] = {
        f"{window}/{stride}": OcclusionSetting(window, stride, small.baseline)
        for window, stride in neighbours(small.window, small.stride, min(scene.size))
    }
    board = Board("neighbours", explainer, scene, question, settings, look)
    _matrices(board.maps, "neighbours")
    return board


def _matrices(maps: Mapping[str, Attribution], key: str) -> None:
    if len(maps) < 2:
        st.caption("Waiting for two maps.")
        return
    correlation, overlap = agreement([each.values for each in maps.values()])
    left, right = st.columns(2)
    left.plotly_chart(
        charts.matrix(list(maps), correlation, "Rank correlation (Spearman)", -1),
        key=f"{key}_correlation",
        config=_CHART,
    )
    right.plotly_chart(
        charts.matrix(list(maps), overlap, "Overlap of the strongest 10 % (chance: 0.10)", 0),
        key=f"{key}_overlap",
        config=_CHART,
    )


def _pointing(scene: Scene, maps: Mapping[str, Attribution]) -> None:
    """The object, painted by hand, and the share of each map that lies on it."""
    canvas, answer = st.columns([1, 2], gap="large")
    with canvas:
        bits = components.brush(
            input_uri(scene),
            scene.size,
            key="mark",
            alt="The model's input; paint over the object.",
        )
    with answer:
        if bits is None:
            st.caption("Paint over the object in the picture.")
            return
        marked = mask_from_bits(bits, scene.size)
        for title, attribution in maps.items():
            order_only = bool(attribution.parameters.get("order_only"))
            found = localisation(attribution.values, marked, order_only=order_only)
            words = _located_words(title, found, order_only)
            st.html(f'<p class="wil-evidence">{words}</p>')


def _located_words(title: str, found: Localisation, order_only: bool = False) -> str:
    """Where a map lies, as HTML."""
    share = found.rank if order_only else found.mass
    if share is None or found.rank is None:
        return f"{escape(title)} has no positive evidence, or nothing is painted."
    words = "more than its area" if share > found.area else "no more than its area"
    covered = f"object, which covers {percent(found.area)} of the input: {words}"
    largest = "Of as many of the strongest pixels as the object has,"
    if order_only:
        sentence = (
            f"{escape(title)} has an order and no scale. {largest} <b>{percent(share)}</b> lie on "
            f"the {covered}"
        )
    else:
        sentence = (
            f"<b>{percent(share)}</b> of the positive evidence of {escape(title)} lies on the "
            f"{covered}. {largest} {percent(found.rank)} lie on it"
        )
    if found.pointing is not None:
        sentence += f"; the strongest of all {'does' if found.pointing else 'does not'}"
    return f"{sentence}."
