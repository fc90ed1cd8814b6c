"""The labels and tags of a sample of FiftyOne: what was expected, and what the model said."""

from collections.abc import Iterator
from typing import Any

from ..folders.results_schema import Kind
from ..folders.results_table import ResultsTable
from ..folders.run_pictures import ReplacedError
from .fiftyone_fields import Json, field_name
from .rows import ExportedRow

LABEL_COLUMNS: dict[Kind, frozenset[str]] = {
    "classes": frozenset(
        {
            *("label", "label_name", "predicted", "predicted_name", "probability"),
            *("top5_index", "top5_name", "top5_probability", "maps"),
        }
    ),
    "labels": frozenset(
        {
            *("expected_index", "expected_name", "expected_probability"),
            *("held_index", "held_name", "held_probability"),
            *("predicted", "predicted_name", "probability", "maps_index", "maps"),
        }
    ),
    "values": frozenset({"output_name", "value", "expected", "maps_index", "maps"}),
}
"""Columns that a sample holds as labels or heatmaps; all others are fields as they are."""

Named = tuple[str, str, Json, str]  # field, kind, label, and what the field means


def tags_of(row: ExportedRow) -> list[str]:
    """What a sample is filtered by: right or wrong, and what is missing."""
    judged = row.cells.get("correct")
    tags = [] if judged is None else ["right" if judged else "wrong"]
    if row.cells["error"] is not None:
        tags.append("error")
    if isinstance(row.problem, ReplacedError):
        tags.append("picture changed")
    elif row.problem is not None:
        tags.append("picture missing")
    return tags


def labels_of(results: ResultsTable, cells: dict[str, Any]) -> Iterator[Named]:
    """The labels of a row; what is not known has none."""
    yield from {"classes": _classes, "labels": _labels, "values": _values}[results.kind](cells)


def _classes(cells: dict[str, Any]) -> Iterator[Named]:
    if cells["label"] is not None:
        expected = _classification(cells["label_name"], index=cells["label"])
        yield "expected", "Classification", expected, "what the picture is said to show"
    if cells["predicted"] is not None:
        said = _classification(cells["predicted_name"], cells["probability"], cells["predicted"])
        yield "predicted", "Classification", said, "the most probable class"
    if cells["top5_index"] is not None:
        yield (
            "top5",
            "Classifications",
            _several(cells, "top5"),
            "the most probable classes, at most five",
        )


def _labels(cells: dict[str, Any]) -> Iterator[Named]:
    if cells["expected_index"] is not None:
        chances = cells["expected_probability"] or [None] * len(cells["expected_index"])
        listed = zip(cells["expected_name"], cells["expected_index"], chances, strict=False)
        several = [
            {**_classification(name, index=index), **_known(probability=chance)}
            for name, index, chance in listed
        ]
        expected = {"_cls": "Classifications", "classifications": several}
        yield "expected", "Classifications", expected, "the labels that the picture is said to have"
    if cells["held_index"] is not None:
        said = "labels whose probability reaches its threshold"
        yield "predicted", "Classifications", _several(cells, "held"), said
    if cells["predicted"] is not None:
        most = _classification(cells["predicted_name"], cells["probability"], cells["predicted"])
        yield "most_probable", "Classification", most, "the most probable label, if it holds or not"


def _values(cells: dict[str, Any]) -> Iterator[Named]:
    names = cells["output_name"] or []
    for column, field, words in (
        ("expected", "expected", "what is expected"),
        ("value", "predicted", "what the model gives"),
    ):
        for place, value in enumerate(cells[column] or []):
            name = names[place] if place < len(names) else str(place)
            one = len(cells[column]) == 1
            named = field if one else field_name(field, place, name)
            label = {
                "_cls": "Regression",
                "tags": [],
                "value": value,
                **_known(unit=cells["unit"]),
            }
            yield named, "Regression", label, words if one else f"{words}: {name}"


def _several(cells: dict[str, Any], column: str) -> Json:
    names, indices, chances = (
        cells[f"{column}_{part}"] or [] for part in ("name", "index", "probability")
    )
    listed = zip(names, chances, indices, strict=False)  # of an uploaded table they may be anything
    return {
        "_cls": "Classifications",
        "classifications": [_classification(*each) for each in listed],
    }


def _classification(
    name: str | None, confidence: float | None = None, index: int | None = None
) -> Json:
    label = name if name is not None else f"class {index}"
    return {
        "_cls": "Classification",
        "tags": [],
        "label": label,
        **_known(confidence=confidence, index=index),
    }


def _known(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value not in (None, "")}
