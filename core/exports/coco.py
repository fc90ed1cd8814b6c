"""COCO's JSON: for each map of a folder the region that it marks, run-length encoded.

The form is that of COCO's object detection (cocodataset.org, "Data format"), with the masks as
uncompressed run lengths, as pycocotools reads them. Sizes and masks are those of the upright photo.
"""

import json
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from ..errors import SettingError
from ..folders.results_table import ResultsTable
from ..models.catalogue import ModelRecord
from ..text import as_json
from .placing import on_photo, top_region
from .rows import Count, ExportedRow, made_on, rows_of
from .told import told_model, told_settings

SHARE = 0.5
"""Of the positive values of a map: what the region holds."""


def check_share(share: float) -> float:
    """Return a share that a region can hold.

    Raises:
        SettingError: it is not over 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise SettingError(f"The share is {share:g}: give a number over 0 and at most 1.")
    return share


def write_coco(
    results: ResultsTable,
    record: ModelRecord | None,
    file: IO[bytes],
    share: float = SHARE,
    show: Callable[[int], object] = lambda _done: None,
) -> Count:
    """Write the maps of a table as COCO's JSON.

    Args:
        results: the table.
        record: the model that made it, as `record_for` finds it; None for a table without maps.
        file: open for writing.
        share: of a map's positive values, which its region holds: over 0, at most 1.
        show: is told how many rows are done.

    Raises:
        SettingError: the share is out of its range.
    """
    count, writer = Count(), _Writer(file, check_share(share), record)
    file.write(b'{"info": ' + as_json(_info(results, share)) + b',\n"annotations": [')
    for row in rows_of(results, record):
        count.add(row)
        writer.add(row)
        show(count.rows)
    file.write(b'\n],\n"images": ' + json.dumps(writer.images).encode("ascii"))
    categories = [
        {"id": index + 1, "name": name, "supercategory": "", "index": index}
        for index, name in sorted(writer.categories.items())
    ]
    file.write(b',\n"categories": ' + json.dumps(categories).encode("ascii") + b"}\n")
    return count


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's run lengths of a mask: down the columns, beginning with the pixels that are not in it.

    Args:
        mask: bool (H, W), not empty.
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(edges, prepend=0, append=flat.size).tolist()
    return [0, *lengths] if flat[0] else lengths


class _Writer:
    """Writes annotations as they come, and collects the images and categories that they name."""

    def __init__(self, file: IO[bytes], share: float, record: ModelRecord | None) -> None:
        self.images: list[dict[str, Any]] = []
        self.categories: dict[int, str] = {}
        self._file, self._share, self._record, self._written = file, share, record, 0

    def add(self, row: ExportedRow) -> None:
        if row.picture is None:
            return  # COCO has no picture without a size
        width, height = row.picture.image.size
        number = row.number + 1
        self.images.append(
            {"id": number, "file_name": row.cells["path"], "width": width, "height": height}
        )
        for annotation in self._annotations(row, (width, height)):
            self._written += 1
            told = {"id": self._written, "image_id": number, **annotation}
            begin = b"\n" if self._written == 1 else b",\n"
            self._file.write(begin + json.dumps(told).encode("ascii"))

    def _annotations(self, row: ExportedRow, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
        if self._record is None or row.picture is None:
            return
        seen = self._record.preprocessing.seen(size, row.picture.region)
        for each in row.maps:
            self.categories[each.target] = each.target_name
            mask, _ = on_photo(top_region(each.values, self._share), seen, size)
            yield {
                "category_id": each.target + 1,
                "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
                "area": int(mask.sum()),
                "bbox": _bounding_box(mask),
                "iscrowd": 0,
                "method": each.method,
                "units": each.units,
                "contrast": each.contrast_name,
            }


def _bounding_box(mask: np.ndarray) -> list[int]:
    """Left, top, width and height; zeros for an empty mask."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return [0, 0, 0, 0]
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]


def _info(results: ResultsTable, share: float) -> dict[str, Any]:
    info = {
        "description": f"{results.name}: where the model looked. Each mask is the smallest region "
        f"that holds {share:g} of the positive values of a map.",
        "share": share,
        "model": told_model(results),
        "weights_sha256": results.manifest.get("weights_sha256"),
        "settings": told_settings(results),
    }
    day = made_on(results)
    return info if day is None else {**info, "date_created": day}
