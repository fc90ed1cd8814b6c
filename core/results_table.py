"""Opening a table of results, made here or elsewhere, from a folder or from untrusted bytes.

What reads and checks it, `core.parquet`, runs in a process of its own: Arrow's readers are written
in C++, and a damaged footer makes them abort.
"""

import errno
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import isolated, parquet
from core.errors import FolderError
from core.files import read_bytes
from core.parquet import at_most
from core.results import MANIFEST, MAX_MANIFEST, TABLE
from core.unfolding import UnfoldingError, read_json

MAX_ROWS = 1_000_000
MAX_FILE = 1000 * 1000 * 1000  # bytes, decimal
MAX_UPLOAD = 100 * 1000 * 1000
MAX_UNPACKED = 600 * 1000 * 1000  # of all texts; a row of ours has about 300
MAX_OPENED = 2 * MAX_UNPACKED + 250 * MAX_ROWS  # with numbers, and with paths in small letters
MAX_SECONDS = 60  # of processor time; a million rows take some 5
_BASE = 400 * 1000 * 1000  # bytes of memory for Python and Arrow
_COPIES = 4  # of what was unpacked: as read, as checked, in one piece, and its index
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ResultsTable:
    """A table that was checked, and where its pictures and maps are.

    Attributes:
        name: of the folder or the file, for people.
        digest: SHA-256 of the table's file.
        table: of `core.results.SCHEMA`; no path is null, NaN is null.
        index: for each row ``rank`` (int32, its place by path), ``lowered`` (string, the path in
            small letters) and ``in_top5`` (bool, whether the label is among the five; null where
            label or prediction is).
        folder: the results; None for an upload, which has neither pictures nor maps.
        address: the pictures, as fsspec takes it; None if that is not known.
        model: that made the predictions, a name in the registry if it was one of ours; or None.
    """

    name: str
    digest: str
    table: pa.Table
    index: pa.Table
    folder: Path | None = None
    address: str | None = None
    model: str | None = None


def open_results(place: Path) -> ResultsTable:
    """Open the folder that ``python -m core batch`` wrote, or a Parquet file by itself.

    Raises:
        FolderError: there is no such table, or it is not of the right kind.
    """
    path = place / TABLE if place.is_dir() else place
    try:
        data = read_bytes(path, MAX_FILE)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FolderError(
                f"{place.name} has a table of more bytes; {at_most(MAX_FILE)}"
            ) from error
        raise FolderError(
            f"{place.name} has no {TABLE} that can be read ({error.strerror}): give the folder "
            "that `python -m core batch --out` wrote to; it is there once a run has ended."
        ) from error
    manifest = _manifest(path.with_name(MANIFEST))
    return _opened(data, place.name, path.parent, manifest)


def open_upload(data: bytes, name: str) -> ResultsTable:
    """Open the bytes of a table that came by itself: numbers, without pictures and maps.

    Raises:
        FolderError: it is not of the right kind, or too large.
    """
    if len(data) > MAX_UPLOAD:
        raise FolderError(f"The table has {len(data):,} bytes; {at_most(MAX_UPLOAD)}")
    return _opened(data, name, None, {})


def _manifest(path: Path) -> dict[str, Any]:
    """What a manifest says, as far as it is text; nothing if there is none, or it is no manifest.

    The table can be read without it.
    """
    try:
        found = read_json(read_bytes(path, MAX_MANIFEST), MAX_MANIFEST, file_names=True)
    except (OSError, UnfoldingError):
        return {}
    return found if isinstance(found, dict) else {}


def _opened(data: bytes, name: str, folder: Path | None, manifest: dict[str, Any]) -> ResultsTable:
    limits = isolated.Limits(
        _BASE + 2 * len(data) + _COPIES * MAX_UNPACKED, MAX_SECONDS, MAX_OPENED
    )
    try:
        _, stream = isolated.run("core.parquet:packed", data, limits, MAX_ROWS, MAX_UNPACKED)
    except isolated.StoppedError as error:
        _log.info("refused a table: %s", error)
        raise FolderError(
            f"{name} is not a Parquet table that can be read: it is damaged, or something else; "
            f"{parquet.WAY_OUT}"
        ) from error
    whole = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    address, model = manifest.get("address"), manifest.get("model")
    return ResultsTable(
        name,
        hashlib.sha256(data).hexdigest(),
        whole.drop_columns(parquet.INDEX),
        whole.select(parquet.INDEX),
        folder,
        address if isinstance(address, str) else None,
        model if isinstance(model, str) else None,
    )
