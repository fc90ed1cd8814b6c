"""The bar at the top: sample pictures, upload, and links to the other pages."""

import re

import streamlit as st

from core.drawing.rendering import data_uri
from core.text import markdown
from dashboard.explain.skeleton import Skeleton
from dashboard.session import state


def draw_gallery(places: Skeleton) -> None:
    """Samples and upload; the choice is in `state.current_picture`."""
    source = st.session_state["source"]
    pictures = {name: _thumbnail(name) for name in state.gallery()}
    with places.gallery:
        for name, sample in state.gallery().items():
            _picture_button(name, sample.title, source == name)
        if "uploaded" in st.session_state:
            pictures[state.UPLOAD] = st.session_state["upload_thumbnail"]
            _picture_button(state.UPLOAD, "Your photo", source == state.UPLOAD)
    with places.upload:
        st.file_uploader(
            "Your own photo",
            type=state.UPLOAD_TYPES,
            key="uploader",
            on_change=state.accept_upload,
            label_visibility="collapsed",
            help="At most 20 MB and 50 megapixels. It stays in this browser session's memory.",
        )
        rules = "".join(
            f".st-key-sample_{_class(name)} button {{ background-image: url({address}) }}"
            for name, address in pictures.items()
        )
        st.html(f"<i hidden></i><style>{rules}</style>")


def _picture_button(name: str, title: str, chosen: bool) -> None:
    """A picture that is its own button; its style is a background, its name is for all to read."""
    st.button(
        markdown(f"{title} (shown)" if chosen else title),
        key=f"sample_{name}",
        type="primary" if chosen else "tertiary",
        help=markdown(title),
        on_click=state.choose_upload if name == state.UPLOAD else state.choose_sample,
        args=() if name == state.UPLOAD else (name,),
    )


def _class(key: str) -> str:
    """A key as Streamlit writes it in the class of an element."""
    return re.sub("[^a-zA-Z0-9_-]", "-", key)


@st.cache_resource(show_spinner=False, max_entries=64)
def _thumbnail(name: str) -> str:
    """A sample's thumbnail as an address: bytes would be opened and encoded anew at each run."""
    return data_uri(state.sample_picture(name).thumbnail(state.THUMBNAIL_SIDE), "JPEG")
