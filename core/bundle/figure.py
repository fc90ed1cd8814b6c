"""The figure of a bundle for print: a row of maps for each picture and model."""

from collections.abc import Mapping

import numpy as np

from ..drawing.rendering import Display, backdrop
from ..drawing.row import draw_map
from ..drawing.sheet import PRINT_DPI, QUIET, Sheet
from .exhibits import Shown
from .figure_caption import letters, says

# All lengths are inches.
_MARGIN, _GAP = 0.25, 0.22
_SIDE = 2.2
_COLUMNS = 4  # of maps beside the picture; more go into further lines
_HEAD = 0.42
_LINE = _SIDE + 0.74  # a picture, its heading and its colour bar
_LARGE, _SMALL = 10.5, 6.8  # points


def figure(shown: list[Shown], display: Display) -> dict[str, bytes]:
    """Pictures and maps side by side, as ``png`` of 300 dpi, ``svg`` and ``pdf``."""
    across = min(_COLUMNS, max(len(each.plates) for each in shown))
    lines = [-(-len(each.plates) // across) for each in shown]
    width = 2 * _MARGIN + (across + 1) * _SIDE + across * _GAP
    height = 2 * _MARGIN + sum(_HEAD + _LINE * count for count in lines)
    sheet = Sheet(width, height, PRINT_DPI)
    top, marks = _MARGIN, letters(shown)
    for each, count in zip(shown, lines, strict=True):
        _row(sheet, each, display, marks, top, across)
        top += _HEAD + _LINE * count
    return sheet.files()


def _row(
    sheet: Sheet,
    shown: Shown,
    display: Display,
    marks: Mapping[str, str],
    top: float,
    across: int,
) -> None:
    room = (across + 1) * _SIDE + across * _GAP
    sheet.text(_MARGIN, top + 0.18, says(shown), _LARGE, wide=room)
    under = top + _HEAD + 0.08
    size = (_SIDE, _SIDE)
    sheet.text(_MARGIN, under - 0.07, shown.exhibit.name, _SMALL, QUIET, wide=_SIDE)
    sheet.image(_MARGIN, under, size, np.asarray(shown.seen), "catrom")
    ground = np.asarray(backdrop(shown.seen).convert("RGB"))
    for place, plate in enumerate(shown.plates):
        left = _MARGIN + (place % across + 1) * (_SIDE + _GAP)
        head = under + place // across * _LINE
        title = f"{marks[plate.stem]}{plate.title}"
        draw_map(sheet, (left, head), size, ground, plate.attribution, display, plate.ends, title)
