"""A judgement as a picture, for paper."""

import textwrap
from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from core.faithfulness import Curve, Faithfulness
from core.judgement import Judgement
from core.rendering import Display, colours, scale
from core.story import number
from core.text import line
from core.trust import sentences, stage_words

_MAP, _CENTRE, _RANDOM = "#1f5fbf", "#b3541e", "#6b7785"
_LINE = 150  # characters


def drawing(judgement: Judgement, title: str) -> Image.Image:
    """A complete judgement, RGB: curves beside their controls, maps of random weights, sentences.

    Raises:
        ValueError: curves or randomisation are missing.
    """
    curves, random = judgement.curves, judgement.randomisation
    if curves is None or random is None:
        raise ValueError("The judgement is not complete: run all of its steps.")
    lines = [
        part
        for said in sentences(judgement).values()
        for sentence in said
        for part in textwrap.wrap(sentence, _LINE)
    ]
    figure = Figure(figsize=(9, 6.4 + 0.13 * len(lines)), dpi=160, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    heights = (3.6, 2.4, 0.13 * len(lines) + 0.2)
    above, middle, below = cast(Sequence[SubFigure], figure.subfigures(3, 1, height_ratios=heights))
    above.suptitle(line(title), x=0.01, ha="left", fontsize=10, parse_math=False)
    for axes, each in zip(above.subplots(1, len(curves)), curves, strict=True):
        _draw_curves(axes, each)
    maps = [random.values, *(stage.values for stage in random.stages)]
    words = stage_words(random)
    for axes, values, (name, figures) in zip(
        middle.subplots(1, len(maps)), maps, words, strict=True
    ):
        display = Display()
        axes.imshow(colours(values, display, scale([values], display)))
        axes.set_title(f"{name}\n{figures}", fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
    below.text(0.01, 0.95, "\n".join(lines), fontsize=7, va="top", parse_math=False)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _draw_curves(axes: Axes, each: Faithfulness) -> None:
    shares = each.curve.shares
    mean, spread = each.random_band
    axes.fill_between(shares, mean - spread, mean + spread, color=_RANDOM, alpha=0.25, lw=0)
    for curve, colour, style, name in (
        (Curve(shares, mean), _RANDOM, "--", "random orders, ± 1 standard deviation"),
        (each.centre, _CENTRE, ":", "from the middle outwards"),
        (each.curve, _MAP, "-", "the map's order"),
    ):
        axes.plot(shares, curve.scores, style, color=colour, label=f"{name}: {number(curve.area)}")
    axes.set_title(f"{each.direction.capitalize()}: {each.verdict}", loc="left", fontsize=8)
    done = "covered" if each.direction == "deletion" else "revealed"
    axes.set_xlabel(f"share of the blocks {done}", fontsize=8)
    axes.set_ylabel("probability", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False)
