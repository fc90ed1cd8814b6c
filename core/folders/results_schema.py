"""The columns of a table of results: type and meaning, by what a model's outputs mean."""

from collections.abc import Collection, Sequence
from typing import Literal

import pyarrow as pa

from ..methods.given_setting import GIVEN
from ..methods.registry import METHOD_ALIASES, METHODS
from ..models.heads import HeadKind
from ..trust.localisation import TOP_K
from .masks import MASK_SHARE, MEASURES

Kind = Literal["classes", "labels", "values"]
Columns = dict[str, tuple[pa.DataType, str]]
"""Type and meaning of each column."""

_TEXTS, _INDICES, _NUMBERS = (pa.list_(kind) for kind in (pa.string(), pa.int32(), pa.float64()))

_FILE: Columns = {
    "path": (pa.string(), "relative to the folder, with /"),
    "sha256": (pa.string(), "hex digest of the file's bytes; null if they could not be read"),
}
_END: Columns = {
    "seconds": (pa.float64(), "reading, a share of the batch's prediction, and explaining"),
    "error": (
        pa.string(),
        "why there is no prediction, which methods have no map, or why there is no localisation; "
        "null if nothing went wrong",
    ),
}
_SEVERAL_MAPS: Columns = {
    "maps_index": (_INDICES, "index of the output that each file of maps explains"),
    "maps": (_TEXTS, "files with the maps, relative to the results; null if not explained"),
}

COLUMNS: Columns = {
    **_FILE,
    "label": (pa.int32(), "index of the class that the picture is said to show; null if none is"),
    "label_name": (pa.string(), "its name"),
    "predicted": (pa.int32(), "index of the most probable class; null if there is no prediction"),
    "predicted_name": (pa.string(), "its name"),
    "probability": (pa.float64(), "of the predicted class, 0 to 1"),
    "top5_index": (_INDICES, "the five most probable classes, best first"),
    "top5_name": (_TEXTS, "their names"),
    "top5_probability": (_NUMBERS, "their probabilities, 0 to 1"),
    "correct": (pa.bool_(), "whether the predicted class is the label; null without a label"),
    "margin": (pa.float64(), "probability of the first class less that of the second, 0 to 1"),
    "entropy": (pa.float64(), "of the probabilities of all classes, in nats"),
    "loss": (pa.float64(), "cross-entropy with the label, in nats; null without a label"),
    **_END,
    "maps": (pa.string(), "file with the maps, relative to the results; null if not explained"),
}
"""Of classes of which exactly one is the answer."""

LABEL_COLUMNS: Columns = {
    **_FILE,
    "expected_index": (
        _INDICES,
        "indices of the labels that the picture is said to have, ascending; empty if it is said to "
        "have none of them; null if nothing is said",
    ),
    "expected_name": (_TEXTS, "their names"),
    "expected_probability": (_NUMBERS, "their probabilities, 0 to 1; null without a prediction"),
    "held_index": (
        _INDICES,
        "labels whose probability reaches its threshold, most probable first; null without a "
        "prediction",
    ),
    "held_name": (_TEXTS, "their names"),
    "held_probability": (_NUMBERS, "their probabilities, 0 to 1"),
    "predicted": (pa.int32(), "index of the most probable label, whether it holds or not"),
    "predicted_name": (pa.string(), "its name"),
    "probability": (pa.float64(), "of the most probable label, 0 to 1"),
    "correct": (pa.bool_(), "whether exactly the expected labels hold; null if nothing is said"),
    "missed": (pa.int32(), "how many expected labels do not hold (false negatives)"),
    "false_positives": (pa.int32(), "how many labels hold that are not expected"),
    "margin": (pa.float64(), "smallest distance of a probability from its threshold, 0 to 1"),
    "loss": (pa.float64(), "binary cross-entropy with the expected labels, mean of all, in nats"),
    **_END,
    **_SEVERAL_MAPS,
}
"""Of independent labels."""

VALUE_COLUMNS: Columns = {
    **_FILE,
    "output_name": (_TEXTS, "names of the outputs, the same in each row"),
    "value": (_NUMBERS, "what the model gives for each output; null without a prediction"),
    "unit": (pa.string(), "of the values and errors; empty for pure numbers"),
    "expected": (_NUMBERS, "what is expected for each output; null if nothing is said"),
    "absolute_error": (
        pa.float64(),
        "difference of value and expected without its sign, mean of the outputs",
    ),
    **_END,
    **_SEVERAL_MAPS,
}
"""Of numbers with a unit."""

_LOCALISATION = {
    "pointing": "pointing game: 1 if a pixel of the map's largest value is on the object, else 0; "
    "null for a map of a single value",
    "mass": "relevance mass accuracy: share of the map's positive values on the object, 0 to 1; "
    "null without positive values",
    "rank": "relevance rank accuracy: of as many largest pixels as the object has, the share on it",
    "top_k": f"top-k intersection: of the {TOP_K:,} largest pixels, the share on the object; null "
    "for a smaller input",
}

_TRUST: Columns = {
    "passed": (pa.int32(), "how many trust checks the map passes"),
    "checks": (pa.int32(), "of how many that can be made of it"),
    "faithful": (
        pa.bool_(),
        "deletion and insertion: whether the map beats random orders and the centre-first order",
    ),
    "deletion": (
        pa.float64(),
        "deletion: by how much the mean probability is below that of random orders; more is "
        "better; null if not measurable",
    ),
    "insertion": (
        pa.float64(),
        "insertion: by how much the mean probability is above that of random orders; null likewise",
    ),
    "complete": (
        pa.bool_(),
        "completeness: whether the values sum to the change of the score within 5 %; null for "
        "methods without it",
    ),
    "gap": (
        pa.float64(),
        "completeness: the sum of the values by the change of the score, less 1; null without it",
    ),
    "low_infidelity": (
        pa.bool_(),
        "infidelity: whether the map explains more of the drops than the size of the covered "
        "square; null if not measurable",
    ),
    "explained": (
        pa.float64(),
        "infidelity: share of the drops that the map explains, 0 to 1; null if not measurable",
    ),
    "explained_by_size": (pa.float64(), "the same of the size of the covered square alone"),
    "depends_on_weights": (
        pa.bool_(),
        "weight randomisation: whether the map changes with random weights; null if not measurable",
    ),
    "weights": (
        pa.float64(),
        "rank correlation with the maps of random weights; null if not measurable",
    ),
    "stable_under_noise": (
        pa.bool_(),
        "noise stability: whether the map stays alike under noise; null if not measurable",
    ),
    "noise": (pa.float64(), "rank correlation with the maps under noise; null if not measurable"),
}
TRUST_MEASURES = tuple(_TRUST)
"""The trust measures of a map, each of which is a column for each method."""

TABLES: dict[Kind, Columns] = {
    "classes": COLUMNS,
    "labels": LABEL_COLUMNS,
    "values": VALUE_COLUMNS,
}


def columns_of(kind: Kind, located: Sequence[str] = (), judged: Sequence[str] = ()) -> Columns:
    """The columns of a table, each with its type and meaning.

    Args:
        kind: of the table.
        located: methods whose maps were compared with masks.
        judged: methods whose maps were judged by the trust measures.
    """
    columns = dict(TABLES[kind])
    if located:
        columns[MASK_SHARE] = pa.float64(), "share of the input that the mask marks, 0 to 1"
    for method in located:
        for measure, meaning in _LOCALISATION.items():
            if kind == "classes":
                columns[f"{measure}_{method}"] = pa.float64(), meaning
            else:
                columns[f"{measure}_{method}"] = (
                    _NUMBERS,
                    f"{meaning}; for each file of maps, NaN in place of null",
                )
    for method in judged:
        for measure, (each, meaning) in _TRUST.items():
            columns[f"{measure}_{method}"] = (
                each if kind == "classes" else pa.list_(each),
                f"{method}: {meaning}",
            )
    return columns


def columns_in(columns: Collection[str]) -> Columns:
    """The columns that a table with these columns has of ours, with type and meaning."""
    return columns_of(kind_of_table(columns), located_in(columns), judged_in(columns))


def located_in(columns: Collection[str]) -> list[str]:
    """The methods whose maps were compared with masks, in a table with these columns."""
    return _measured(columns, MEASURES) if MASK_SHARE in columns else []


def judged_in(columns: Collection[str]) -> list[str]:
    """The methods whose maps were judged by the trust measures, in a table with these columns."""
    return _measured(columns, TRUST_MEASURES)


def _measured(columns: Collection[str], measures: Collection[str]) -> list[str]:
    """The methods with a column for each of these measures."""
    return [
        name
        for name in (*METHOD_ALIASES, *METHODS, GIVEN)
        if all(f"{measure}_{name}" in columns for measure in measures)
    ]


def schema_of(columns: Columns) -> pa.Schema:
    """Columns without their meaning."""
    return pa.schema([(name, each) for name, (each, _) in columns.items()])


SCHEMAS = {kind: schema_of(columns) for kind, columns in TABLES.items()}
SCHEMA = SCHEMAS["classes"]

_OF_HEADS: dict[HeadKind, Kind] = {
    "softmax": "classes",
    "binary": "classes",
    "sigmoid": "labels",
    "value": "values",
}


def kind_of(head: HeadKind) -> Kind:
    """The kind of table for the answers of a head."""
    return _OF_HEADS[head]


def kind_of_table(columns: Collection[str]) -> Kind:
    """The kind of a table with these columns; classes, if it is none of ours."""
    if "held_index" in columns:
        return "labels"
    return "values" if "absolute_error" in columns else "classes"
