"""A map as a picture for paper or a slide: what the model sees, the map over it, and words.

Drawn with Matplotlib's objects alone: no pyplot, no state that outlives the call.
"""

import textwrap

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from core.attribution import Attribution
from core.methods import METHODS
from core.rendering import Display, backdrop, colours, scale
from core.story import number
from core.wording import baseline_words, completeness, method_title, settings_words

DPI = 200

# All lengths are inches.
_MARGIN = 0.32
_GAP = 0.28  # between the pictures
_SIDE = 3.36  # width of a picture; of 224 pixels, each becomes three by three
_WIDTH = 2 * (_MARGIN + _SIDE) + _GAP
_TOP = 0.84  # title and headings
_BELOW = 0.62  # colour bar and its numbers
_LINE = 0.17  # of the caption

_LETTERS = 128  # that surely fit into a line of the caption
_LARGE, _MIDDLE, _SMALL = 12.5, 8.5, 7.5  # points
_INK, _QUIET = "#1c2128", "#59636e"


def panel(
    picture: Image.Image,
    attribution: Attribution,
    class_names: tuple[str, ...],
    display: Display,
    *,
    title: str,
) -> Image.Image:
    """Picture and map side by side, RGB, to be shown at `DPI`.

    Args:
        picture: the model's input before normalisation, RGB, of the map's height and width.
        attribution: the map.
        class_names: of the model, to name target and contrast.
        display: how the map is shown.
        title: one line, what the model says.
    """
    rows, columns = attribution.values.shape
    ends = scale([attribution.values], display)
    lines = [
        line
        for paragraph in caption(attribution, class_names, display)
        for line in textwrap.wrap(paragraph, _LETTERS)
    ]
    tall = _SIDE * rows / columns
    under = _TOP + tall
    right = _MARGIN + _SIDE + _GAP
    sheet = _Sheet(under + _BELOW + _LINE * len(lines) + _MARGIN - 0.1)

    sheet.text(_MARGIN, 0.42, title, _LARGE)
    sheet.text(_MARGIN, _TOP - 0.09, "What the model sees", _MIDDLE, _QUIET)
    sheet.image(_MARGIN, _TOP, tall, np.asarray(picture.convert("RGB")), "catrom")
    sheet.text(_MARGIN, under + 0.17, f"{columns} × {rows} pixels", _SMALL, _QUIET)

    sheet.text(right, _TOP - 0.09, heading(attribution), _MIDDLE, _QUIET)
    sheet.image(right, _TOP, tall, np.asarray(backdrop(picture).convert("RGB")), "catrom")
    sheet.image(right, _TOP, tall, colours(attribution.values, display, ends), "nearest")
    ramp = np.linspace(*ends, 256)[None]
    sheet.image(right, under + 0.1, 0.09, colours(ramp, display, ends), "nearest")
    _numbers(sheet, right, under + 0.33, ends, attribution.units)

    for index, line in enumerate(lines):
        sheet.text(_MARGIN, under + _BELOW + _LINE * (index + 0.5), line, _SMALL, _QUIET)
    return sheet.picture()


def heading(attribution: Attribution) -> str:
    """What a map is called, with the settings that shape it."""
    return ", ".join(filter(None, (method_title(attribution), settings_words(attribution))))


def caption(attribution: Attribution, class_names: tuple[str, ...], display: Display) -> list[str]:
    """Two paragraphs: how to read the map, and how it was made."""
    target = class_names[attribution.target]
    score = f"the {attribution.score.replace('_', ' ')} of {target}"
    if attribution.contrast is not None:
        score += f" minus that of {class_names[attribution.contrast]}"
    reading = f"Colour: {METHODS[attribution.method].reading.format(score=score)}."
    if attribution.values.min() < 0:
        reading += f" Above zero, the pixel speaks for {target}."
    if display.outlier_percent:
        left_out = f"{display.outlier_percent:g} % of the map's total"
        reading += f" The scale ends where {left_out} lies beyond it."

    made = []
    if attribution.provenance is not None:
        made.append(f"{attribution.provenance.model} on {attribution.provenance.device}")
    made.append(baseline_words(attribution))
    made.append(completeness(attribution, attribution.units))
    engine = " by Captum" if attribution.parameters.get("engine") == "captum" else ""
    made.append(f"{attribution.forward_passes:,} forward passes{engine}")
    made.append(f"{attribution.seconds:.1f} s")
    return [reading, " · ".join(filter(None, made))]


def _numbers(
    sheet: "_Sheet", left: float, baseline: float, ends: tuple[float, float], units: str
) -> None:
    """What the ends of the colour bar mean, and where zero is."""
    low, high = ends
    sheet.text(left, baseline, number(low), _SMALL)
    if low < 0 < high:
        sheet.text(left + _SIDE / 2, baseline, "0", _SMALL, align="center")
    sheet.text(left + _SIDE, baseline, f"{number(high)} {units}", _SMALL, align="right")


class _Sheet:
    """A white page; places are inches from its top left corner."""

    def __init__(self, height: float) -> None:
        self._height = round(height * DPI) / DPI
        self._figure = Figure(figsize=(_WIDTH, self._height), dpi=DPI, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)

    def text(
        self,
        left: float,
        baseline: float,
        text: str,
        size: float,
        colour: str = _INK,
        align: str = "left",
    ) -> None:
        """Write one line, ``size`` points high."""
        self._figure.text(
            left / _WIDTH,
            1 - baseline / self._height,
            text,
            fontsize=size,
            fontfamily="DejaVu Sans",  # comes with Matplotlib: the same everywhere
            color=colour,
            ha=align,
            va="baseline",
            parse_math=False,
        )

    def image(
        self, left: float, top: float, tall: float, pixels: np.ndarray, interpolation: str
    ) -> None:
        """Stretch pixels, uint8 (h, w, 3 or 4), over `_SIDE` times ``tall``."""
        bottom = self._height - top - tall
        axes = self._figure.add_axes(
            (left / _WIDTH, bottom / self._height, _SIDE / _WIDTH, tall / self._height)
        )
        axes.set_axis_off()
        axes.imshow(pixels, aspect="auto", interpolation=interpolation)

    def picture(self) -> Image.Image:
        """The finished page, RGB."""
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")
