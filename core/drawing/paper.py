"""A figure of one map for print or slides: the model's input, the map, colour bar and caption."""

import io
import textwrap

import numpy as np
from PIL import Image

from ..methods.attribution import Attribution
from ..methods.given_setting import GIVEN
from ..text import counted
from .captions import (
    baseline_words,
    checked,
    completeness,
    method_title,
    remark,
    settings_words,
    uncertainty,
)
from .rendering import Display, backdrop, colours, scale
from .sentences import span
from .sheet import PRINT_DPI, QUIET, Sheet

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
    ends = scale([attribution.values], display)
    return _drawn(picture, attribution, class_names, display, ends, title, DPI).picture()


def png(drawn: Image.Image) -> bytes:
    """A panel as a PNG file that says its resolution."""
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def print_panel(
    picture: Image.Image,
    attribution: Attribution,
    class_names: tuple[str, ...],
    display: Display,
    ends: tuple[float, float],
    *,
    title: str,
) -> dict[str, bytes]:
    """The panel for print, as ``png`` of 300 dpi, ``svg`` and ``pdf``.

    ``ends`` are the numbers at both ends of the colour bar; the rest is as for `panel`.
    """
    return _drawn(picture, attribution, class_names, display, ends, title, PRINT_DPI).files()


def _drawn(
    picture: Image.Image,
    attribution: Attribution,
    class_names: tuple[str, ...],
    display: Display,
    ends: tuple[float, float],
    title: str,
    dpi: int,
) -> Sheet:
    rows, columns = attribution.values.shape
    lines = [
        line
        for paragraph in caption(attribution, class_names, display)
        for line in textwrap.wrap(paragraph, _LETTERS)
    ]
    tall = _SIDE * rows / columns
    under = _TOP + tall
    right = _MARGIN + _SIDE + _GAP
    sheet = Sheet(_WIDTH, under + _BELOW + _LINE * len(lines) + _MARGIN - 0.1, dpi)
    size = (_SIDE, tall)

    sheet.text(_MARGIN, 0.42, title, _LARGE, wide=_WIDTH - 2 * _MARGIN)
    sheet.text(_MARGIN, _TOP - 0.09, "What the model sees", _MIDDLE, QUIET)
    sheet.image(_MARGIN, _TOP, size, np.asarray(picture.convert("RGB")), "catrom")
    sheet.text(_MARGIN, under + 0.17, f"{columns} × {rows} pixels", _SMALL, QUIET)

    sheet.text(right, _TOP - 0.09, heading(attribution), _MIDDLE, QUIET, wide=_SIDE)
    sheet.image(right, _TOP, size, np.asarray(backdrop(picture).convert("RGB")), "catrom")
    sheet.image(right, _TOP, size, colours(attribution.values, display, ends), "nearest")
    draw_bar(sheet, right, under + 0.1, _SIDE, display, ends, attribution.units)

    for index, line in enumerate(lines):
        sheet.text(_MARGIN, under + _BELOW + _LINE * (index + 0.5), line, _SMALL, QUIET)
    return sheet


def draw_bar(
    sheet: Sheet,
    left: float,
    top: float,
    wide: float,
    display: Display,
    ends: tuple[float, float],
    units: str,
) -> None:
    """A colour bar, what its ends mean, and where zero is."""
    ramp = np.linspace(*ends, 256)[None]
    sheet.image(left, top, (wide, 0.09), colours(ramp, display, ends), "nearest")
    low, high = ends
    first, last = span(low, high)
    baseline = top + 0.23
    sheet.text(left, baseline, first, _SMALL)
    if low < 0 < high:
        sheet.text(left + wide / 2, baseline, "0", _SMALL, align="center")
    sheet.text(left + wide, baseline, f"{last} {units}".rstrip(), _SMALL, align="right")


def heading(attribution: Attribution) -> str:
    """What a map is called, with the settings that shape it."""
    return ", ".join(filter(None, (method_title(attribution), settings_words(attribution))))


def caption(attribution: Attribution, class_names: tuple[str, ...], display: Display) -> list[str]:
    """Two paragraphs: how to read the map, and how it was made."""
    target = class_names[attribution.target]
    score = f"the {attribution.question.scale} of {target}"
    if attribution.contrast is not None:
        score += f" minus that of {class_names[attribution.contrast]}"
    reading = f"Colour: {attribution.about.reading.format(score=score)}."
    if words := remark(attribution, class_names):
        reading += f" {words[0].upper()}{words[1:]}."
    if attribution.values.min() < 0:
        does = "are evidence for" if attribution.question.head.has_probabilities else "raise"
        reading += f" Positive values {does} {target}."
    if display.outlier_percent:
        left_out = f"{display.outlier_percent:g} % of the map's total"
        reading += f" Values beyond the ends of the scale make up {left_out}."

    made = []
    if attribution.provenance is not None:
        made.append(f"{attribution.provenance.model} on {attribution.provenance.device}")
    made.append(baseline_words(attribution))
    made.append(completeness(attribution, attribution.units))
    made.append(uncertainty(attribution, attribution.units))
    engine = " by Captum" if attribution.parameters.get("engine") == "captum" else ""
    if attribution.method != GIVEN:
        made.append(
            f"{counted(attribution.forward_passes, 'forward pass', 'forward passes')}{engine}"
        )
        made.append(f"{attribution.seconds:.1f} s")
    made.append(checked(attribution))
    return [reading, " · ".join(filter(None, made))]
