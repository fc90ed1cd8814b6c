"""Maps of one picture side by side, each with its colour bar; those in the same units share one."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from ..methods.attribution import Attribution
from ..methods.method import UNITLESS
from .paper import DPI, draw_bar
from .rendering import Display, backdrop, colours, scale
from .sheet import QUIET, Sheet

# All lengths are inches.
_MARGIN, _GAP, _SIDE = 0.25, 0.22, 2.2
_HEAD = 0.42
_BELOW = 0.74  # heading and colour bar of a map
_MOST_ACROSS = 4  # maps beside the picture; more go into further lines
_LARGE, _SMALL = 10.5, 6.8  # points


def row(
    picture: Image.Image, maps: Mapping[str, Attribution], display: Display, *, title: str
) -> Image.Image:
    """The model's input and its maps, RGB, to be shown at `core.drawing.paper.DPI`.

    Args:
        picture: the model's input before normalisation, RGB, of the maps' height and width.
        maps: by title, at least one.
        display: how they are shown.
        title: one line, what the model says.
    """
    across = min(_MOST_ACROSS, len(maps))
    tall = _SIDE * picture.height / picture.width
    lines = -(-len(maps) // across)
    width = 2 * _MARGIN + (across + 1) * _SIDE + across * _GAP
    sheet = Sheet(width, 2 * _MARGIN + _HEAD + lines * (tall + _BELOW), DPI)
    sheet.text(_MARGIN, _MARGIN + 0.18, title, _LARGE, wide=width - 2 * _MARGIN)
    top = _MARGIN + _HEAD + 0.08
    sheet.text(_MARGIN, top - 0.07, "What the model sees", _SMALL, QUIET, wide=_SIDE)
    sheet.image(_MARGIN, top, (_SIDE, tall), np.asarray(picture.convert("RGB")), "catrom")
    ground = np.asarray(backdrop(picture).convert("RGB"))
    ends = _scales(maps, display)
    for place, (name, made) in enumerate(maps.items()):
        left = _MARGIN + (place % across + 1) * (_SIDE + _GAP)
        head = top + place // across * (tall + _BELOW)
        draw_map(sheet, (left, head), (_SIDE, tall), ground, made, display, ends[name], name)
    return sheet.picture()


def _scales(maps: Mapping[str, Attribution], display: Display) -> dict[str, tuple[float, float]]:
    """The ends of the scale of each map, by title; maps in the same units share it."""
    found = {}
    for title, made in maps.items():
        alike = [made, *(each for each in maps.values() if each.units == made.units != UNITLESS)]
        found[title] = scale([each.values for each in alike], display)
    return found


def draw_map(
    sheet: Sheet,
    corner: tuple[float, float],
    size: tuple[float, float],
    ground: np.ndarray,
    made: Attribution,
    display: Display,
    ends: tuple[float, float],
    title: str,
) -> None:
    """A map over its ground, with heading, colour bar and unit.

    Args:
        sheet: to draw on.
        corner: left and top in inches; the heading is above.
        size: width and height in inches.
        ground: uint8 (h, w, 3).
        made: the map.
        display: how it is shown.
        ends: of its scale.
        title: its heading.
    """
    left, top = corner
    wide, tall = size
    sheet.text(left, top - 0.07, title, _SMALL, QUIET, wide=wide)
    sheet.image(left, top, size, ground, "catrom")
    sheet.image(left, top, size, colours(made.values, display, ends), "nearest")
    draw_bar(sheet, left, top + tall + 0.06, wide, display, ends, "")
    sheet.text(left, top + tall + 0.41, made.units, _SMALL, QUIET, wide=wide)
