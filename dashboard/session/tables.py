"""The tables of results that the page may open: those of the operator, and an upload.

What a visitor writes, in an address or in a table, opens no other file of the server.
"""

import logging
import os
import re
from pathlib import Path

import streamlit as st

from core.errors import FolderError, ImageError, UserError
from core.folders.results import TABLE
from core.folders.results_table import ResultsTable, open_results, open_upload
from core.folders.run_pictures import file_of_run, picture_of_run, sha256_of
from core.folders.selection import Card, card_of
from core.models import registry
from core.models.catalogue import ModelRecord
from core.pictures.picture import Picture
from core.text import PROGRAM, plain, quoted
from dashboard.session import options

RESULTS = "WHERE_IT_LOOKED_RESULTS"  # folders, separated as those of PATH are
UPLOADED = "upload"
_log = logging.getLogger(__name__)


def offered() -> dict[str, Path]:
    """The results that may be opened, by what they are called in addresses."""
    named = [*options.given().results, *os.environ.get(RESULTS, "").split(os.pathsep)]
    found: dict[str, Path] = {}
    for path in dict.fromkeys(Path(each).resolve() for each in named if each):
        name = re.sub(r"[^\w.-]", "_", path.name) or "results"
        taken = {*found, UPLOADED}
        number = next(n for n in range(1, len(taken) + 2) if _numbered(name, n) not in taken)
        found[_numbered(name, number)] = path
    return found


def absent() -> list[str]:
    """Which of the results that may be opened are not there, one sentence each."""
    return [
        f"There are no results at {plain(str(path))}: give --results the folder that `{PROGRAM} "
        "batch --out` wrote to. If a run is to write them, the Folder page shows them then."
        for path in offered().values()
        if not _is_there(path)
    ]


def _is_there(path: Path) -> bool:
    try:
        return (path / TABLE if path.is_dir() else path).is_file()
    except OSError:  # below a folder that may not be entered
        return False


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def names() -> list[str]:
    """What can be opened now; an upload comes first."""
    return [*([UPLOADED] if uploaded() is not None else []), *offered()]


def uploaded() -> ResultsTable | None:
    """This session's own table."""
    return st.session_state.get("folder_upload")


def open_table(name: str) -> ResultsTable:
    """A table by its name.

    Raises:
        FolderError: it is not one of those that may be opened, or is damaged.
    """
    own = uploaded()
    if name == UPLOADED and own is not None:
        return own
    path = offered().get(name)
    if path is None:
        raise FolderError(f'There are no results called "{plain(name)}" here.')
    return _opened(path, _state(path))


def _state(path: Path) -> tuple[tuple[int, int], ...]:
    """What tells one state of a table's files from another."""
    found = []
    for file in (path, path / "results.parquet", path / "manifest.json"):
        if file.is_file():
            known = file.stat()
            found.append((known.st_mtime_ns, known.st_size))
    return tuple(found)


@st.cache_resource(show_spinner="Opening the results …", max_entries=4)
def _opened(path: Path, state: tuple[tuple[int, int], ...]) -> ResultsTable:
    del state  # only tells one state of the files from another
    return open_results(path)


def accept_table() -> None:
    """Take a new upload as this session's table, or say what is wrong with it.

    As with photos, a file that is gone takes nothing off the page.
    """
    st.session_state.pop("folder_upload_error", None)
    upload = st.session_state.get("folder_uploader")
    if upload is None:
        return
    try:
        st.session_state["folder_upload"] = open_upload(upload.getvalue(), upload.name)
        st.session_state["results"] = UPLOADED
    except UserError as error:
        _log.info("table refused", exc_info=error)
        st.session_state["folder_upload_error"] = str(error)


def record_of(results: ResultsTable) -> ModelRecord | str:
    """The model that made a table, or why it is not available, in one sentence.

    A table's word opens no more than a visitor's: neither folders of this machine nor functions.
    """
    name = results.model
    if name is None:
        return "The table does not say which model made it."
    if name in registry.records():
        return registry.records()[name]
    if ":" not in name:
        return registry.broken().get(name) or (
            f"The table is of {quoted(name)}, which is not on the list: start the page with "
            "--models and the folder that holds it."
        )
    if not options.is_of_library(name):
        return (
            f"The table is of {quoted(name)}, a function or a folder of this machine, which the "
            f"page does not load: explain its pictures with `{PROGRAM} explain` and that "
            "--model."
        )
    try:
        options.check_model(name)
    except UserError as error:
        _log.info("the model of a table is not taken", exc_info=error)
        return str(error)
    return _record(name)


@st.cache_resource(show_spinner="Looking up the model …", ttl=60, max_entries=32)
def _record(name: str) -> ModelRecord | str:
    """A record, or why there is none; for a while, as the hub may be slow to say so."""
    try:
        return registry.record(name)
    except UserError as error:
        _log.info("the model of a table is not there", exc_info=error)
        return str(error)


def open_picture(name: str, path: str) -> tuple[Picture, Card]:
    """A picture of a table, and what the table says of it.

    Raises:
        UserError: there is no such picture, or it cannot be used.
    """
    results = open_table(name)
    card = card_of(results, path)
    if card is None:
        raise ImageError(f'The results "{plain(name)}" have no picture "{plain(path)}".')
    return picture_of(results, path), card


def picture_of(results: ResultsTable, path: str) -> Picture:
    """A picture as the table's run read it.

    Raises:
        ImageError: there is no such picture, or its file is another one now.
    """
    return picture_of_run(results, path, sha256_of(results, path))


def file_of(name: str, path: str) -> bytes | None:
    """The file of a picture as it is; None if it is not there any more, or is another one."""
    try:
        results = open_table(name)
        return file_of_run(results, path, sha256_of(results, path))
    except UserError as error:
        _log.info("%s is gone", path, exc_info=error)
        return None
