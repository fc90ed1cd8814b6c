"""The rows of a table of results with their pictures and maps, one at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..errors import BundleError, ImageError
from ..folders.mean_maps import read_map_file
from ..folders.results import TABLE
from ..folders.results_table import ResultsTable
from ..folders.run_model import model_of
from ..folders.run_pictures import ReplacedError, file_of_run
from ..models.catalogue import ModelRecord
from ..pictures.picture import Picture, picture_from_bytes

_PIECE = 256  # rows that are Python objects at a time
_MOST_OUTPUTS = 1 << 31
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RowMap:
    """A map of a row's picture.

    Attributes:
        method: its name in the run.
        values: float32 (H, W) on the model's input, in ``units``.
        units: of the values.
        target, target_name: the class, label or output that is explained.
        contrast_name: the class whose score is subtracted, or None.
    """

    method: str
    values: np.ndarray
    units: str
    target: int
    target_name: str
    contrast_name: str | None


@dataclass(frozen=True, eq=False)
class ExportedRow:
    """A row of a table, and what lies beside it.

    Attributes:
        number: of the row, from 0.
        cells: its columns by name.
        data: the picture's file; None if it is not available, or not that of the run.
        picture: what the file shows; None if there is none.
        problem: why not; None if there is one.
        maps: of the picture.
        unreadable: files of maps that are named but missing or damaged.
    """

    number: int
    cells: dict[str, Any]
    data: bytes | None
    picture: Picture | None
    problem: ImageError | None
    maps: tuple[RowMap, ...]
    unreadable: int


@dataclass
class Count:
    """What became of the rows, counted as they come.

    Attributes:
        rows: how many there were.
        maps: how many maps were handed on.
        unread: paths of pictures whose files are not there, or cannot be read.
        refused: paths of pictures whose files hold no picture, or one that is not taken.
        refusal: why the first of these is not taken.
        replaced: paths of pictures whose files changed since the run.
        no_maps: files of maps that are missing or damaged.
        unplaced: maps that have no place, as their picture is not there.
    """

    rows: int = 0
    maps: int = 0
    no_maps: int = 0
    unplaced: int = 0
    unread: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refusal: str = ""
    replaced: list[str] = field(default_factory=list)

    @property
    def no_picture(self) -> int:
        """Rows without a picture, for whatever reason."""
        return len(self.unread) + len(self.refused) + len(self.replaced)

    def add(self, row: ExportedRow) -> None:
        """Count a row."""
        self.rows += 1
        self.no_maps += row.unreadable
        if row.problem is None:
            self.maps += len(row.maps)
            return
        self.unplaced += len(row.maps)
        path = row.cells["path"]
        if isinstance(row.problem, ReplacedError):
            self.replaced.append(path)
        elif row.data is None:
            self.unread.append(path)
        else:
            self.refused.append(path)
            self.refusal = self.refusal or str(row.problem)


def record_for(results: ResultsTable, named: str | None = None) -> ModelRecord | None:
    """The model whose input the maps of a table lie on; None if the table has no maps.

    Args:
        results: the table.
        named: the model as the command line names it; see `model_of`.

    Raises:
        UserError: there are maps, and what they lie on is not known.
    """
    without = results.folder is None or results.table["maps"].null_count == results.table.num_rows
    if without and named is None:
        return None
    record = model_of(results, named)
    return None if without else record


def rows_of(results: ResultsTable, record: ModelRecord | None) -> Iterator[ExportedRow]:
    """The rows of a table in order, with their pictures and maps; one is in memory at a time.

    Args:
        results: the table.
        record: the model that made it; without it, no maps are read.
    """
    number = 0
    for piece in results.table.to_batches(max_chunksize=_PIECE):
        for cells in piece.to_pylist():
            data, picture, problem = _picture(results, cells["path"], cells["sha256"])
            maps, unreadable = ((), 0) if record is None else _maps(results, cells, record)
            yield ExportedRow(number, cells, data, picture, problem, tuple(maps), unreadable)
            number += 1


def missing_pictures(results: ResultsTable) -> str:
    """Where the pictures should be, for a sentence on those that are not."""
    if results.address is None:
        return "the table does not say where they are"
    return f"they were in {results.address} when the table was made"


def files_of(cells: dict[str, Any]) -> list[str]:
    """The files of maps that a row names."""
    named = cells["maps"]
    return [] if named is None else [named] if isinstance(named, str) else named


def made_on(results: ResultsTable) -> str | None:
    """The day on which a table was written, as 2026-11-27; None if that is not known."""
    if results.folder is None:
        return None
    try:
        seconds = (results.folder / TABLE).stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _picture(
    results: ResultsTable, path: str, sha256: str | None
) -> tuple[bytes | None, Picture | None, ImageError | None]:
    """The file of a picture, what it shows, and why one of them is missing."""
    data = None
    try:
        data = file_of_run(results, path, sha256)
        return data, picture_from_bytes(data, trusted=True), None
    except ImageError as error:
        _log.info("%s is exported without its picture: %s", path, error)
        return data, None, error


def _maps(
    results: ResultsTable, cells: dict[str, Any], record: ModelRecord
) -> tuple[list[RowMap], int]:
    found, unreadable = [], 0
    for name in files_of(cells):
        try:
            maps, told = read_map_file(results, name, record.preprocessing.size)
        except (ImageError, BundleError) as error:
            _log.info("%s has no maps: %s", cells["path"], error)
            unreadable += 1
            continue
        target, named, contrast = (
            told.get(key) for key in ("target", "target_name", "contrast_name")
        )
        if type(target) is not int or not 0 <= target < _MOST_OUTPUTS:
            unreadable += 1  # nobody knows what they explain
            continue
        words = named if isinstance(named, str) else f"class {target}"
        other = contrast if isinstance(contrast, str) else None
        found += [
            RowMap(method, values, units, target, words, other)
            for method, (values, units) in maps.items()
        ]
    return found, unreadable
