"""A figure of all trust measures of a map: curves, randomised maps and sentences."""

import textwrap
from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from ..drawing.rendering import Display, colours, scale
from ..drawing.sentences import number
from ..text import line
from .badges import sentences, stage_words
from .faithfulness import Curve, Faithfulness
from .judgement import Judgement, measures_of
from .randomisation import Randomisation

_MAP, _CENTRE, _RANDOM = "#1f5fbf", "#b3541e", "#6b7785"
_LINE = 150  # characters


def drawing(judgement: Judgement, title: str) -> Image.Image:
    """Draw a complete judgement, RGB: curves with controls, maps of random weights, sentences.

    Raises:
        ValueError: curves are missing, or randomisation of a map that can be made again.
    """
    curves, random = judgement.curves, judgement.randomisation
    again = "randomisation" in measures_of(judgement.attribution)
    if curves is None or (again and random is None):
        raise ValueError("The judgement is not complete: run all of its steps.")
    lines = [
        part
        for said in sentences(judgement).values()
        for sentence in said
        for part in textwrap.wrap(sentence, _LINE)
    ]
    maps_height = 2.4 if random is not None else 0.01  # of a map made elsewhere there are none
    heights = (3.6, maps_height, 0.13 * len(lines) + 0.2)
    figure = Figure(figsize=(9, 0.2 + sum(heights)), dpi=160, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    above, middle, below = cast(Sequence[SubFigure], figure.subfigures(3, 1, height_ratios=heights))
    above.suptitle(line(title), x=0.01, ha="left", fontsize=10, parse_math=False)
    for axes, each in zip(above.subplots(1, len(curves)), curves, strict=True):
        _draw_curves(axes, each, judgement.attribution.question.head.measured)
    if random is not None:
        _draw_maps(middle, random)
    below.text(0.01, 0.95, "\n".join(lines), fontsize=7, va="top", parse_math=False)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _draw_maps(place: SubFigure, random: Randomisation) -> None:
    maps = [random.values, *(stage.values for stage in random.stages)]
    for axes, values, (name, figures) in zip(
        place.subplots(1, len(maps), squeeze=False)[0], maps, stage_words(random), strict=True
    ):
        display = Display()
        axes.imshow(colours(values, display, scale([values], display)))
        axes.set_title(f"{name}\n{figures}", fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])


def _draw_curves(axes: Axes, each: Faithfulness, measured: str) -> None:
    shares = each.curve.shares
    mean, spread = each.random_band
    axes.fill_between(shares, mean - spread, mean + spread, color=_RANDOM, alpha=0.25, lw=0)
    for curve, colour, style, name in (
        (Curve(shares, mean), _RANDOM, "--", "random orders, ± 1 standard deviation"),
        (each.centre, _CENTRE, ":", "centre-first order"),
        (each.curve, _MAP, "-", "the map's order"),
    ):
        axes.plot(shares, curve.scores, style, color=colour, label=f"{name}: {number(curve.area)}")
    axes.set_title(f"{each.direction.capitalize()}: {each.verdict}", loc="left", fontsize=8)
    done = "covered" if each.direction == "deletion" else "revealed"
    axes.set_xlabel(f"share of the blocks {done}", fontsize=8)
    axes.set_ylabel(measured, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False)
