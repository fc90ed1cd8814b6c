"""The page before the model is there: its frame and its photo, drawn without torch.

Elements have the places and sizes that `dashboard.page` gives them: they are replaced one by one,
and nothing jumps.
"""

from base64 import b64encode
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.picture import picture_from_file
from core.samples import samples
from dashboard.panels import Panel, panel_html, photo_address

_HERE = Path(__file__).resolve().parent
# As an address of its own: a file of the server's is gone when a run is superseded, before the
# browser has asked for it.
ICON = "data:image/png;base64," + b64encode((_HERE / "icon.png").read_bytes()).decode()
DEFAULT_SAMPLE = "swan"
_STYLE = (_HERE / "style.css").read_text("utf-8")
_MAPS = 3  # on the page, unless its address names others
_CLASSES = 5  # in the list beside the headline
# What the page says of the first picture, not shown: it keeps just as much room, on any screen.
_SAID = "<i>The model says king penguin, 53 %.</i>"
_LOOKING = "<i>Looking for the window that matters most …</i>"
_DOUBT = (
    '<i class="wil-wrong">A person would say mute swan; the model has no such class: the nearest '
    "are black swan and goose.</i>"
)
_FACTS = "<i>EfficientNet-Lite0 on cpu · 75.1 % top-1 on ImageNet-1k · Apache-2.0</i>"
_ROW = '<span class="bar"></span><i>53 %</i>'
_NO_TITLE = "\N{NO-BREAK SPACE}"


def draw_style() -> None:
    """The style of the page, as its first element.

    Streamlit keeps HTML that is nothing but style apart, and applies it a moment after the page is
    on the screen. So there is something else in it.
    """
    st.html(f"<i hidden></i><style>{_STYLE}</style>")


def draw_frame() -> None:
    """Draw what can be known of the page that the address asks for."""
    view = st.query_params.get("view")
    if view == "talk":
        st.html(_HERE / "talk.css")
        return
    draw_style()
    st.container().empty()  # notices, and the bar of a download
    with st.sidebar.container():
        st.markdown("**Picture**")
    left, right = st.columns([3, 2], gap="large")
    with left.container(gap="xsmall"):
        st.html(f'<h1 class="wil-headline wil-room"><b>Loading the model …</b>{_SAID}</h1>')
        if view == "folder":
            return
        st.html(f'<p class="wil-evidence wil-room">{_LOOKING}</p>')
        st.html(f'<div class="wil-room">{_DOUBT}</div>')
        st.html(f'<p class="wil-facts wil-room">{_FACTS}</p>')
    right.html(f'<div class="wil-top wil-room">{_ROW * _CLASSES}</div>')
    maps = len(st.query_params.get_all("maps")) or _MAPS
    waiting = [Panel(_NO_TITLE, "not computed yet.", badges=()) for _ in range(maps)]
    with st.container(key="panels_main"):
        for panel in (_photo(), Panel("What the model sees", "not there yet."), *waiting):
            st.html(panel_html(panel))


def _photo() -> Panel:
    """The sample that the address names; no picture of a table, and none that cannot be had."""
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
