"""What all browser sessions share, and what each keeps for itself."""

import logging

import streamlit as st

from core.errors import UserError
from core.explainer import Explainer
from core.models import registry
from core.picture import Picture, picture_from_bytes, picture_from_file
from core.preprocessing import Box
from core.samples import Sample, samples
from core.turns import Line

UPLOAD = "upload"  # the picture's source is the session's own upload
DEFAULT_SAMPLE = "swan"
_BATCH_SECONDS = 0.1  # a moved slider is heard between two batches

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def explainer() -> Explainer:
    """Models and maps, one for all sessions; found by digest, so nobody meets another's picture."""
    return Explainer(batch_seconds=_BATCH_SECONDS)


@st.cache_resource(show_spinner=False)
def line() -> Line:
    """The queue of heavy computations, one for all sessions."""
    return Line()


@st.cache_resource(show_spinner=False)
def gallery() -> dict[str, Sample]:
    """The sample pictures."""
    return samples()


@st.cache_resource(show_spinner=False, max_entries=32)
def sample_picture(name: str) -> Picture:
    """A sample, opened."""
    return picture_from_file(gallery()[name].path)


def begin() -> list[str]:
    """Read the address once per session; returns what is wrong with it, in sentences."""
    if "source" in st.session_state:
        return []
    st.session_state["source"] = DEFAULT_SAMPLE
    st.session_state["asked"] = st.query_params.to_dict()
    wanted = st.query_params.get("sample")
    if wanted is None:
        return []
    if wanted in gallery():
        st.session_state["source"] = wanted
        return []
    if wanted == UPLOAD:
        return ["The picture of this view was an upload, and uploads are not part of an address."]
    return [f'There is no sample "{wanted}"; the page shows {gallery()[DEFAULT_SAMPLE].title}.']


def refused() -> list[str]:
    """What the address asked for and the controls did not accept; to be called after them, once."""
    asked = st.session_state.pop("asked", {})
    sentences = []
    for key, wanted in asked.items():
        if key in st.session_state and not _same(wanted, st.session_state[key]):
            sentences.append(
                f"The address asks for {key} {wanted!r}, which is not possible; "
                f"the page shows {st.session_state[key]}."
            )
    return sentences


def _same(wanted: str, value: object) -> bool:
    """Whether a control's value is what the address says, in whatever way it is written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    written = [str(value)]
    if value in registry():
        written.append(registry()[str(value)].title)
    plain = {text.lower().replace("_", " ") for text in written}
    return wanted.lower().replace("_", " ") in plain


def accept_upload() -> None:
    """Take a new upload as the picture, or say what is wrong with it and keep the one before."""
    st.session_state.pop("upload_error", None)
    upload = st.session_state.get("uploader")
    if upload is None:
        if st.session_state["source"] == UPLOAD:
            _take(DEFAULT_SAMPLE)
        return
    try:
        st.session_state["uploaded"] = picture_from_bytes(upload.getvalue())
        _take(UPLOAD)
    except UserError as error:
        _log.info("upload refused", exc_info=error)
        st.session_state["upload_error"] = str(error)


def choose_sample(name: str) -> None:
    """Take a sample as the picture."""
    st.session_state.pop("upload_error", None)
    _take(name)


def choose_region(region: Box | None) -> None:
    """Let the model see another square of the photo, or its own centre crop again."""
    st.session_state["region"] = region


def current_picture() -> tuple[Picture, Sample | None]:
    """The picture on the page with its crop, and its gallery entry if it is a sample."""
    source = st.session_state["source"]
    sample = None if source == UPLOAD else gallery()[source]
    picture = st.session_state["uploaded"] if sample is None else sample_picture(sample.name)
    region = st.session_state.get("region")
    return (picture if region is None else picture.cropped(region)), sample


def _take(source: str) -> None:
    st.session_state["source"] = source
    st.session_state["region"] = None
    st.query_params["sample"] = source
