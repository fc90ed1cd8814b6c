"""The page while the model is loading: its frame and photo, drawn without torch.

Elements have the places and sizes that `dashboard.explain.page` gives them: they are replaced one
by one, and nothing jumps.
"""

from base64 import b64encode
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.pictures.picture import picture_from_file
from core.pictures.samples import DEFAULT_SAMPLE, samples
from dashboard.drawing.panels import Panel, large_html, photo_address
from dashboard.explain.skeleton import CLASSES, draw_skeleton, draw_style

_HERE = Path(__file__).resolve().parent
# As an address of its own: a file of the server's is gone when a run is superseded, before the
# browser has asked for it.
ICON = "data:image/png;base64," + b64encode((_HERE / "icon.png").read_bytes()).decode()
# What the page says of the first picture, not shown: it keeps just as much room, on any screen.
_LOADING = '<h1 class="wil-headline"><b>Loading the model …</b></h1>'
_SAID = (
    '<i class="wil-headline">The model says king penguin, 53 %.</i>'
    '<i class="wil-wrong">A person would say mute swan; the model has no such class: the nearest '
    "are black swan and goose.</i>"
)
_LOOKING = "<i>Looking for the window that matters most …</i>"
_ROW = '<span class="bar"></span><i>53 %</i>'
_NO_TITLE = "\N{NO-BREAK SPACE}"


def draw_frame() -> None:
    """Draw what can be known of the page that the address asks for."""
    view = st.query_params.get("view")
    if view == "talk":
        st.html(_HERE / "talk" / "talk.css")
        return
    draw_style()
    if view == "folder":
        st.html('<h1 class="wil-headline">Loading the model …</h1>')
        return
    places = draw_skeleton()
    places.headline.html(f'<div class="wil-says wil-room">{_LOADING}{_SAID}</div>')
    places.evidence.html(f'<p class="wil-evidence wil-room">{_LOOKING}</p>')
    places.photo.html(large_html(_photo()))
    places.map.html(large_html(Panel(_NO_TITLE, "not computed yet.")))
    places.classes.html(f'<div class="wil-top wil-room">{_ROW * CLASSES}</div>')


def _photo() -> Panel:
    """The sample that the address names; no picture of a table, and none that is not available."""
    waiting = Panel("Photo", "not there yet.")
    if "picture" in st.query_params:
        return waiting
    known = samples()
    sample = known.get(st.query_params.get("sample", DEFAULT_SAMPLE), known.get(DEFAULT_SAMPLE))
    if sample is None:
        return waiting
    try:
        image = picture_from_file(sample.path).image
    except UserError:
        return waiting
    return Panel("Photo", "The photo.", photo_address(image), image.size)
