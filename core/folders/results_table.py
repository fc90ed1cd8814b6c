"""Opens tables of results, from a folder or from untrusted bytes.

What reads and checks it, `core.folders.parquet`, runs in a process of its own: Arrow's readers are
written in C++, and a damaged footer makes them abort.
"""

import errno
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import FolderError
from ..files import isolated
from ..files.io import read_bytes
from ..files.untrusted import UnfoldingError, read_json
from ..text import PROGRAM, counted
from . import parquet
from .parquet import at_most
from .results import MANIFEST, MAX_MANIFEST, TABLE
from .results_schema import Kind, kind_of_table

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
        table: of one of `core.folders.results_schema.SCHEMAS`; no path is null, NaN is null.
        index: for each row ``rank`` (int32, its place by path), ``lowered`` (string, the path in
            small letters) and, of classes, ``in_top5`` (bool, whether the label is among the five;
            null where label or prediction is, and everywhere if no more than five classes occur).
        folder: the results; None for an upload, which has neither pictures nor maps.
        address: the pictures, as fsspec takes it; None if that is not known.
        model: that made the predictions, a name in the registry if it was one of ours; or None.
        manifest: what lies beside the table, of which anything may be missing or of another type.
    """

    name: str
    digest: str
    table: pa.Table
    index: pa.Table
    folder: Path | None = None
    address: str | None = None
    model: str | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What the rows are about: classes, independent labels or values."""
        return kind_of_table(self.table.column_names)

    @property
    def unfinished(self) -> str:
        """That the run was stopped before its end, as a sentence; empty if it was not."""
        if self.manifest.get("complete") is not False:
            return ""
        every = self.manifest.get("pictures")
        over = f" over {counted(every, 'picture')}" if type(every) is int else ""
        return f"The run{over} was stopped before its end, so that rows are missing."

    def part(self, rows: pa.Array) -> "ResultsTable":
        """These rows as a table, in their order; where they come from stays the same."""
        return replace(self, table=self.table.take(rows), index=self.index.take(rows))


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
            f"that `{PROGRAM} batch --out` wrote to. A run that goes on has none yet."
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
        _, stream = isolated.run(f"{parquet.__name__}:packed", data, limits, MAX_ROWS, MAX_UNPACKED)
    except isolated.StoppedError as error:
        _log.info("refused a table: %s", error)
        raise FolderError(
            f"{name} is not a Parquet table that can be read: it is damaged, or something else; "
            f"{parquet.WAY_OUT}"
        ) from error
    whole = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    index = [name for name in parquet.INDEX if name in whole.column_names]
    address, model = manifest.get("address"), manifest.get("model")
    return ResultsTable(
        name,
        hashlib.sha256(data).hexdigest(),
        whole.drop_columns(index),
        whole.select(index),
        folder,
        address if isinstance(address, str) else None,
        model if isinstance(model, str) else None,
        manifest,
    )
