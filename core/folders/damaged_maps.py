"""How many of the files of maps that a table names are missing, or not as they were written."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ImageError
from ..files.checksums import Sums
from ..text import PROGRAM
from .map_files import MAP_NAME, MAX_MAPS, manifest_of
from .results_table import ResultsTable
from .safe_files import read_inside

_MOST = 5000  # files that are read, in some seconds


def damaged_maps(results: ResultsTable, show: Callable[[str], object] = lambda _words: None) -> str:
    """A sentence that counts them; empty where there are none, or the table came by itself.

    A file counts by its digest; in results without digests, by whether it can be read. Of many
    files the first `_MOST` are checked.

    Args:
        results: the table.
        show: is told how far it is.
    """
    if results.folder is None:
        return ""
    files = results.table["maps"].combine_chunks()
    files = pc.list_flatten(files) if pa.types.is_list(files.type) else files
    names = pc.unique(files.drop_null()).to_pylist()
    sums = Sums(results.folder, MAP_NAME)
    sums.read()
    bad, checked = 0, names[:_MOST]
    for number, name in enumerate(checked, 1):
        show(f"checking {number:,} of {len(checked):,} files of maps")
        bad += not (sums.agrees(name) if name in sums.names else _is_readable(results, name))
    if not bad:
        return ""
    verb = "is" if bad == 1 else "are"
    first = f"the first {len(checked):,} of " if len(checked) < len(names) else ""
    return (
        f"{bad:,} of {first}{len(names):,} files of maps {verb} missing, or not as written by the "
        "run: "
        f"`{PROGRAM} batch` makes them again."
    )


def _is_readable(results: ResultsTable, name: str) -> bool:
    if results.folder is None or not MAP_NAME.fullmatch(name):
        return False
    try:
        return manifest_of(read_inside(results.folder, name, MAX_MAPS)) is not None
    except ImageError:
        return False
