"""A few pictures of a case in a summary, each with its map."""

import logging
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

from ..drawing.method_display import display_of
from ..drawing.sentences import number, percent
from ..errors import BundleError, ImageError
from ..folders.mean_maps import read_maps
from ..folders.results_table import ResultsTable
from ..folders.run_pictures import ReplacedError, picture_of_run
from ..models.catalogue import ModelRecord
from ..text import escape, line, plain
from .album import Album, missing
from .cases import Case
from .rows import files_of
from .titles import method_title

_PICTURES = 3  # of each case
_NO_MAP = "There is no map of this output."
_LONGEST = 200  # characters of an error
_log = logging.getLogger(__name__)


def examples_html(
    results: ResultsTable,
    record: ModelRecord | str,
    album: Album,
    case: Case,
    replaced: Callable[[str], object],
) -> str:
    """The first pictures of a case as figures: what the model saw, and the map on it.

    Of several methods the first is shown; the mean maps are of all.

    Args:
        results: the table.
        record: the model that made it, or why it is not available.
        album: makes the figures.
        case: whose pictures are shown.
        replaced: is told the paths of those whose files changed since the run.
    """
    shots: list[str] = []
    for cells in results.table.take(case.rows.slice(0, _PICTURES)).to_pylist():
        shots += _example(results, record, album, case, cells, replaced)
    return f'<div class="shots">{"".join(shots)}</div>'


def _example(
    results: ResultsTable,
    record: ModelRecord | str,
    album: Album,
    case: Case,
    cells: dict[str, Any],
    replaced: Callable[[str], object],
) -> Sequence[str]:
    name, said = PurePosixPath(cells["path"]).name, _said(cells, case.output)
    caption = f'{escape(said)}<br><span class="quiet">{escape(plain(name))}</span>'
    seen: Image.Image | None = None
    try:
        picture = picture_of_run(results, cells["path"], cells["sha256"])
        seen = (
            picture.thumbnail(224)
            if isinstance(record, str)
            else record.preprocessing.picture(picture.image, picture.region)
        )
        first = album.picture(seen, f"{plain(name)}: {said}", caption)
    except ImageError as error:
        _log.info("%s is not shown: %s", cells["path"], error)
        if isinstance(error, ReplacedError):
            replaced(cells["path"])
        first = missing(f"No picture. {error}", caption)
    if isinstance(record, str):
        return [first]
    try:
        maps = _maps_of(results, record, cells, case.output)
    except (ImageError, BundleError) as error:
        return [first, missing(f"No map. {error}", "")]
    for method, (values, units) in maps.items():
        what = f"{method_title(method)} of {plain(name)}"
        display, caption = display_of(method, values), escape(method_title(method))
        return [first, album.map(values, units, display, seen, what, caption)]
    if cells["maps"] is None:
        why = f" {line(cells['error'], _LONGEST)}" if cells["error"] else ""
        return [first, missing(f"It was not explained.{why}", "")]
    return [first, missing(_NO_MAP, "")]


def _maps_of(
    results: ResultsTable, record: ModelRecord, cells: dict[str, Any], output: int | None
) -> dict[str, Any]:
    files = files_of(cells)
    if output is not None:
        indices = cells["maps_index"] or []
        files = [name for index, name in zip(indices, files, strict=False) if index == output]
    return read_maps(results, files[0], record.preprocessing.size) if files else {}


def _said(cells: dict[str, Any], output: int | None) -> str:
    """What the model says of a picture, in a few words."""
    if cells["value" if "value" in cells else "predicted"] is None:
        return "an error"
    if output is None:
        chance = cells["probability"]
        name = plain(cells["predicted_name"] or f"class {cells['predicted']}")
        return name if chance is None else f"{name}, {percent(chance)}"
    if "value" in cells:
        unit = plain(cells["unit"] or "")
        value, expected = (number(cells[name][output]) for name in ("value", "expected"))
        return f"{value} {unit}".rstrip() + f", expected {expected}"
    held = dict(zip(cells["held_index"] or [], cells["held_probability"] or [], strict=False))
    known = dict(
        zip(cells["expected_index"] or [], cells["expected_probability"] or [], strict=False)
    )
    chance = held.get(output, known.get(output))
    return "" if chance is None else percent(chance)
