"""What the numbers of `core.faithfulness` say: in sentences, as JSON and as a picture."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from core.attribution import Attribution
from core.faithfulness import Curve, Faithfulness, FaithfulnessSetting
from core.story import number
from core.wording import completeness

DOES = {
    "deletion": "Covering the strongest blocks first",
    "insertion": "Revealing the strongest blocks first",
}
BETTER = {"deletion": "lower is better", "insertion": "higher is better"}
_NEAR = 0.05
_MAP, _CENTRE, _RANDOM = "#1f5fbf", "#b3541e", "#6b7785"


def sentences(attribution: Attribution, found: Sequence[Faithfulness]) -> list[str]:
    """One sentence for each number, for a listener in the last row."""
    lines = []
    for each in found:
        mean, spread = each.random_area
        lines.append(
            f"{DOES[each.direction]}: mean probability {number(each.curve.area)}, random orders "
            f"{number(mean)} ± {number(spread)}, from the middle outwards "
            f"{number(each.centre.area)} ({BETTER[each.direction]}): {each.verdict}."
        )
    words = completeness(attribution, attribution.units)
    if words:
        lines.append(f"The map {words}.")
    return lines


def adds_up(attribution: Attribution) -> bool | None:
    """Whether the values add up to within 5 % of what they should; None if nothing is promised."""
    if attribution.change is None or attribution.gap is None:
        return None
    return abs(attribution.gap) <= _NEAR * abs(attribution.change)


def record(
    attribution: Attribution, found: Sequence[Faithfulness], setting: FaithfulnessSetting
) -> dict[str, Any]:
    """All numbers and how they were made, as JSON types."""
    return {
        "curves": {
            each.direction: {
                "area": each.curve.area,
                "random_mean": each.random_area[0],
                "random_stdev": each.random_area[1],
                "centre": each.centre.area,
                "verdict": each.verdict,
                "shares": each.curve.shares.tolist(),
                "scores": each.curve.scores.tolist(),
                "centre_scores": each.centre.scores.tolist(),
                "random_scores": [curve.scores.tolist() for curve in each.random],
            }
            for each in found
        },
        "settings": asdict(setting),
        "sentences": sentences(attribution, found),
    }


def drawing(found: Sequence[Faithfulness], title: str) -> Image.Image:
    """The curves beside their controls, RGB."""
    figure = Figure(figsize=(9, 3.6), dpi=160, layout="constrained", facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
    for axes, each in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        shares = each.curve.shares
        mean, spread = each.random_band
        axes.fill_between(shares, mean - spread, mean + spread, color=_RANDOM, alpha=0.25, lw=0)
        for curve, colour, style, name in (
            (Curve(shares, mean), _RANDOM, "--", "random orders, ± 1 standard deviation"),
            (each.centre, _CENTRE, ":", "from the middle outwards"),
            (each.curve, _MAP, "-", "the map's order"),
        ):
            axes.plot(
                shares, curve.scores, style, color=colour, label=f"{name}: {number(curve.area)}"
            )
        axes.set_title(f"{each.direction.capitalize()}: {each.verdict}", loc="left", fontsize=8)
        axes.set_xlabel(
            f"share of the blocks {'covered' if each.direction == 'deletion' else 'revealed'}",
            fontsize=8,
        )
        axes.set_ylabel("probability", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7, frameon=False)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
