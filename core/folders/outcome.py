"""What became of the pictures of a run, in numbers and in a sentence."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..files.io import open_regular
from ..text import counted, led_by_name
from .masks import MASK_SHARE
from .missing_masks import without_localisation
from .problems import a_map_is_missing
from .results_schema import Kind

_TOLD = 3  # errors, in the lines for a terminal
_SAID = {"classes": "label", "labels": "expected_index", "values": "expected"}
# Columns that are summed, beside those that every table has.
_SUMMED = {
    "classes": ("correct",),
    "labels": ("correct", "missed", "false_positives"),
    "values": ("absolute_error",),
}


@dataclass(frozen=True)
class Outcome:
    """Counts for the manifest, and the sentence that says them."""

    counts: dict[str, Any]
    sentence: str


def outcome(table: Path, kind: Kind, methods: Collection[str] = ()) -> Outcome:
    """Count a table of a kind, in pieces.

    Args:
        table: of a run.
        kind: of the table.
        methods: names of the methods that were asked for.
    """
    said, summed = _SAID[kind], _SUMMED[kind]
    counts: dict[str, Any] = {"pictures": 0, "labelled": 0, **dict.fromkeys(summed, 0)}
    counts |= {"explained": 0, "explained_in_part": 0, "errors": 0}
    lacking, judged, unit = a_map_is_missing(methods), 0, ""
    with open_regular(table) as opened, pq.ParquetFile(opened) as file:
        columns = [said, *summed, "maps", "error", *(["unit"] if kind == "values" else [])]
        if MASK_SHARE in file.schema_arrow.names:
            columns.append(MASK_SHARE)
            counts["without_localisation"] = 0
        for piece in file.iter_batches(columns=columns):
            counts["pictures"] += piece.num_rows
            counts["labelled"] += piece.num_rows - piece[said].null_count
            counts["explained"] += piece.num_rows - piece["maps"].null_count
            lacks = pc.match_substring_regex(piece["error"], lacking)
            in_part = pc.and_kleene(pc.is_valid(piece["maps"]), lacks)
            counts["explained_in_part"] += pc.sum(in_part).as_py() or 0
            if MASK_SHARE in columns:
                without = without_localisation(pa.Table.from_batches([piece]))
                counts["without_localisation"] += without.num_rows
            counts["errors"] += piece.num_rows - piece["error"].null_count
            for name in summed:
                counts[name] += pc.sum(piece[name].cast(_wide(piece[name].type))).as_py() or 0
            judged += piece.num_rows - piece[summed[0]].null_count
            if kind == "values" and piece.num_rows:
                unit = piece["unit"][0].as_py() or ""
    if kind == "values":
        total = counts.pop("absolute_error")
        counts["mean_absolute_error"] = total / judged if judged else None
    return Outcome(counts, _words(counts, unit))


def error_lines(table: Path) -> list[str]:
    """The first errors of a table, each with its picture, and where the others are."""
    found: list[str] = []
    with open_regular(table) as opened, pq.ParquetFile(opened) as file:
        total = 0
        for piece in file.iter_batches(columns=["path", "error"]):
            failed = piece.filter(pc.is_valid(piece["error"]))
            total += failed.num_rows
            first = failed.slice(0, _TOLD - len(found)).to_pylist()
            found += [led_by_name(row["path"], row["error"]) for row in first]
    if total > len(found):
        found.append(f"{total - len(found):,} more: see the column error of {table.name}.")
    return found


def _wide(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_floating(kind) else pa.int64()


def _words(counts: dict[str, Any], unit: str) -> str:
    text = counted(counts["pictures"], "picture")
    if counts["labelled"] and "mean_absolute_error" not in counts:
        labelled = counted(counts["labelled"], "labelled one")
        text += f", {counts['correct']:,} of {labelled} right"
        if "missed" in counts:
            text += (
                f" ({counted(counts['missed'], 'label')} missed, "
                f"{counted(counts['false_positives'], 'false positive')})"
            )
    elif counts["labelled"]:
        error = counts["mean_absolute_error"]
        words = "unknown" if error is None else f"{error:.3g} {unit}".rstrip()
        text += f", {counts['labelled']:,} with an expected value: mean absolute error {words}"
    if counts["explained"]:
        text += f", {counts['explained']:,} explained"
        less = {"explained_in_part": "not in full", "without_localisation": "without localisation"}
        found = [f"{counts[key]:,} {words}" for key, words in less.items() if counts.get(key)]
        text += f" ({', '.join(found)})" if found else ""
    return f"{text}, {counts['errors']:,} with an error."
