"""Reads the maps of rows of a table, reduced to grids, a few files at a time."""

import logging
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from ..errors import BundleError, ImageError, SettingError
from ..folders.beside import with_shared_stems
from ..folders.listing import Entry
from ..folders.masks import mask_of
from ..folders.mean_maps import map_files, read_maps
from ..folders.results_table import ResultsTable
from ..folders.run_pictures import ReplacedError, picture_of_run
from ..models.catalogue import ModelRecord
from .grids import SIDE, Sign, border_share, grid_of, relevance

_THREADS = 2  # unpacking leaves Python's lock
_AT_ONCE = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Reduced:
    """Maps as grids; n of them.

    Attributes:
        rows: uint64 (n,), row numbers of the table.
        grids: float32 (n, SIDE, SIDE), the share of relevance in each cell.
        border: float32 (n,), the share of relevance in the outer ring, 0 to 1.
        outside: float32 (n,), the share outside of the picture's mask, 0 to 1; NaN without one.
        units: of the maps.
        unreadable: maps that are missing, damaged, in other units or without the method.
        empty: maps without any relevance of that sign.
        copies: maps that equal that of a picture with the same bytes, and are left out.
        replaced: paths of those of the rows whose pictures changed since the run; only pictures
            that are compared with a mask are opened.
    """

    rows: np.ndarray
    grids: np.ndarray
    border: np.ndarray
    outside: np.ndarray
    units: str
    unreadable: int
    empty: int
    copies: int
    replaced: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Which maps are read, and how.

    Attributes:
        results: a table in its folder.
        record: the model that made it, for the size of its input.
        method: name of the method in the table's run.
        sign: which values count.
        output: index of the label or value that the maps are of; None for a table of classes.
        masks: folder of masks by the pictures' paths, as `core.folders.masks` has them; None for
            no masks.
    """

    results: ResultsTable
    record: ModelRecord
    method: str
    sign: Sign = "positive"
    output: int | None = None
    masks: str | None = None


@dataclass(frozen=True, eq=False)
class _Found:
    grid: np.ndarray | None
    border: float
    outside: float
    units: str
    replaced: bool


def methods_in(results: ResultsTable, record: ModelRecord, rows: pa.Array) -> tuple[str, ...]:
    """The methods of the first file of maps of the rows that can be read; none without one."""
    outputs: list[int | None] = [None]
    if results.kind != "classes":
        outputs = [*_outputs(results, rows)]
    for output in outputs:
        for name in map_files(results, rows, output)["maps"].to_pylist()[:8]:
            try:
                return tuple(read_maps(results, name, record.preprocessing.size))
            except (BundleError, ImageError) as error:
                _log.info("%s cannot be read: %s", name, error)
    return ()


def _outputs(results: ResultsTable, rows: pa.Array) -> list[int]:
    lists = results.table["maps_index"].take(rows).drop_null().to_pylist()
    return sorted({index for each in lists for index in each})[:8]


def read_reduced(source: Source, rows: pa.Array) -> Generator[tuple[int, int], None, Reduced]:
    """Read the maps of rows, yielding (done, total) on the way.

    In memory there are a few maps, and of each map its grid.
    """
    files = map_files(source.results, rows, source.output)
    names, paths = files["maps"].to_pylist(), files["path"].to_pylist()
    everything = [Entry(path) for path in source.results.table["path"].to_pylist()]
    known = {entry.path: entry for entry in with_shared_stems(everything)}
    entries = [known[path] for path in paths]
    total, units = len(names), ""
    digests = files["sha256"].to_pylist()
    bytes_of = [digest or path for digest, path in zip(digests, paths, strict=True)]
    first_of: dict[str, int] = {}  # where the grid of a picture with these bytes is kept
    kept: list[int] = []
    replaced: list[str] = []
    grids = np.empty((total, SIDE, SIDE), np.float32)
    shares = np.empty((2, total), np.float32)
    unreadable = empty = copies = done = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, total, _AT_ONCE):
            yield done, total
            part = slice(first, first + _AT_ONCE)
            for found in pool.map(
                partial(_read, source), names[part], entries[part], digests[part]
            ):
                units = units or (found.units if found else "")
                if found is None or found.units != units:
                    unreadable += 1
                elif found.grid is None:
                    empty += 1
                elif _is_copy(found.grid, grids, first_of.get(bytes_of[done])):
                    copies += 1
                else:
                    first_of.setdefault(bytes_of[done], len(kept))
                    grids[len(kept)] = found.grid
                    shares[:, len(kept)] = found.border, found.outside
                    kept.append(done)
                    if found.replaced:
                        replaced.append(paths[done])
                done += 1
    yield total, total
    numbers = files["row"].combine_chunks().to_numpy().astype(np.uint64)[kept]
    count = len(kept)
    border, outside = shares[:, :count]
    left_out = (unreadable, empty, copies)
    return Reduced(numbers, grids[:count], border, outside, units, *left_out, tuple(replaced))


def _is_copy(grid: np.ndarray, grids: np.ndarray, first: int | None) -> bool:
    return first is not None and np.array_equal(grid, grids[first])


def _read(source: Source, name: str, entry: Entry, sha256: str | None) -> _Found | None:
    try:
        maps = read_maps(source.results, name, source.record.preprocessing.size)
        values, units = maps[source.method]
    except (BundleError, ImageError, KeyError) as error:
        _log.info("%s is in no cluster: %s", name, error)
        return None
    weights = relevance(values, source.sign)
    outside, replaced = float("nan"), False
    try:
        outside = _outside(source, entry, sha256, weights)
    except ReplacedError:
        replaced = True
    return _Found(grid_of(weights), border_share(weights), outside, units, replaced)


def _outside(source: Source, entry: Entry, sha256: str | None, weights: np.ndarray) -> float:
    """The share of relevance outside of a picture's mask; NaN if there is none that fits.

    Raises:
        ReplacedError: the picture is another one than was explained.
    """
    total = float(weights.sum(dtype=np.float64))
    if source.masks is None or source.results.address is None or not total > 0:
        return float("nan")
    try:
        picture = picture_of_run(source.results, entry.path, sha256)
        preprocessing = source.record.preprocessing
        mask = mask_of(source.masks, entry, picture.image.size, preprocessing)
    except ReplacedError:
        raise
    except (ImageError, SettingError) as error:
        _log.info("%s has no mask: %s", entry.path, error)
        return float("nan")
    return float(weights[~mask.marked].sum(dtype=np.float64)) / total
