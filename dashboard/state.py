"""What all browser sessions share, and what each keeps for itself."""

import logging
import os
from collections.abc import Collection
from pathlib import PurePosixPath

import streamlit as st

from core.disk_cache import DiskCache, default_folder
from core.errors import ResourceError, UserError
from core.explainer import Explainer
from core.judging import Judge
from core.picture import Picture, picture_from_bytes, picture_from_file, read_picture
from core.preprocessing import Box
from core.rendering import data_uri
from core.samples import Sample, samples
from core.text import plain, quoted
from core.turns import Line
from core.workers import Workers
from dashboard.frame import DEFAULT_SAMPLE

UPLOAD_TYPES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"]
UPLOAD = "upload"  # the picture's source is the session's own upload
FOLDER = "folder"  # the picture's source is a table of results, for `dashboard.folder_tables`
RAY_VARIABLE = "WHERE_RAY"  # the address of a cluster that does the heavy work, or "local"

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def explainer() -> Explainer:
    """Models and maps, one for all sessions; found by digest, so nobody meets another's picture.

    What belongs to samples and talks is kept on disk too.
    """
    disk = DiskCache(default_folder())
    return Explainer(disk=disk, workers=_workers())


def _workers() -> Workers | None:
    """Where heavy work is done, if not here; Ray is imported only where it is asked for."""
    address = os.environ.get(RAY_VARIABLE)
    if not address:
        return None
    try:
        from core.ray_workers import RayWorkers
    except ImportError as error:
        raise ResourceError(
            f"{RAY_VARIABLE} is set, and Ray is not installed: pip install -r "
            "requirements-cluster.txt, or start without it."
        ) from error
    return RayWorkers(address)


@st.cache_resource(show_spinner=False)
def judge() -> Judge:
    """Judgements of maps, one for all sessions."""
    return Judge(explainer())


@st.cache_resource(show_spinner=False)
def line() -> Line:
    """The queue of heavy computations, one for all sessions."""
    workers = explainer().workers
    return Line() if workers is None else Line(lambda: workers.places)


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
    return name not in (UPLOAD, FOLDER)


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
    if "picture" in st.query_params:
        _begin_folder(st.query_params["picture"])
    elif wanted in gallery():
        st.session_state["source"] = wanted
        _begin_crop(sample_picture(wanted))
    elif wanted == UPLOAD:
        notice("The picture of this view was an upload, and uploads are not part of an address.")
    else:
        shown = gallery()[DEFAULT_SAMPLE].title
        notice(f'There is no sample "{plain(wanted)}"; the page shows {shown}.')


def _begin_folder(wanted: str) -> None:
    """Open the picture of a table that the address names: its results, and its path in them."""
    crop = st.query_params.get("crop")
    name, _, path = wanted.partition("/")
    try:
        choose_from_folder(name, path)
    except UserError as error:
        del st.query_params["picture"]
        notice(f"{error} The page shows {gallery()[DEFAULT_SAMPLE].title}.")
    else:
        if crop is not None:
            st.query_params["crop"] = crop
        _begin_crop(st.session_state["folder_picture"])


def _begin_crop(picture: Picture) -> None:
    """Take the crop that the address asks for."""
    wanted = st.query_params.get("crop")
    if wanted is None:
        return
    try:
        region = Box(*(float(edge) for edge in wanted.split(",")))
        picture.cropped(region)
    except (ValueError, TypeError):  # no four numbers, or no square of the photo
        del st.query_params["crop"]
        notice(f"The address asks for a crop {quoted(wanted)}, which is not possible.")
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
            shown = ", ".join(plain(str(each)) for each in values) or "nothing"
            notice(
                f"The address asks for {key} {', '.join(map(quoted, refused))}, which is not "
                f"possible; the page shows {shown}."
            )


def notices() -> list[str]:
    """What is to be told about the address, until another picture is chosen."""
    return st.session_state["notices"]


def notice(sentence: str) -> None:
    """Tell something about what was asked for, until another picture is chosen."""
    st.session_state["notices"].append(sentence)


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


def upload_thumbnail(side: int) -> str:
    """This session's upload, small, as an address."""
    return data_uri(st.session_state["uploaded"].thumbnail(side).convert("RGB"), "JPEG")


def choose_sample(name: str) -> None:
    """Take a sample as the picture."""
    st.session_state.pop("upload_error", None)
    _take(name)


def choose_from_folder(name: str, path: str) -> None:
    """Take a picture of a table of results as the picture.

    Raises:
        UserError: there is no such picture, or it cannot be used.
    """
    from dashboard import folder_tables  # with Arrow, which the first page does not wait for

    picture, card = folder_tables.open_picture(name, path)
    st.session_state.update(folder_picture=picture, folder_card=card, folder_place=(name, path))
    _take(FOLDER)


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
    if source == FOLDER:
        return PurePosixPath(st.session_state["folder_card"].path).name
    if source == UPLOAD:
        upload = st.session_state.get("uploader")
        return "photo" if upload is None else upload.name
    return gallery()[source].path.name


def original() -> bytes | None:
    """The picture's file as it is; None if it is not there any more."""
    source = st.session_state["source"]
    if source == FOLDER:
        from dashboard import folder_tables  # as above

        return folder_tables.file_of(*st.session_state["folder_place"])
    if source != UPLOAD:
        try:
            return read_picture(gallery()[source].path)
        except UserError as error:
            _log.info("%s is gone", source, exc_info=error)
            return None
    upload = st.session_state.get("uploader")
    return None if upload is None else upload.getvalue()


def current_picture() -> tuple[Picture, str | None]:
    """The picture on the page with its crop, and what a person calls it, where that is known."""
    source = st.session_state["source"]
    if source == FOLDER:
        picture, expected = (
            st.session_state["folder_picture"],
            st.session_state["folder_card"].label,
        )
    elif source == UPLOAD:
        picture, expected = st.session_state["uploaded"], None
    else:
        picture, expected = sample_picture(source), gallery()[source].expected
    region = st.session_state.get("region")
    return (picture if region is None else picture.cropped(region)), expected


def _take(source: str) -> None:
    st.session_state["source"] = source
    st.session_state["region"] = None
    st.session_state["notices"] = []
    name_picture()


def name_picture() -> None:
    """Let the address say which picture is on the page."""
    source, region = st.session_state["source"], st.session_state.get("region")
    leave_out_picture()
    if source == FOLDER:
        st.query_params["picture"] = "/".join(st.session_state["folder_place"])
    else:
        st.query_params["sample"] = source
    choose_region(region)


def leave_out_picture() -> None:
    """Let the address say nothing of the picture: of a page that is not about one."""
    for key in ("sample", "picture", "crop"):
        st.query_params.pop(key, None)
