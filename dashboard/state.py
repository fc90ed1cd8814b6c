"""What all browser sessions share, and what each keeps for itself."""

import logging
import re
from collections.abc import Collection

import streamlit as st

from core.disk_cache import DiskCache, default_folder
from core.errors import UserError
from core.explainer import Explainer
from core.judging import Judge
from core.picture import Picture, picture_from_bytes, picture_from_file
from core.preprocessing import Box
from core.samples import Sample, samples
from core.turns import Line

UPLOAD_TYPES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]
UPLOAD = "upload"  # the picture's source is the session's own upload
DEFAULT_SAMPLE = "swan"
BATCH_SECONDS = 0.08  # a moved slider is heard between two batches

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def explainer() -> Explainer:
    """Models and maps, one for all sessions; found by digest, so nobody meets another's picture.

    What belongs to samples and talks is kept on disk too.
    """
    return Explainer(batch_seconds=BATCH_SECONDS, disk=DiskCache(default_folder()))


@st.cache_resource(show_spinner=False)
def judge() -> Judge:
    """Judgements of maps, one for all sessions."""
    return Judge(explainer())


@st.cache_resource(show_spinner=False)
def line() -> Line:
    """The queue of heavy computations, one for all sessions."""
    return Line()


@st.cache_resource(show_spinner=False)
def gallery() -> dict[str, Sample]:
    """The sample pictures that can be opened."""
    return {name: sample for name, sample in samples().items() if _opens(name, sample)}


def _opens(name: str, sample: Sample) -> bool:
    try:
        picture_from_file(sample.path)
    except UserError as error:
        _log.warning("sample %s is left out: %s", name, error)
        return False
    return name != UPLOAD


@st.cache_resource(show_spinner=False, max_entries=32)
def sample_picture(name: str) -> Picture:
    """A sample, opened."""
    return picture_from_file(gallery()[name].path)


def begin() -> None:
    """Read the address, once per session."""
    if "source" in st.session_state:
        return
    st.session_state.update(source=DEFAULT_SAMPLE, notices=[], asked=_address())
    wanted = st.query_params.get("sample", DEFAULT_SAMPLE)
    if wanted in gallery():
        st.session_state["source"] = wanted
        _begin_crop(wanted)
    elif wanted == UPLOAD:
        _notice("The picture of this view was an upload, and uploads are not part of an address.")
    else:
        _notice(f'There is no sample "{wanted}"; the page shows {gallery()[DEFAULT_SAMPLE].title}.')


def _begin_crop(sample: str) -> None:
    """Take the crop that the address asks for."""
    wanted = st.query_params.get("crop")
    if wanted is None:
        return
    try:
        region = Box(*(float(edge) for edge in wanted.split(",")))
        sample_picture(sample).cropped(region)
    except (ValueError, TypeError):  # no four numbers, or no square of the photo
        del st.query_params["crop"]
        _notice(f"The address asks for a crop {wanted!r}, which is not possible.")
    else:
        st.session_state["region"] = region


def _address() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}


def check_address(bound: Collection[str], titles: Collection[tuple[str, str]]) -> None:
    """Note what the address asked for and the controls, by their keys, did not accept.

    ``titles`` are some of the values, each with what the page calls it.
    """
    asked = st.session_state.pop("asked", {})
    for key in bound:
        if key not in asked or key not in st.session_state:  # not every control is always there
            continue
        value = st.session_state[key]
        values = value if isinstance(value, list) else [value]
        wanted = asked[key] if isinstance(value, list) else asked[key][-1:]
        refused = [text for text in wanted if not any(_same(text, each, titles) for each in values)]
        if refused:
            _notice(
                f"The address asks for {key} {', '.join(map(repr, refused))}, which is not "
                f"possible; the page shows {', '.join(map(str, values))}."
            )


def notices() -> list[str]:
    """What is to be told about the address, until another picture is chosen; Markdown."""
    return st.session_state["notices"]


def plain(text: str) -> str:
    """Text for an element that reads Markdown: what a person or an address wrote stays text."""
    return re.sub(r"([!-+\--/:<-@\[-`{-~])", r"\\\1", text)


def _notice(sentence: str) -> None:
    st.session_state["notices"].append(plain(sentence))


def _same(wanted: str, value: object, titles: Collection[tuple[str, str]]) -> bool:
    """Whether a control's value is what the address says, in whatever way it is written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    written = (str(value), *(title for name, title in titles if name == str(value)))
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


def opened(slot: str, upload: str, data: bytes) -> Picture:
    """Another upload of this session, opened once; ``slot`` keeps it apart from others.

    Raises:
        UserError: it is no picture that can be opened.
    """
    known: tuple[str, Picture] | None = st.session_state.get(slot)
    if known is None or known[0] != upload:
        known = st.session_state[slot] = (upload, picture_from_bytes(data))
    return known[1]


def choose_upload() -> None:
    """Take this session's upload as the picture again."""
    _take(UPLOAD)


def choose_sample(name: str) -> None:
    """Take a sample as the picture."""
    st.session_state.pop("upload_error", None)
    _take(name)


def choose_region(region: Box | None) -> None:
    """Let the model see another square of the photo, or its own centre crop again."""
    st.session_state["region"] = region
    if region is not None and st.session_state["source"] != UPLOAD:
        st.query_params["crop"] = ",".join(f"{edge:.6g}" for edge in region)
    else:
        st.query_params.pop("crop", None)


def picture_name() -> str:
    """The file name of the picture on the page."""
    source = st.session_state["source"]
    if source == UPLOAD:
        upload = st.session_state.get("uploader")
        return "photo" if upload is None else upload.name
    return gallery()[source].path.name


def original() -> bytes | None:
    """The picture's file as it is; None for an upload that is not there any more."""
    source = st.session_state["source"]
    if source != UPLOAD:
        return gallery()[source].path.read_bytes()
    upload = st.session_state.get("uploader")
    return None if upload is None else upload.getvalue()


def current_picture() -> tuple[Picture, Sample | None]:
    """The picture on the page with its crop, and its gallery entry if it is a sample."""
    source = st.session_state["source"]
    sample = None if source == UPLOAD else gallery()[source]
    picture = st.session_state["uploaded"] if sample is None else sample_picture(sample.name)
    region = st.session_state.get("region")
    return (picture if region is None else picture.cropped(region)), sample


def _take(source: str) -> None:
    st.session_state["source"] = source
    choose_region(None)
    st.session_state["notices"] = []
    st.query_params["sample"] = source
