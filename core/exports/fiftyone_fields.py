"""The fields of a FiftyOne dataset: what its metadata says of each, and the labels in a sample.

Names and forms are those of FiftyOne's own JSON (fiftyone.types.FiftyOneDataset, version 1.1).
"""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Json = dict[str, Any]

VERSION = "1.1.0"
"""Of FiftyOne: the oldest whose datasets have this form. Later ones bring it up to theirs."""

_FIELDS = "fiftyone.core.fields"
_LABELS = "fiftyone.core.labels"
_TEXT, _NUMBER, _WHOLE = "StringField", "FloatField", "IntField"
_COMMON = {"id": "ObjectIdField", "tags": ("ListField", _TEXT)}
_CLASSIFICATION: Mapping[str, Any] = {
    **_COMMON,
    "label": _TEXT,
    "confidence": _NUMBER,
    "logits": "VectorField",
    "index": _WHOLE,
    "probability": _NUMBER,
}
_PARTS: Mapping[str, Mapping[str, Any]] = {
    "Classification": _CLASSIFICATION,
    "Regression": {**_COMMON, "value": _NUMBER, "confidence": _NUMBER, "unit": _TEXT},
    "Heatmap": {
        **_COMMON,
        "map": "ArrayField",
        "map_path": _TEXT,
        "range": ("HeatmapRangeField", _NUMBER),
        "low": _NUMBER,
        "high": _NUMBER,
        "units": _TEXT,
        "explains": _TEXT,
        "contrast": _TEXT,
    },
}


def scalar(name: str, kind: pa.DataType, description: str | None = None) -> Json:
    """What the metadata says of a plain column.

    Args:
        name: of the field.
        kind: Arrow's type of the column: numbers, texts, yes or no, or lists of them.
        description: of the field, for people.
    """
    if pa.types.is_list(kind):
        return _field(name, ("ListField", _plain(kind.value_type)), description)
    return _field(name, _plain(kind), description)


def _plain(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "BooleanField"
    if pa.types.is_integer(kind):
        return _WHOLE
    return _NUMBER if pa.types.is_floating(kind) else _TEXT


def label(name: str, kind: str, description: str | None = None) -> Json:
    """What the metadata says of a field of labels.

    Args:
        name: of the field.
        kind: "Classification", "Classifications", "Regression" or "Heatmap".
        description: of the field, for people.
    """
    found = _field(name, "EmbeddedDocumentField", description)
    found["embedded_doc_type"] = f"{_LABELS}.{kind}"
    if kind == "Classifications":
        inner = _field("classifications", ("ListField", "EmbeddedDocumentField"))
        inner["embedded_doc_type"] = f"{_LABELS}.Classification"
        inner["fields"] = _inner("Classification")
        found["fields"] = [inner, _field("logits", "VectorField")]
    else:
        found["fields"] = _inner(kind)
    return found


def _inner(kind: str) -> list[Json]:
    return [_field(name, each) for name, each in _PARTS[kind].items()]


def _field(name: str, kind: str | tuple[str, str], description: str | None = None) -> Json:
    outer, inner = (kind, None) if isinstance(kind, str) else kind
    return {
        "name": name,
        "ftype": f"{_FIELDS}.{outer}",
        "embedded_doc_type": None,
        "subfield": None if inner is None else f"{_FIELDS}.{inner}",
        "fields": [],
        "db_field": "_id" if name == "id" else name,
        "description": description,
        "info": None,
        "read_only": name in ("created_at", "last_modified_at"),
    }


def of_every_dataset() -> list[Json]:
    """The fields that each dataset of pictures has."""
    metadata = _field("metadata", "EmbeddedDocumentField")
    metadata["embedded_doc_type"] = "fiftyone.core.metadata.ImageMetadata"
    kinds = {"size_bytes": _WHOLE, "mime_type": _TEXT, "width": _WHOLE, "height": _WHOLE}
    metadata["fields"] = [_field(*each) for each in {**kinds, "num_channels": _WHOLE}.items()]
    return [
        _field("id", "ObjectIdField"),
        _field("filepath", _TEXT),
        _field("tags", ("ListField", _TEXT)),
        metadata,
        _field("created_at", "DateTimeField"),
        _field("last_modified_at", "DateTimeField"),
        _field("_media_type", _TEXT),
        _field("_rand", _NUMBER),
        _field("_dataset_id", "ObjectIdField"),
    ]


def dataset(name: str, fields: list[Json], info: Json, heatmaps: bool) -> Json:
    """The document of a dataset.

    Args:
        name: of the dataset.
        fields: of its samples.
        info: what else is known of it.
        heatmaps: whether there are any; they are then shown in blue (below zero) and red (over it).
    """
    app: Json = {
        "media_fields": ["filepath"],
        "grid_media_field": "filepath",
        "modal_media_field": "filepath",
        "plugins": {},
    }
    if heatmaps:
        app["color_scheme"] = {
            "_id": {"$oid": "0" * 24},
            "color_by": "value",
            "opacity": 0.7,
            "fields": [],
            "colorscales": [],
            "default_mask_targets_colors": [],
            "default_colorscale": {"name": None, "list": _BLUE_TO_RED},
            "label_tags": {"fieldColor": None, "valueColors": []},
            "multicolor_keypoints": False,
            "show_skeletons": True,
        }
    return {
        "name": name,
        "version": VERSION,
        "media_type": "image",
        "description": None,
        "tags": [],
        "info": info,
        "app_config": app,
        "group_media_types": {},
        "classes": {},
        "default_classes": [],
        "mask_targets": {},
        "default_mask_targets": {},
        "skeletons": {},
        "sample_fields": fields,
        **{key: [] for key in ("frame_fields", "saved_views", "workspaces")},
        **{key: {} for key in ("annotation_runs", "brain_methods", "evaluations", "runs")},
    }


_BLUE_TO_RED = [
    {"value": 0.0, "color": "rgb(5, 48, 97)"},
    {"value": 0.25, "color": "rgb(67, 147, 195)"},
    {"value": 0.5, "color": "rgb(247, 247, 247)"},
    {"value": 0.75, "color": "rgb(214, 96, 77)"},
    {"value": 1.0, "color": "rgb(103, 0, 31)"},
]


def field_name(*words: object) -> str:
    """A name that FiftyOne and MongoDB accept: letters, digits and underscores."""
    text = "_".join(str(word) for word in words)
    return re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_").lower()
