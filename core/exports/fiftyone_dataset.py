"""A table of results as a dataset of FiftyOne, on disk.

    OUT/metadata.json            the fields, and what was asked of which model
    OUT/samples.json             a sample for each row
    OUT/data/pictures/...        the pictures' files as they are
    OUT/data/shown/...           as PNG, what can be shown of those that no browser shows
    OUT/fields/FIELD/...         the heatmaps, on the whole photo

A heatmap is a grey PNG. 0 stands for what the model did not see, which FiftyOne leaves clear; 1 to
255 are the values from ``low`` to ``high``, with zero at 128: ``low + (pixel - 1) / 254 * (high -
low)``. No value is cut off.
"""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ..errors import FolderError
from ..files.atomic import not_written
from ..folders.results_schema import columns_in
from ..folders.results_table import ResultsTable
from ..folders.safe_files import stays_below
from ..models.catalogue import ModelRecord
from ..text import as_json
from . import fiftyone_fields as fields
from .fiftyone_fields import Json
from .fiftyone_labels import LABEL_COLUMNS, labels_of, tags_of
from .placing import on_photo
from .rows import Count, ExportedRow, RowMap, made_on, rows_of
from .told import told_model, told_settings

_SHOWN = {  # by a browser
    **{".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".jfif": "image/jpeg"},
    **{".png": "image/png", ".webp": "image/webp", ".gif": "image/gif", ".bmp": "image/bmp"},
    ".avif": "image/avif",
}
_LONGEST = 2048  # pixels of a heatmap's side; the input has fewer


def write_fiftyone(
    results: ResultsTable,
    record: ModelRecord | None,
    out: Path,
    show: Callable[[int], object] = lambda _done: None,
) -> Count:
    """Write a dataset that ``fiftyone.Dataset.from_dir`` loads.

    Args:
        results: the table.
        record: the model that made it, as `record_for` finds it; None for a table without maps.
        out: a folder that is not there yet, or is empty.
        show: is told how many rows are done.

    Raises:
        FolderError: it cannot be written.
    """
    with _whole_folder(out) as place:
        writer = _Writer(results, place, record)
        count = Count()
        with (place / "samples.json").open("xb") as file:
            file.write(b'{"samples": [')
            for row in rows_of(results, record):
                count.add(row)
                file.write((b",\n" if count.rows > 1 else b"\n") + as_json(writer.sample(row)))
                show(count.rows)
            file.write(b"\n]}\n")
        (place / "metadata.json").write_bytes(as_json(writer.metadata(), indent=1) + b"\n")
    return count


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place at the end, or is removed."""
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise FolderError(
            f"{out} is there already: choose a folder for --out that is not, or is empty."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-writing-"))
        try:
            yield place
            place.chmod(0o755)  # made for its owner alone; now it is what was asked for
            place.replace(out)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise not_written(out, error) from error


class _Writer:
    """Makes samples and their files, and remembers which fields there are."""

    def __init__(self, results: ResultsTable, place: Path, record: ModelRecord | None) -> None:
        self._results, self._place, self._record = results, place, record
        table = results.table
        meanings = columns_in(table.column_names)
        self._plain = [
            name for name in table.column_names if name not in LABEL_COLUMNS[results.kind]
        ]
        self._fields = {
            name: fields.scalar(name, table.schema.field(name).type, meanings[name][1])
            if name in meanings
            else fields.scalar(name, table.schema.field(name).type)
            for name in self._plain
        }
        self._heatmaps = False

    def sample(self, row: ExportedRow) -> Json:
        """A row as a sample; its files are written."""
        found: Json = {
            "_id": self._id(row.number),
            "filepath": f"data/{self._file(row)}",
            "tags": tags_of(row),
            "metadata": self._picture_metadata(row),
            "_media_type": "image",
            "_rand": int(self._digest(row.number, "rand")[:12], 16) / 16**12,
        }
        found |= {name: _as_number(row.cells[name]) for name in self._plain}
        for name, kind, value, words in labels_of(self._results, row.cells):
            self._fields.setdefault(name, fields.label(name, kind, words))
            found[name] = self._with_ids(row.number, name, value)
        for each in row.maps if row.picture is not None else ():
            name = self._map_field(each)
            found[name] = self._with_ids(row.number, name, self._heatmap(row, each, name))
        return {name: value for name, value in found.items() if value is not None}

    def metadata(self) -> Json:
        """The dataset, once all samples are made."""
        results, told = self._results, self._results.manifest
        info: dict[str, Any] = {"model": told_model(results), "date": made_on(results)}
        info |= {key: told.get(key) for key in ("weights_sha256", "versions")}
        info["settings"] = told_settings(results)
        every = [*fields.of_every_dataset(), *self._fields.values()]
        return fields.dataset(results.name, every, info, self._heatmaps)

    def _file(self, row: ExportedRow) -> str:
        """Where a row's picture lies below ``data``; it is written if there is one."""
        path = row.cells["path"]
        name = f"pictures/{path}" if stays_below(path) else f"pictures/row-{row.number}"
        if row.data is None:
            return name  # there is none, and nothing else is shown in its place
        if row.picture is not None and not _is_shown(path):
            name = f"shown/{row.number:07d}.png"
            buffer = io.BytesIO()
            row.picture.image.save(buffer, "PNG")
            return self._written(name, buffer.getvalue())
        return self._written(name, row.data)

    def _written(self, name: str, data: bytes) -> str:
        path = self._place / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name

    def _picture_metadata(self, row: ExportedRow) -> Json | None:
        if row.picture is None or row.data is None:
            return None
        width, height = row.picture.image.size
        suffix = PurePosixPath(row.cells["path"]).suffix.lower()
        return {
            "_cls": "ImageMetadata",
            "size_bytes": len(row.data),
            "mime_type": _SHOWN.get(suffix, "image/png"),
            "width": width,
            "height": height,
            "num_channels": 3,
        }

    def _map_field(self, each: RowMap) -> str:
        """The field of a map: one for each method and, of labels and values, for each output."""
        words: tuple[object, ...] = ("map", each.method)
        if self._results.kind != "classes":
            words = (*words, each.target, each.target_name)
        name = fields.field_name(*words)
        words_for_people = f"{each.method}, in {each.units}"
        self._fields.setdefault(name, fields.label(name, "Heatmap", words_for_people))
        self._heatmaps = True
        return name

    def _heatmap(self, row: ExportedRow, each: RowMap, field: str) -> Json:
        if row.picture is None or self._record is None:
            raise ValueError("a map has no place without a picture and a model")
        photo = row.picture.image.size
        seen = self._record.preprocessing.seen(photo, row.picture.region)
        finer = max(
            each.values.shape[1] / (seen.right - seen.left),
            each.values.shape[0] / (seen.bottom - seen.top),
        )
        finer = min(finer, _LONGEST / max(photo))
        out = (max(1, round(photo[0] * finer)), max(1, round(photo[1] * finer)))
        end = float(np.abs(each.values).max())
        name = f"fields/{field}/{row.number:07d}.png"
        path = self._place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values, inside = on_photo(each.values, seen, photo, out)
        Image.fromarray(_greys(values, inside, end)).save(path, "PNG")
        return {
            "_cls": "Heatmap",
            "tags": [],
            "map_path": name,
            "range": [1.0, 255.0],
            "low": -end,
            "high": end,
            "units": each.units,
            "explains": each.target_name,
            **({} if each.contrast_name is None else {"contrast": each.contrast_name}),
        }

    def _with_ids(self, number: int, name: str, value: Json) -> Json:
        """A label with the ids that FiftyOne tells labels apart by."""
        if "classifications" in value:
            inner = [
                {"_id": self._id(number, name, place), **each}
                for place, each in enumerate(value["classifications"])
            ]
            return {**value, "classifications": inner}
        return {"_id": self._id(number, name), **value}

    def _id(self, *words: object) -> Json:
        return {"$oid": self._digest(*words)[:24]}

    def _digest(self, *words: object) -> str:
        return hashlib.sha256(repr((self._results.digest, *words)).encode()).hexdigest()


def _is_shown(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _SHOWN


def _greys(values: np.ndarray, inside: np.ndarray, end: float) -> np.ndarray:
    """The pixels of a heatmap, uint8."""
    scaled = np.rint(127 * (values / end)) if end else np.zeros(values.shape)
    return np.where(inside, 128 + scaled, 0).astype(np.uint8)


def _as_number(value: Any) -> Any:
    """A cell as JSON has it: numbers that are not finite are none."""
    if isinstance(value, list):
        return [_as_number(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
