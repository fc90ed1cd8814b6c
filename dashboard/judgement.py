"""How far to trust a map: numbers beside the picture, with what a guess would reach."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from html import escape

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.attribution import Attribution
from core.baselines import BASELINES
from core.errors import UserError
from core.explainer import Explainer
from core.faithfulness import Faithfulness, FaithfulnessSetting
from core.story import number
from core.trust import BETTER, DOES, adds_up, sentences
from dashboard import live, state
from dashboard.view import Scene, meter

_log = logging.getLogger(__name__)
_MAP, _CENTRE, _RANDOM = "#3b7ddd", "#b3541e", "#8b95a3"


def draw_judgement(
    explainer: Explainer, scene: Scene, maps: Mapping[str, Attribution]
) -> Callable[[], None] | None:
    """Choose a map; returns what computes and draws its judgement, which may take seconds."""
    st.caption(
        "Blocks of the picture are covered, or revealed, in the order of the map, and the model is "
        "asked again and again. A map that shows what the model uses beats random orders, and "
        "beats simply pointing at the middle."
    )
    if not maps:
        st.caption("Waiting for the first map.")
        return None
    left, right = st.columns(2)
    title = left.selectbox("Map", list(maps), key="judged")
    baseline = right.selectbox(
        "Blocks are covered with",
        BASELINES,
        index=BASELINES.index("blur"),
        key="judged_with",
        help="It matters: a black block is itself a shape, a blur leaves colours.",
    )
    place = st.container()
    setting = FaithfulnessSetting(baseline=baseline)
    return partial(_judge, explainer, scene, maps[title], setting, place)


def _judge(
    explainer: Explainer,
    scene: Scene,
    attribution: Attribution,
    setting: FaithfulnessSetting,
    place: DeltaGenerator,
) -> None:
    bar = place.empty()

    def waiting(before: int) -> None:
        live.tick()
        bar.progress(0.0, live.people(before))

    try:
        with (
            state.line().admitted(waiting),
            closing(
                explainer.faithfulness(scene.classifier, scene.picture, attribution, setting)
            ) as stages,
        ):
            for stage in stages:
                live.tick()
                if not stage.found:
                    words = f"{stage.done:,} of {stage.total:,} passes"
                    bar.progress(stage.done / stage.total, words)
    except UserError as error:
        _log.info("no judgement", exc_info=error)
        bar.error(state.plain(str(error)))
        return
    except Exception:  # noqa: BLE001 - no traceback reaches the page
        _log.exception("no judgement")
        bar.error("Something went wrong with this judgement; the log has the details.")
        return
    bar.empty()
    with place:
        st.html(_badges(attribution, stage.found))
        for column, found in zip(st.columns(2), stage.found, strict=True):
            column.plotly_chart(_figure(found), key=f"curve_{found.direction}")
        for sentence in sentences(attribution, stage.found):
            st.caption(state.plain(sentence))


def _badges(attribution: Attribution, judged: tuple[Faithfulness, ...]) -> str:
    """Number and words for each measure; a mark and a colour say the same once more."""
    badges = [
        (
            each.direction.capitalize(),
            f"{number(each.curve.area)}, at random {number(each.random_area[0])}",
            each.verdict,
            each.better,
        )
        for each in judged
    ]
    complete, shown = adds_up(attribution), meter(attribution)
    if complete is not None and shown is not None:
        badges.append(("Completeness", shown.words, "", complete))
    cells = "".join(
        f'<span class="{"good" if good else "bad"}"><b>{"✓" if good else "✗"} {escape(name)}</b> '
        f"{escape(numbers)}{': ' if words else ''}{escape(words)}</span>"
        for name, numbers, words, good in badges
    )
    return f'<div class="wil-badges">{cells}</div>'


def _figure(found: Faithfulness) -> go.Figure:
    shares = found.curve.shares
    mean, spread = found.random_band
    figure = go.Figure()
    for edge, fill in ((mean - spread, None), (mean + spread, "tonexty")):
        figure.add_scatter(
            x=shares, y=edge, mode="lines", line_width=0, fill=fill,
            fillcolor="rgba(139, 149, 163, 0.25)", hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    for name, scores, colour, dash in (
        ("random orders ± 1 standard deviation", mean, _RANDOM, "dash"),
        ("from the middle outwards", found.centre.scores, _CENTRE, "dot"),
        ("the map's order", found.curve.scores, _MAP, "solid"),
    ):
        figure.add_scatter(x=shares, y=scores, name=name, line={"color": colour, "dash": dash})
    figure.update_layout(
        title={"text": f"{DOES[found.direction]} ({BETTER[found.direction]})", "font_size": 14},
        xaxis={"title": "share of the blocks", "tickformat": ".0%"},
        yaxis={"title": "probability", "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.3},
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        height=330,
        hovermode="x unified",
    )
    return figure
