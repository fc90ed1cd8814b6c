"""The mean of many pictures' maps: where does the model look when it makes this mistake?

Maps are those that a run kept beside its table, in the units of the score, so that their mean is in
those units too; they lie on the model's input, not on what the pictures show. One file is in memory
at a time.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from PIL import Image

from core.errors import BundleError, ImageError
from core.guarded import read_below, read_inside
from core.images import open_image
from core.map_files import MAP_NAME, MAX_MAPS, unpacked
from core.models import ModelRecord
from core.results_table import ResultsTable
from core.unfolding import UnfoldingError
from core.unpacking import array

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
    """

    maps: Mapping[str, MeanMap]
    photo: Image.Image | None
    photos: int
    unreadable: int


@dataclass(frozen=True)
class MeanStep:
    """A point on the way: pictures done, of ``total``; ``snapshot`` gives their means."""

    done: int
    total: int
    snapshot: Callable[[], Means]


def explained(results: ResultsTable, rows: pa.Array) -> list[tuple[str, str]]:
    """Path and file of maps of those of the rows that were explained, at most `MOST`, in order."""
    if results.folder is None:
        return []
    found = results.table.select(["path", "maps"]).take(rows)
    found = found.filter(found["maps"].is_valid()).slice(0, MOST)
    return list(zip(found["path"].to_pylist(), found["maps"].to_pylist(), strict=True))


def mean_maps(
    results: ResultsTable, rows: pa.Array, record: ModelRecord
) -> Generator[MeanStep, None, None]:
    """Average the maps of rows, and what the model saw; see `explained` for which.

    Args:
        results: a table in its folder.
        rows: row numbers.
        record: the model that made the table, for the size of its input.
    """
    wanted = explained(results, rows)
    sums = _Sums(record.preprocessing.crop)
    for done, (path, name) in enumerate(wanted, 1):
        sums.add_maps(results, name)
        sums.add_photo(results, path, record)
        yield MeanStep(done, len(wanted), sums.means)


class _Sums:
    """Sums in double precision, of as many maps as there are methods and one picture."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.maps: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {}
        self.units: dict[str, str] = {}
        self.photo = np.zeros((side, side, 3))
        self.photos = self.unreadable = 0

    def add_maps(self, results: ResultsTable, name: str) -> None:
        try:
            found = read_maps(results, name, self.side)
            if any(self.units.get(key, units) != units for key, (_, units) in found.items()):
                raise BundleError("The maps are in other units.")
        except (BundleError, ImageError) as error:
            _log.info("%s is left out of a mean: %s", name, error)
            self.unreadable += 1
            return
        for key, (values, units) in found.items():
            self.maps.setdefault(key, np.zeros((self.side, self.side)))
            self.maps[key] += values
            self.counts[key] = self.counts.get(key, 0) + 1
            self.units[key] = units

    def add_photo(self, results: ResultsTable, path: str, record: ModelRecord) -> None:
        if results.address is None:
            return
        try:
            image = open_image(read_below(results.address, path), trusted=True)
        except ImageError as error:
            _log.info("%s is left out of a mean picture: %s", path, error)
            return
        self.photo += np.asarray(record.preprocessing.picture(image))
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
        return Means(maps, photo, self.photos, self.unreadable)


def read_maps(results: ResultsTable, name: str, side: int) -> dict[str, tuple[np.ndarray, str]]:
    """The maps in a file that a table names: float32 (side, side) and their units, by method.

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
        return {
            key: (array(file, np.float32, (side, side)), str(told[key]["units"]))
            for key, file in files.items()
        }
    except BundleError:
        raise
    except UnfoldingError as error:
        raise BundleError(f"The file of maps cannot be used: {error}.") from error
    except Exception as error:  # what it says of its maps may be anything
        raise BundleError("The file of maps is damaged, or something else.") from error
