"""The layout of the main page: slots that are created before any result is known.

The frame that stands until the model is loaded and the page itself fill the same places, so that
what comes replaces what was there, and nothing jumps. Nothing here loads torch.
"""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

CLASSES = 5  # in the list of the most probable ones, beside the pair
_NOTHING = "<i hidden></i>"  # Streamlit refuses HTML that is empty
_STYLE = Path(__file__).with_name("style.css").read_text("utf-8")


class Slot:
    """A slot for one element, which keeps what the run before drew there until it is drawn anew.

    ``st.empty()`` would take that away first: the page would flash at every move of a slider.
    """

    def __init__(self) -> None:
        """Make room, in the present container."""
        self._container = st.container()
        self._element: DeltaGenerator | None = None

    def html(self, body: str) -> None:
        """Draw HTML here, in place of what was here."""
        self._element = (self._element or self._container).html(body or _NOTHING)


@dataclass(frozen=True)
class Skeleton:
    """Where the parts of the page go.

    Attributes:
        notices: container for what is to be told about the address.
        gallery, upload, links: containers of the bar at the top.
        headline: the answer in large type.
        evidence: the sentence that says why.
        notes: container for doubts about the answer.
        photo, map: the large pair.
        worths: what each region of the visitor's own is worth in that map.
        classes: the most probable classes.
        question: container for the choice of the class that is explained.
        thumbnails: the other maps, to be pressed.
        more: container for the choice of maps.
        tuning: container for the settings of the map that is shown.
        trust: how far to trust that map.
        below: container for the tabs.
    """

    notices: DeltaGenerator
    gallery: DeltaGenerator
    upload: DeltaGenerator
    links: DeltaGenerator
    headline: Slot
    evidence: Slot
    notes: DeltaGenerator
    photo: Slot
    map: Slot
    worths: Slot
    classes: Slot
    question: DeltaGenerator
    thumbnails: Slot
    more: DeltaGenerator
    tuning: DeltaGenerator
    trust: Slot
    below: DeltaGenerator


def draw_style() -> None:
    """The style of the page, as its first element.

    Streamlit keeps HTML that is nothing but style apart, and applies it a moment after the page is
    on the screen. So there is something else in it.
    """
    st.html(f"{_NOTHING}<style>{_STYLE}</style>")


def draw_skeleton() -> Skeleton:
    """Make the places."""
    notices = st.container()
    with st.container(horizontal=True, vertical_alignment="center", key="bar"):
        st.html('<p class="wil-name">Where It Looked</p>', width="content")
        gallery = st.container(horizontal=True, key="gallery", width="content")
        upload = st.container(key="upload", width="content")
        links = st.container(
            horizontal=True,
            horizontal_alignment="right",
            vertical_alignment="center",
            key="links_bar",
        )
    with st.container(gap=None, key="answer"):
        headline, evidence, notes = Slot(), Slot(), st.container(gap="xxsmall")
    pair, side = st.columns([2, 1.08], gap="medium")
    with pair, st.container(gap=None, key="pair"):
        left, right = st.columns(2, gap="medium")
        with left:
            photo = Slot()
        with right:
            heat = Slot()
        worths = Slot()
    with side, st.container(gap="xsmall", key="side"):
        classes = Slot()
        question = st.container(gap="xxsmall", key="question")
        with st.container(horizontal=True, vertical_alignment="top", key="maps_bar"):
            thumbnails = Slot()
            more = st.container(key="more_maps", width="content")
        tuning = st.container(gap="xxsmall", key="tuning")
        trust = Slot()
    return Skeleton(
        *(notices, gallery, upload, links, headline, evidence, notes, photo, heat),
        *(worths, classes, question, thumbnails, more, tuning, trust, st.container()),
    )
