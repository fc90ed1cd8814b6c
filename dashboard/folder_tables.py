"""Which tables of results the page may open: those that its operator named, and an upload.

What a visitor writes, in an address or in a table, opens no other file of the server.
"""

import logging
import os
import re
from pathlib import Path

import streamlit as st

from core.browsing import Card, card_of
from core.errors import FolderError, ImageError, UserError
from core.guarded import read_below
from core.picture import Picture, picture_from_bytes
from core.results_table import ResultsTable, open_results, open_upload
from core.text import plain
from dashboard import options

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


def open_picture(name: str, path: str) -> tuple[Picture, Card]:
    """A picture of a table, and what the table says of it.

    Raises:
        UserError: there is no such picture, or it cannot be used.
    """
    results = open_table(name)
    card = card_of(results, path)
    if card is None:
        raise ImageError(f'The results "{plain(name)}" have no picture "{plain(path)}".')
    return picture_from_bytes(photo(results, path), trusted=True), card


def photo(results: ResultsTable, path: str) -> bytes:
    """The file of a picture.

    Raises:
        ImageError: it cannot be read, or the table came without pictures.
    """
    if results.address is None:
        raise ImageError("This table came without its pictures.")
    return read_below(results.address, path)


def file_of(name: str, path: str) -> bytes | None:
    """The file of a picture as it is; None if it is not there any more."""
    try:
        return photo(open_table(name), path)
    except UserError as error:
        _log.info("%s is gone", path, exc_info=error)
        return None
