"""Small browser components that Streamlit lacks: crop box, brush, compare slider, read-outs, pages.

Their JavaScript and CSS lie in ``dashboard/frontend`` and go to the page as they are. What the
browser sends back is read by `dashboard.messages`.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from dashboard.messages import BoxTuple, message_id, read_box, read_mask, read_page

_FRONTEND = Path(__file__).resolve().parent / "frontend"


_CROP_HTML = """
<div class="stage">
  <div class="clip"><img alt="" draggable="false"><div class="hole"></div></div>
  <div class="box" tabindex="0" role="application" aria-roledescription="crop box"
       aria-label="Crop box" aria-describedby="help">
    <span class="corner" data-corner="nw"></span><span class="corner" data-corner="ne"></span>
    <span class="corner" data-corner="sw"></span><span class="corner" data-corner="se"></span>
    <span class="readout" aria-hidden="true"></span>
  </div>
  <span class="help" id="help">Arrow keys move the box, with shift further; plus and minus resize
    it.</span>
  <span class="spoken" role="status"></span>
</div>
"""
_BRUSH_HTML = """
<div class="stage">
  <img class="image" alt="" draggable="false">
  <canvas tabindex="0" role="application" aria-roledescription="painting area"
          aria-describedby="help"></canvas>
  <div class="ring"></div>
</div>
<div class="tools">
  <fieldset aria-label="Brush size">
    <label title="Small brush"><input type="radio" name="size" value="small"
      aria-label="Small brush"><span class="dot" style="--dot: 5px"></span></label>
    <label title="Medium brush"><input type="radio" name="size" value="medium" checked
      aria-label="Medium brush"><span class="dot" style="--dot: 9px"></span></label>
    <label title="Large brush"><input type="radio" name="size" value="large"
      aria-label="Large brush"><span class="dot" style="--dot: 15px"></span></label>
  </fieldset>
  <button type="button" class="eraser" aria-pressed="false">Eraser</button>
  <button type="button" class="undo">Undo</button>
  <button type="button" class="clear">Clear</button>
  <span class="share" role="status"></span>
</div>
<span class="help" id="help" hidden>Arrow keys move the brush, with shift further; space paints;
  control and Z undoes.</span>
"""
_COMPARE_HTML = """
<div class="stage">
  <img class="photo" alt="" draggable="false">
  <span class="tag left" aria-hidden="true">photo</span>
  <div class="above">
    <img class="overlay" alt="" draggable="false">
    <span class="tag right" aria-hidden="true"></span>
  </div>
  <input type="range" min="0" max="100" step="0.5" value="50">
  <div class="divider"><span class="grip"><svg viewBox="0 0 16 16" fill="none" stroke="currentColor"
    stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    <path d="M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5"/></svg></span></div>
</div>
"""
_INSPECT_HTML = """
<div class="layer" popover="manual" aria-hidden="true">
  <div class="tip"></div>
</div>
"""
_PAGES_HTML = """
<nav aria-label="Scenes">
  <button type="button" class="back" aria-label="Scene before" title="Left arrow">‹</button>
  <span class="place" role="status"></span>
  <button type="button" class="on" aria-label="Next scene" title="Right arrow">›</button>
  <a href="?" aria-label="Leave the talk" title="Leave the talk">×</a>
</nav>
"""


def _component(name: str, html: str, *parts: str) -> ComponentRenderer:
    """A component of NAME.js and NAME.css; ``parts`` are JavaScript files to place before."""
    return st.components.v2.component(
        f"wil_{name}",
        html=html,
        css=(_FRONTEND / f"{name}.css").read_text(encoding="utf-8"),
        js="\n".join(
            (_FRONTEND / f"{part}.js").read_text(encoding="utf-8") for part in (*parts, name)
        ),
    )


_CROP = _component("crop", _CROP_HTML)
_BRUSH = _component("brush", _BRUSH_HTML, "mask")
_COMPARE = _component("compare", _COMPARE_HTML)
_INSPECT = _component("inspect", _INSPECT_HTML)
_PAGES = _component("pages", _PAGES_HTML)


def crop_box(
    photo: str, size: tuple[int, int], box: BoxTuple, *, key: str, alt: str
) -> BoxTuple | None:
    """A photo with a square box that the user drags and resizes.

    The caller keeps the box: store what is returned and pass it as ``box`` in the next run.

    Args:
        photo: address (data URI) of the photo, at any scale.
        size: (width, height) of the photo in pixels, to which the boxes refer.
        box: (left, top, right, bottom) to show, in the photo's pixels. Another box than in the run
            before moves the user's box there.
        key: of the component.
        alt: what the photo shows.

    Returns:
        (left, top, right, bottom) where the user let go of the box: in the run that this starts,
        and in those after it while ``box`` is the same. Otherwise None.
    """
    photo_id = _identity(photo, *size)
    message = _message(key, "box")
    answer = message_id(message)
    notes: dict[str, Any] = st.session_state.setdefault(f"{key}_notes", {})
    moved = None
    if message is not None and answer != notes.get("refused"):
        moved = read_box(message, size, photo_id)
        notes["refused"] = answer if moved is None else None
    # A message is news once. Later it would undo what Python has decided since.
    if moved is not None and answer == notes.get("answered") and not _near(moved, box):
        moved = None
    shown = box if moved is None else moved
    _CROP(
        key=key,
        data={
            "photo": photo,
            "photo_id": photo_id,
            "size": list(size),
            "box": list(shown),
            "alt": alt,
            "answer": answer,
        },
    )
    notes["answered"] = answer
    return moved


def brush(picture: str, side: int, *, key: str, alt: str) -> bytes | None:
    """A picture of the model's input to paint a mask on.

    Args:
        picture: address (data URI) of the picture; another one clears the mask.
        side: width and height of the input in pixels.
        key: of the component.
        alt: what the picture shows.

    Returns:
        The mask, one bit per pixel, 1 where painted: row by row without gaps, highest bit first, in
        ceil(side * side / 8) bytes, as ``numpy.unpackbits(..., count=side * side)`` reads it.
        None when nothing is painted.
    """
    picture_id = _identity(picture, side)
    message = _message(key, "mask")
    notes: dict[str, Any] = st.session_state.setdefault(f"{key}_notes", {})
    if notes.get("picture") != picture_id:
        # Also when the picture before last comes back: the component has forgotten its mask.
        notes.update(picture=picture_id, dismissed=message_id(message))
    mask = None
    if message is not None and message_id(message) != notes["dismissed"]:
        mask = read_mask(message, side, picture_id)
    _BRUSH(
        key=key,
        data={
            "picture": picture,
            "picture_id": picture_id,
            "side": side,
            "mask": "" if mask is None else base64.b64encode(mask).decode(),
            "alt": alt,
        },
    )
    return mask


def compare(photo: str, overlay: str, *, key: str, alt: str, label: str) -> None:
    """A photo on the left of a divider that the user drags, the photo with a map on the right.

    Args:
        photo: address (data URI) of the photo.
        overlay: address of the map over it, transparent or not, of the same shape.
        key: of the component.
        alt: what the photo shows.
        label: what the map is called.
    """
    _COMPARE(key=key, data={"photo": photo, "overlay": overlay, "alt": alt, "label": label})


def inspect(panels: dict[str, dict[str, Any]], *, key: str) -> None:
    """Hover read-outs for the panels that the page draws: value, place, and a crosshair on all.

    Shows nothing of its own. Reads elements ``.wil-panel[data-panel="TITLE"] .wil-photo``.

    Args:
        panels: by title. "values": base64 of float32 little-endian, one per cell, row by row, NaN
            where not known; "rows", "columns": the cells' edges in pixels of the model's input,
            from 0 to its side; "units". Optional "notes": base64 of uint16 little-endian, per cell
            an index into "words", a list of sentences. Optional "place": [left, top, width, height]
            of the model's input on the panel's picture, as shares; all of it by default.
        key: of the component.
    """
    _INSPECT(key=key, data={"panels": panels})


def pages(page: int, count: int, *, key: str, turn: Callable[[int], None]) -> None:
    """Turns the pages of a talk: arrow keys, what clickers send, and a line in the corner.

    Args:
        page: the present one, from 1.
        count: of pages.
        key: of the component.
        turn: called with the page that the user wants, before the run that this starts.
    """

    def turned() -> None:
        wanted = read_page(_message(key, "page"), count)
        if wanted is not None:
            turn(wanted)

    answer = message_id(_message(key, "page"))
    data = {"page": page, "count": count, "answer": answer}
    _PAGES(key=key, data=data, on_page_change=turned)


def _message(key: str, field: str) -> object:
    """What the component last sent, before it is mounted in this run; None if nothing."""
    state = st.session_state.get(key)
    return state.get(field) if isinstance(state, Mapping) else None


def _identity(address: str, *numbers: int) -> str:
    """Short name of a picture, for the component to say which one its message is about."""
    text = f"{address} {numbers}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _near(one: BoxTuple, other: BoxTuple) -> bool:
    return all(abs(a - b) < 0.02 for a, b in zip(one, other, strict=True))
