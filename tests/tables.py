"""Tables of results of any size, without running a model."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.folders import parquet, results_table
from core.folders.results_schema import SCHEMA, SCHEMAS
from core.pictures.images import digest


def columns(count, classes=50, seed=0):
    """Columns of a made-up run: a quarter of the answers is wrong; paths of real files' kind."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, classes, count)
    wrong = generator.random(count) < 0.25
    predicted = np.where(wrong, (label + generator.integers(1, 8, count)) % classes, label)
    names = np.array([f"class {chr(97 + i % 26)}{i}" for i in range(classes)], dtype=object)
    top = np.stack([(predicted + k) % classes for k in range(5)], 1)
    probability = generator.random(count)
    return {
        "path": [f"{names[index]}/photo_{i:06d}.png" for i, index in enumerate(label)],
        "sha256": [f"{i:064x}" for i in range(count)],
        "label": label,
        "label_name": names[label],
        "predicted": predicted,
        "predicted_name": names[predicted],
        "probability": probability,
        "top5_index": list(top),
        "top5_name": [list(names[row]) for row in top],
        "top5_probability": list(probability[:, None] * 0.5 ** np.arange(5)),
        "correct": label == predicted,
        "margin": probability / 2,
        "entropy": generator.random(count) * 6,
        "loss": generator.random(count) * 9,
        "seconds": generator.random(count),
        "error": [None] * count,
        "maps": [None] * count,
    }


def put_digests(found, folder):
    """Let a made-up run have read the files that lie there now."""
    files = [folder / path for path in found["path"]]
    found["sha256"] = [digest(each.read_bytes()) if each.is_file() else None for each in files]


LABELS = ("boat", "night", "swan", "water")


def label_row(path, expected, held, error=None):
    """A row of a table of labels, which are given by index; None for what is not known."""
    chances = {label: 0.9 - 0.1 * place for place, label in enumerate(held or ())}
    known = expected is not None and held is not None
    return {
        "path": path,
        "expected_index": expected,
        "expected_name": None if expected is None else [LABELS[i] for i in expected],
        "expected_probability": [chances.get(i, 0.2) for i in expected] if known else None,
        "held_index": held,
        "held_name": None if held is None else [LABELS[i] for i in held],
        "held_probability": None if held is None else [chances[i] for i in held],
        "predicted": None if held is None else [*held, 0][0],
        "predicted_name": None if held is None else LABELS[[*held, 0][0]],
        "probability": None if held is None else max(chances.values(), default=0.4),
        "correct": set(expected) == set(held) if known else None,
        "missed": len(set(expected) - set(held)) if known else None,
        "false_positives": len(set(held) - set(expected)) if known else None,
        "error": error,
    }


def value_row(path, value, expected, names=("age",), unit="years", error=None):
    """A row of a table of values; None for what is not known."""
    off = None
    if value is not None and expected is not None:
        off = sum(abs(a - b) for a, b in zip(value, expected, strict=True)) / len(value)
    return {
        "path": path,
        "output_name": list(names),
        "value": value,
        "unit": unit,
        "expected": expected,
        "absolute_error": off,
        "error": error,
    }


def table_of(kind, rows):
    """Rows as a table of labels or of values."""
    return pa.Table.from_pylist(rows, SCHEMAS[kind])


def table(found):
    """Columns or rows as a table of the results' schema."""
    if isinstance(found, list):
        return pa.Table.from_pylist(found, SCHEMA)
    return pa.table([pa.array(found[each.name], each.type) for each in SCHEMA], schema=SCHEMA)


def opened(found):
    """A table as it is opened, without the process that a file of unknown origin is read in."""
    rows, unpacked = results_table.MAX_ROWS, results_table.MAX_UNPACKED
    read = parquet.read(io.BytesIO(data(found)), rows, unpacked)
    return results_table.ResultsTable("made.parquet", "0" * 64, *read)


def data(found, **options):
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink, **options)
    return sink.getvalue().to_pybytes()
