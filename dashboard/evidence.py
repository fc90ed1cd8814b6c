"""What lies behind the badges: how far to trust a map, measure by measure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.agreement import agreement, pointing
from core.attribution import Attribution
from core.baselines import BASELINES
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.judgement import Judgement
from core.masks import mask_from_bits
from core.rendering import data_uri, indexed, scale
from core.scores import Question
from core.settings import OcclusionSetting, Setting
from core.story import percent
from core.text import escape, markdown
from core.trust import MEASURES, sentences, stage_words
from core.windows import neighbours
from dashboard import charts, components
from dashboard.board import Board
from dashboard.methods import Methods
from dashboard.panels import Panel, panels_html
from dashboard.view import Look, Scene, backdrop_uri, input_uri, unit_and_factor

AGREEMENT, POINTING = "agreement", "pointing"
SECTIONS = {**MEASURES, AGREEMENT: "Agreement", POINTING: "Mark the object"}
_BLOCKS = (7, 14, 28)
_ABOUT: dict[str, str] = {
    "curves": "Blocks of the picture are covered, or revealed, in the order of the map, and the "
    "model is asked again and again. A map that shows what the model uses beats random orders, and "
    "beats simply pointing at the middle.",
    "sums": "A map says how much each region counts. Regions are covered, and what the score loses "
    "is compared with the sum of the map there.",
    "weights": "The model forgets what it has learnt, layer by layer from its end. A map that "
    "stays the same does not show the model; it may show the picture's edges.",
    "noise": "Noise that nobody sees is added to the picture. Where the map becomes another one, "
    "its details are not to be relied on.",
    AGREEMENT: "Where maps made in different ways agree, the story does not hang on one choice.",
    POINTING: "Paint over the object: how much of what the maps find lies on it?",
}


def how() -> FaithfulnessSetting:
    """How maps are judged in this session."""
    return st.session_state.get("how", FaithfulnessSetting())


def open_evidence(titles: Mapping[str, Setting], tab: str, title: str, measure: str) -> None:
    """Show the evidence of a badge, if there is such a one; for use in a callback."""
    if title in titles and measure in MEASURES:
        st.session_state.update(judged=title, evidence=measure, tab=tab)


def draw_evidence(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    board: Board,
    methods: Methods,
    look: Look,
) -> list[Board]:
    """Draw what was found; returns the boards whose maps are still to be computed."""
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
    st.caption(markdown(_ABOUT[section]))
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
            "Waiting for the judgement." if board.how else "Turn on *Judge each map* for this."
        )
    else:
        _SECTIONS[section](scene, judgement, look)
        for sentence in sentences(judgement)[section]:
            st.caption(markdown(sentence))
    return []


def _choose_how(baseline_place: DeltaGenerator, block_place: DeltaGenerator) -> None:
    now = how()

    def choose() -> None:
        chosen = st.session_state
        st.session_state["how"] = FaithfulnessSetting(
            block=chosen["judged_block"], baseline=chosen["judged_with"]
        )

    baseline_place.selectbox(
        "Blocks are covered with",
        BASELINES,
        index=BASELINES.index(now.baseline),
        key="judged_with",
        on_change=choose,
        help="It matters: a black block is itself a shape, a blur leaves colours.",
    )
    block_place.selectbox(
        "Side of a block",
        _BLOCKS,
        index=_BLOCKS.index(now.block),
        key="judged_block",
        on_change=choose,
        format_func=lambda side: f"{side} pixels",
        help="Small blocks ask about details, large ones about regions.",
    )


def _curves(_: Scene, judgement: Judgement, __: Look) -> None:
    for column, found in zip(st.columns(2), judgement.curves or (), strict=False):
        column.plotly_chart(charts.curves(found), key=f"curve_{found.direction}")


def _sums(_: Scene, judgement: Judgement, __: Look) -> None:
    if judgement.infidelity is not None:
        unit, factor = unit_and_factor(judgement.attribution)
        st.columns(2)[0].plotly_chart(
            charts.squares(judgement.infidelity, unit, factor), key="squares"
        )


def _weights(scene: Scene, judgement: Judgement, look: Look) -> None:
    found = judgement.randomisation
    if found is not None:
        maps = [found.values, *(stage.values for stage in found.stages)]
        _row(scene, maps, stage_words(found), look)


def _noise(scene: Scene, judgement: Judgement, look: Look) -> None:
    found = judgement.sensitivity
    if found is not None:
        words = [("As it is", "the map to compare with")]
        words += [(f"With noise, {n}", "") for n in range(1, 1 + len(found.maps))]
        _row(scene, [found.values, *found.maps], words, look)


_SECTIONS: dict[str, Callable[[Scene, Judgement, Look], None]] = {
    "curves": _curves,
    "sums": _sums,
    "weights": _weights,
    "noise": _noise,
}


def _row(scene: Scene, maps: Sequence[Any], words: list[tuple[str, str]], look: Look) -> None:
    """Maps side by side, each on its own scale: it is the pattern that counts."""
    panels = [
        Panel(
            title,
            f"{title}: the quick map. {caption}",
            picture=backdrop_uri(scene),
            size=(scene.side, scene.side),
            overlay=data_uri(indexed(values, look.display, scale([values], look.display))),
            caption=caption,
        )
        for values, (title, caption) in zip(maps, words, strict=True)
    ]
    st.html(panels_html(panels))
    st.caption("Quick maps of the same method, with few points or windows, each on its own scale.")


def _agreement(
    explainer: Explainer,
    scene: Scene,
    question: Question,
    maps: Mapping[str, Attribution],
    methods: Methods,
    look: Look,
) -> Board:
    """How far the maps of the page agree, and occlusion with its neighbours."""
    st.markdown("**The maps of the page**")
    _matrices(maps, "maps")
    small = methods.small
    st.markdown("**Occlusion with windows and strides near the small one**")
    settings: dict[str, Setting] = {
        f"{window}/{stride}": OcclusionSetting(window, stride, small.baseline)
        for window, stride in neighbours(small.window, small.stride, scene.side)
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
    )
    right.plotly_chart(
        charts.matrix(list(maps), overlap, "Strongest tenth in common (by chance 0.10)", 0),
        key=f"{key}_overlap",
    )


def _pointing(scene: Scene, maps: Mapping[str, Attribution]) -> None:
    """The object, painted by hand, and how much of each map lies on it."""
    canvas, answer = st.columns([1, 2], gap="large")
    with canvas:
        bits = components.brush(
            input_uri(scene),
            scene.side,
            key="mark",
            alt="The model's input; paint over the object.",
        )
    with answer:
        if bits is None:
            st.caption("Paint over the object in the picture.")
            return
        marked = mask_from_bits(bits, scene.side)
        for title, attribution in maps.items():
            inside, area = pointing(attribution.values, marked)
            words = "more than its area" if inside > area else "no more than its area"
            st.html(
                f'<p class="wil-evidence"><b>{percent(inside)}</b> of what '
                f"{escape(title)} finds lies on the object, which covers {percent(area)}: "
                f"{words}.</p>"
            )
