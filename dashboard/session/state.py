"""State of the page: shared between all sessions, and of each session."""

import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

import streamlit as st

from core.drawing.rendering import data_uri
from core.engine.lock import Line
from core.errors import ImageError, ResourceError, UserError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.files.disk_cache import DiskCache, default_folder
from core.pictures.picture import Picture, picture_from_bytes, picture_from_file, read_picture
from core.pictures.preprocessing import Box
from core.pictures.samples import DEFAULT_SAMPLE, Sample, samples
from core.text import plain, quoted
from core.workers.tasks import Workers
from dashboard.browser import history

UPLOAD_TYPES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "npy"]
UPLOAD = "upload"  # the picture's source is the session's own upload
THUMBNAIL_SIDE = 96  # pixels; twice what the gallery shows, for sharp screens
FOLDER = "folder"  # the picture's source is a table of results, for `dashboard.session.tables`
RAY_VARIABLE = "WHERE_RAY"  # the address of a cluster that does the heavy work, or "local"
_UPLOADS_KEPT = 4  # files of a session to which the browser's history can go back

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """A photo of a visitor's own.

    Attributes:
        token: what addresses call it. It says nothing of the photo, and means it in this session
            only.
        name: of its file.
        data: its file.
    """

    token: str
    name: str
    data: bytes


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
        from core.workers.ray_workers import RayWorkers
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
    """Follow the address where it decides: once per session, and in the browser's history."""
    about_picture = st.query_params.get("view") != "folder"
    if "source" not in st.session_state:
        st.session_state.update(source=DEFAULT_SAMPLE, region=None, notices=[], asked=_address())
        _follow_address()  # it is put right in the next run, when history.js is there
    elif not about_picture:
        leave_out_picture()  # which was written before the page was left
    else:
        if history.went():
            st.session_state["notices"] = []
            st.session_state.pop("upload_error", None)
            _follow_address()
        # Also else: a browser that has not heard of the picture yet sends the address before it.
        name_picture()


def _follow_address() -> None:
    """Take the picture and the crop that the address names, or say why they are not available."""
    crop = st.query_params.get("crop")
    try:
        picture = _open_addressed()
    except UserError as error:
        _log.info("the picture of the address is not opened", exc_info=error)
        notice(f"{error} The page shows {_title()}.")
    else:
        st.session_state["region"] = None if crop is None else _crop(picture, crop)


def _open_addressed() -> Picture:
    """Take the picture that the address names.

    Raises:
        UserError: there is no such picture, or it cannot be used.
    """
    if "picture" in st.query_params:  # of a table: its results, and its path in them
        name, _, path = st.query_params["picture"].partition("/")
        return _open_from_folder(name, path)
    wanted = st.query_params.get("sample", DEFAULT_SAMPLE)
    if wanted in gallery():
        st.session_state["source"] = wanted
        return sample_picture(wanted)
    upload = _uploads().get(wanted)
    if upload is not None:
        return _open_upload(upload)
    if wanted.partition("-")[0] == UPLOAD:
        raise ImageError(
            "The picture of this view was an upload, and uploads are not part of an address."
        )
    raise ImageError(f'There is no sample "{plain(wanted)}".')


def _crop(picture: Picture, wanted: str) -> Box | None:
    """The crop that the address asks for; None, and a notice, if it is not possible."""
    try:
        region = Box(*(float(edge) for edge in wanted.split(",")))
        picture.cropped(region, None)
    except (ValueError, TypeError):  # no four numbers, or no part of the photo
        notice(f"The address asks for a crop {quoted(wanted)}, which is not possible.")
        return None
    return region


def _title() -> str:
    """What the page calls its picture."""
    source = st.session_state["source"]
    if source == UPLOAD:
        return "your photo"
    return plain(picture_name()) if source == FOLDER else gallery()[source].title


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


def dismiss(sentence: str) -> None:
    """Tell something no longer; for use in a callback."""
    st.session_state["notices"] = [each for each in notices() if each != sentence]


def dismiss_upload() -> None:
    """Tell no longer why an upload was refused; for use in a callback."""
    st.session_state.pop("upload_error", None)


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
    """Take a new upload as the picture, or say what is wrong with it and keep the one before.

    No file is no news: one that is being replaced is gone for a moment, and one that is taken off
    the list leaves the page with the picture that it has.
    """
    st.session_state.pop("upload_error", None)
    file = st.session_state.get("uploader")
    if file is None:
        return
    upload = Upload(f"{UPLOAD}-{secrets.token_hex(4)}", file.name, file.getvalue())
    try:
        _open_upload(upload)
    except UserError as error:
        _log.info("upload refused", exc_info=error)
        st.session_state["upload_error"] = f"{error} The page still shows {_title()}."
        return
    kept = [*_uploads().values(), upload][-_UPLOADS_KEPT:]
    st.session_state["uploads"] = {each.token: each for each in kept}
    _take(UPLOAD)


def _uploads() -> dict[str, Upload]:
    """The last uploads of this session, by token."""
    found: dict[str, Upload] = st.session_state.get("uploads", {})
    return found


def _open_upload(upload: Upload) -> Picture:
    picture = picture_from_bytes(upload.data)
    small = data_uri(picture.thumbnail(THUMBNAIL_SIDE).convert("RGB"), "JPEG")
    st.session_state.update(source=UPLOAD, upload=upload, uploaded=picture, upload_thumbnail=small)
    return picture


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
    _take(name)


def choose_from_folder(name: str, path: str) -> None:
    """Take a picture of a table of results as the picture.

    Raises:
        UserError: there is no such picture, or it cannot be used.
    """
    _open_from_folder(name, path)
    _take(FOLDER)


def _open_from_folder(name: str, path: str) -> Picture:
    from dashboard.session import tables  # with Arrow, which the first page does not wait for

    picture, card = tables.open_picture(name, path)
    st.session_state.update(
        source=FOLDER, folder_picture=picture, folder_card=card, folder_place=(name, path)
    )
    return picture


def choose_region(region: Box | None) -> None:
    """Let the model see another part of the photo, or again what it takes by itself."""
    st.session_state["region"] = region
    name_picture()


def picture_name() -> str:
    """The file name of the picture on the page."""
    source = st.session_state["source"]
    if source == FOLDER:
        return PurePosixPath(st.session_state["folder_card"].path).name
    if source == UPLOAD:
        upload: Upload = st.session_state["upload"]
        return upload.name
    return gallery()[source].path.name


def original() -> bytes | None:
    """The picture's file as it is; None if it is not there any more."""
    source = st.session_state["source"]
    if source == FOLDER:
        from dashboard.session import tables  # as above

        return tables.file_of(*st.session_state["folder_place"])
    if source != UPLOAD:
        try:
            return read_picture(gallery()[source].path)
        except UserError as error:
            _log.info("%s is gone", source, exc_info=error)
            return None
    upload: Upload = st.session_state["upload"]
    return upload.data


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
    return (picture if region is None else picture.cropped(region, None)), expected


def _take(source: str) -> None:
    st.session_state.update(source=source, region=None, notices=[])
    st.session_state.pop("upload_error", None)
    name_picture()


def name_picture() -> None:
    """Let the address say which picture is on the page."""
    source, region = st.session_state["source"], st.session_state["region"]
    said: dict[str, str] = {}
    if source == FOLDER:
        said["picture"] = "/".join(st.session_state["folder_place"])
    else:
        said["sample"] = st.session_state["upload"].token if source == UPLOAD else source
    if region is not None:
        said["crop"] = ",".join(f"{edge:.6g}" for edge in region)
    # Each change goes to the browser by itself. It must never see an address of no picture.
    for key, value in said.items():
        if st.query_params.get(key, DEFAULT_SAMPLE if key == "sample" else None) != value:
            st.query_params[key] = value
    leave_out_picture(said)


def leave_out_picture(but: Collection[str] = ()) -> None:
    """Let the address say nothing of the picture, ``but`` for some keys."""
    for key in ("sample", "picture", "crop"):
        if key not in but:
            st.query_params.pop(key, None)
