"""Small browser parts that Streamlit lacks: crop box, brush, compare slider, read-outs and more.

Their files lie in ``dashboard/frontend`` and go to the page as they are. What the browser sends
back is read by `dashboard.browser.messages`.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from dashboard.browser.messages import (
    BoxTuple,
    message_id,
    read_box,
    read_mask,
    read_page,
    read_words,
)

_FRONTEND = Path(__file__).resolve().parent / "frontend"


def _component(name: str, *parts: str) -> ComponentRenderer:
    """A component of NAME.html, NAME.css and NAME.js; ``parts`` are scripts to place before."""
    return st.components.v2.component(
        f"wil_{name}",
        html=_file(f"{name}.html"),
        css=_file(f"{name}.css"),
        js="\n".join(_file(f"{part}.js") for part in (*parts, name)),
    )


def _file(name: str) -> str:
    return (_FRONTEND / name).read_text(encoding="utf-8")


_CROP = _component("crop")
_BRUSH = _component("brush", "mask")
_COMPARE = _component("compare")
_INSPECT = _component("inspect")
_LINKS = _component("links", "history")
_PAGES = _component("pages")
_STANDS = "page_stands"


def crop_box(
    photo: str, size: tuple[int, int], box: BoxTuple, *, key: str, alt: str, aspect: float = 1.0
) -> BoxTuple | None:
    """A photo with a box that the user drags and resizes.

    The caller keeps the box: store what is returned and pass it as ``box`` in the next run.

    Args:
        photo: address (data URI) of the photo, at any scale.
        size: (width, height) of the photo in pixels, to which the boxes refer.
        box: (left, top, right, bottom) to show, in the photo's pixels. Another box than in the run
            before moves the user's box there.
        key: of the component.
        alt: what the photo shows.
        aspect: width by height of the box, which it keeps.

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
        moved = read_box(message, size, photo_id, aspect)
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
            "aspect": aspect,
            "alt": alt,
            "answer": answer,
        },
    )
    notes["answered"] = answer
    return moved


def brush(picture: str, size: tuple[int, int], *, key: str, alt: str) -> bytes | None:
    """A picture of the model's input to paint a mask on.

    Args:
        picture: address (data URI) of the picture; another one clears the mask.
        size: height and width of the input in pixels.
        key: of the component.
        alt: what the picture shows.

    Returns:
        The mask, one bit per pixel, 1 where painted: row by row without gaps, highest bit first, in
        ceil(height * width / 8) bytes, as ``numpy.unpackbits`` reads it with the count of pixels.
        None when nothing is painted.
    """
    picture_id = _identity(picture, *size)
    message = _message(key, "mask")
    notes: dict[str, Any] = st.session_state.setdefault(f"{key}_notes", {})
    if notes.get("picture") != picture_id:
        # Also when the picture before last comes back: the component has forgotten its mask.
        notes.update(picture=picture_id, dismissed=message_id(message))
    mask = None
    if message is not None and message_id(message) != notes["dismissed"]:
        mask = read_mask(message, size, picture_id)
    _BRUSH(
        key=key,
        data={
            "picture": picture,
            "picture_id": picture_id,
            "size": list(size),
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

    Shows nothing of its own. Reads elements ``[data-panel="TITLE"] .wil-photo``.

    Args:
        panels: by title. "values": base64 of float32 little-endian, one per cell, row by row, NaN
            where not known; "rows", "columns": the cells' edges in pixels of the model's input,
            from 0 to its size; "units". Optional "notes": base64 of uint16 little-endian, per cell
            an index into "words", a list of sentences. Optional "place": [left, top, width, height]
            of the model's input on the panel's picture, as shares; all of it by default.
        key: of the component.
    """
    _INSPECT(key=key, data={"panels": panels})


def links(*, key: str, on_click: Callable[[list[str]], None]) -> None:
    """Let buttons in the page's own HTML be pressed: elements with ``data-link``, a JSON list.

    With them comes what decides which changes of the address are steps in the browser's history.
    The first time, the browser says so: then `page_stands` is true, and the page runs again.

    Args:
        key: of the component.
        on_click: is called with the strings of the list, before the page is drawn again.
    """

    def clicked() -> None:
        words = read_words(_message(key, "clicked"))
        if words is not None:
            on_click(words)

    def stands() -> None:
        st.session_state[_STANDS] = True

    data = {"stands": page_stands()}
    _LINKS(key=key, data=data, on_clicked_change=clicked, on_stands_change=stands)


def page_stands() -> bool:
    """Whether the browser has drawn the page once and its `links` listen."""
    return _STANDS in st.session_state


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
