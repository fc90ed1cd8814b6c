"""Charts of the Trust tab: deletion and insertion curves, infidelity, agreement of maps."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from core.trust.badges import BETTER
from core.trust.faithfulness import Faithfulness
from core.trust.infidelity import Infidelity

_MAP, _CENTRE, _RANDOM = "#3b7ddd", "#b3541e", "#8b95a3"
_MARGIN = {"l": 10, "r": 10, "t": 40, "b": 10}
_CELL = 56  # pixels of a matrix


def curves(found: Faithfulness, measured: str) -> go.Figure:
    """A deletion or insertion curve of a map, and those of the control orders.

    ``measured`` says what the scores are: see `Head.measured`.
    """
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
        ("centre-first order", found.centre.scores, _CENTRE, "dot"),
        ("the map's order", found.curve.scores, _MAP, "solid"),
    ):
        figure.add_scatter(x=shares, y=scores, name=name, line={"color": colour, "dash": dash})
    figure.update_layout(
        title={
            "text": f"{found.direction.capitalize()} ({BETTER[found.direction]})",
            "font_size": 14,
        },
        xaxis={"title": "share of the blocks", "tickformat": ".0%"},
        yaxis={"title": measured, "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.3},
        margin=_MARGIN,
        height=330,
        hovermode="x unified",
    )
    return figure


def squares(found: Infidelity, unit: str, factor: float) -> go.Figure:
    """Infidelity: the drop that the map predicts for each square, and the measured drop."""
    expected, drops = factor * found.expected, factor * found.drops
    ends = [min(*expected, *drops), max(*expected, *drops)]
    figure = go.Figure()
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": _RANDOM, "dash": "dash"}, name="as predicted",
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=expected, y=drops, mode="markers", marker={"color": _MAP}, name="squares",
        hovertemplate=f"predicted %{{x:.2f}}, measured %{{y:.2f}} {unit}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        title={"text": "Covered squares", "font_size": 14},
        xaxis_title=f"drop that the map predicts ({unit})",
        yaxis_title=f"drop of the score ({unit})",
        showlegend=False,
        margin=_MARGIN,
        height=360,
    )
    return figure


def matrix(titles: Sequence[str], values: Any, title: str, low: float) -> go.Figure:
    """A symmetric matrix of similarities from ``low`` to 1, each cell with its number."""
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
