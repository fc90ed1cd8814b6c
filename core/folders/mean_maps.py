"""Mean maps and mean pictures of a selection, such as all pictures of one confusion.

Maps are those that a run kept beside its table, in the units of the score, so that their mean is in
those units too; they lie on the model's input, not on what the pictures show. One file is in memory
at a time.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from ..bundle.unpacking import array
from ..errors import BundleError, ImageError
from ..files.untrusted import UnfoldingError
from ..models.catalogue import ModelRecord
from .map_files import MAP_NAME, MAX_MAPS, unpacked
from .results_table import ResultsTable
from .run_pictures import ReplacedError, picture_of_run
from .safe_files import read_inside

MOST = 500
"""Pictures that are averaged; beyond that the mean moves by less than what can be seen."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class MeanMap:
    """The mean of one method's maps.

    Attributes:
        values: float32 (H, W) on the model's input, in ``units``.
        units: of the maps.
        count: of maps.
    """

    values: np.ndarray
    units: str
    count: int


@dataclass(frozen=True, eq=False)
class Means:
    """What the pictures have in common.

    Attributes:
        maps: by the method's name in the table's run.
        photo: mean of what the model saw of each picture, RGB; None if none could be read.
        photos: how many pictures it is the mean of.
        unreadable: pictures whose maps are missing, damaged or in other units.
        replaced: paths of pictures whose files changed since the run; their maps count, and they
            are not in the mean picture.
    """

    maps: Mapping[str, MeanMap]
    photo: Image.Image | None
    photos: int
    unreadable: int
    replaced: tuple[str, ...]


class Explained(NamedTuple):
    """A picture of a table, and the file of its maps."""

    path: str
    sha256: str | None
    maps: str


@dataclass(frozen=True)
class MeanStep:
    """A point on the way: pictures done, of ``total``; ``snapshot`` gives their means."""

    done: int
    total: int
    snapshot: Callable[[], Means]


def explained(results: ResultsTable, rows: pa.Array, output: int | None = None) -> list[Explained]:
    """Those of the rows that were explained, at most `MOST`, in order.

    Args:
        results: a table in its folder.
        rows: row numbers.
        output: index of the label or value that the maps are of; None for a table of classes.
    """
    found = map_files(results, rows, output).slice(0, MOST)
    return [Explained(**each) for each in found.select(Explained._fields).to_pylist()]


def map_files(results: ResultsTable, rows: pa.Array, output: int | None = None) -> pa.Table:
    """All files of maps of those of the rows that were explained, in order.

    Returns:
        The columns ``row`` (its number), ``path`` and ``sha256`` (of the picture) and ``maps``
        (the file).
    """
    if results.folder is None:
        rows = rows.slice(0, 0)
    of_outputs = [] if output is None else ["maps_index"]
    found = (
        results.table.select(["path", "sha256", *of_outputs, "maps"])
        .take(rows)
        .append_column("row", [rows])
    )
    found = found.filter(found["maps"].is_valid())
    if output is None:
        return found.select(["row", "path", "sha256", "maps"])
    found = found.combine_chunks()
    lists = found["maps_index"].combine_chunks()
    mine = pc.equal(pc.list_flatten(lists), output)
    whose = pc.list_parent_indices(lists).filter(mine)
    files = pc.list_flatten(found["maps"]).filter(mine)
    return found.select(["row", "path", "sha256"]).take(whose).append_column("maps", files)


def mean_maps(
    results: ResultsTable, rows: pa.Array, record: ModelRecord, output: int | None = None
) -> Generator[MeanStep, None, None]:
    """Average the maps of rows, and what the model saw; see `explained` for which.

    Args:
        results: a table in its folder.
        rows: row numbers.
        record: the model that made the table, for the size of its input.
        output: index of the label or value that the maps are of; None for a table of classes.
    """
    wanted = explained(results, rows, output)
    sums = _Sums(record.preprocessing.size)
    for done, each in enumerate(wanted, 1):
        sums.add_maps(results, each.maps)
        sums.add_photo(results, each, record)
        yield MeanStep(done, len(wanted), sums.means)


class _Sums:
    """Sums in double precision, of as many maps as there are methods and one picture."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.maps: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {}
        self.units: dict[str, str] = {}
        self.photo = np.zeros((*size, 3))
        self.photos = self.unreadable = 0
        self.replaced: list[str] = []

    def add_maps(self, results: ResultsTable, name: str) -> None:
        try:
            found = read_maps(results, name, self.size)
            if any(self.units.get(key, units) != units for key, (_, units) in found.items()):
                raise BundleError("The maps are in other units.")
        except (BundleError, ImageError) as error:
            _log.info("%s is left out of a mean: %s", name, error)
            self.unreadable += 1
            return
        for key, (values, units) in found.items():
            self.maps.setdefault(key, np.zeros(self.size))
            self.maps[key] += values
            self.counts[key] = self.counts.get(key, 0) + 1
            self.units[key] = units

    def add_photo(self, results: ResultsTable, each: Explained, record: ModelRecord) -> None:
        try:
            picture = picture_of_run(results, each.path, each.sha256)
        except ImageError as error:
            if isinstance(error, ReplacedError):
                self.replaced.append(each.path)
            _log.info("%s is left out of a mean picture: %s", each.path, error)
            return
        self.photo += np.asarray(record.preprocessing.picture(picture.image))
        self.photos += 1

    def means(self) -> Means:
        photo = None
        if self.photos:
            photo = Image.fromarray(np.round(self.photo / self.photos).astype(np.uint8))
        maps = {
            key: MeanMap((total / self.counts[key]).astype(np.float32), self.units[key], count)
            for key, total in self.maps.items()
            for count in [self.counts[key]]
        }
        return Means(maps, photo, self.photos, self.unreadable, tuple(self.replaced))


def read_maps(
    results: ResultsTable, name: str, size: tuple[int, int]
) -> dict[str, tuple[np.ndarray, str]]:
    """The maps in a file that a table names: float32 of that size and their units, by method.

    Raises:
        ImageError: there is no such file inside the results.
        BundleError: it does not hold such maps.
    """
    return read_map_file(results, name, size)[0]


def read_map_file(
    results: ResultsTable, name: str, size: tuple[int, int]
) -> tuple[dict[str, tuple[np.ndarray, str]], dict[str, Any]]:
    """The same, and the manifest in the file, of which anything else may be missing.

    Raises:
        ImageError: there is no such file inside the results.
        BundleError: it does not hold such maps.
    """
    if results.folder is None or not MAP_NAME.fullmatch(name):
        raise ImageError("This is no file of maps of this table.")
    data = read_inside(results.folder, name, MAX_MAPS)
    try:
        files, manifest = unpacked(data)
        told = manifest["maps"]
        maps = {
            key: (array(file, np.float32, size), str(told[key]["units"]))
            for key, file in files.items()
        }
    except BundleError:
        raise
    except UnfoldingError as error:
        raise BundleError(f"The file of maps cannot be used: {error}.") from error
    except Exception as error:  # what it says of its maps may be anything
        raise BundleError("The file of maps is damaged, or something else.") from error
    return maps, manifest
