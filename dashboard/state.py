"""What all browser sessions share, and what each keeps for itself."""

import logging

import streamlit as st

from core.errors import UserError
from core.explainer import Explainer
from core.picture import Picture, picture_from_bytes, picture_from_file
from core.samples import Sample, samples

UPLOAD = "upload"  # the picture's source is the session's own upload
DEFAULT_SAMPLE = "swan"

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def explainer() -> Explainer:
    """Models and maps, one for all sessions; found by digest, so nobody meets another's picture."""
    return Explainer()


@st.cache_resource(show_spinner=False)
def gallery() -> dict[str, Sample]:
    """The sample pictures."""
    return samples()


@st.cache_resource(show_spinner=False, max_entries=32)
def sample_picture(name: str) -> Picture:
    """A sample, opened."""
    return picture_from_file(gallery()[name].path)


def accept_upload() -> None:
    """Take a new upload as the picture, or say what is wrong with it and keep the one before."""
    st.session_state.pop("upload_error", None)
    upload = st.session_state.get("uploader")
    if upload is None:
        if st.session_state.get("source") == UPLOAD:
            choose_sample(DEFAULT_SAMPLE)
        return
    try:
        st.session_state["uploaded"] = picture_from_bytes(upload.getvalue())
        st.session_state["source"] = UPLOAD
    except UserError as error:
        _log.info("upload refused", exc_info=error)
        st.session_state["upload_error"] = str(error)


def choose_sample(name: str) -> None:
    """Take a sample as the picture."""
    st.session_state["source"] = name
    st.session_state.pop("upload_error", None)


def current_picture() -> tuple[Picture, Sample | None]:
    """The picture on the page, and its gallery entry if it is a sample."""
    source = st.session_state.get("source", DEFAULT_SAMPLE)
    if source == UPLOAD:
        return st.session_state["uploaded"], None
    return sample_picture(source), gallery()[source]
