"""Numbers to point at and to download: curves, squares, and how far maps agree."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from core.faithfulness import Faithfulness
from core.infidelity import Infidelity
from core.trust import BETTER, DOES

_MAP, _CENTRE, _RANDOM = "#3b7ddd", "#b3541e", "#8b95a3"
_MARGIN = {"l": 10, "r": 10, "t": 40, "b": 10}
_CELL = 56  # pixels of a matrix


def curves(found: Faithfulness) -> go.Figure:
    """A map's curve beside its controls."""
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
        margin=_MARGIN,
        height=330,
        hovermode="x unified",
    )
    return figure


def squares(found: Infidelity, unit: str, factor: float) -> go.Figure:
    """What the map says that covering each square costs, against what it costs."""
    expected, drops = factor * found.expected, factor * found.drops
    ends = [min(*expected, *drops), max(*expected, *drops)]
    figure = go.Figure()
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": _RANDOM, "dash": "dash"}, name="as expected",
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=expected, y=drops, mode="markers", marker={"color": _MAP}, name="squares",
        hovertemplate=f"expected %{{x:.2f}}, lost %{{y:.2f}} {unit}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        title={"text": "Squares that were covered", "font_size": 14},
        xaxis_title=f"what the map leads to expect ({unit})",
        yaxis_title=f"what is lost ({unit})",
        showlegend=False,
        margin=_MARGIN,
        height=360,
    )
    return figure


def matrix(titles: Sequence[str], values: Any, title: str, low: float) -> go.Figure:
    """A symmetric matrix of likenesses from ``low`` to 1, each cell with its number."""
    words = [[f"{value:.2f}".replace("-", "−") for value in row] for row in values]
    figure = go.Figure()
    figure.add_heatmap(
        z=values, x=list(titles), y=list(titles), text=words, texttemplate="%{text}",
        colorscale="RdBu_r" if low < 0 else "Blues", zmin=low, zmax=1, xgap=2, ygap=2,
        hovertemplate="%{y} and %{x}: %{text}<extra></extra>", showscale=False,
    )  # fmt: skip
    figure.update_layout(
        title={"text": title, "font_size": 14},
        yaxis={"autorange": "reversed"},
        margin=_MARGIN,
        height=110 + _CELL * len(titles),
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
