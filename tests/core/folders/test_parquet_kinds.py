"""Tables of labels and of values that come from anywhere: what does not fit is refused."""

import io

import pyarrow as pa
import pytest

from core.errors import FolderError
from core.folders import parquet
from core.folders.results_table import open_upload
from tests.tables import data, label_row, opened, table_of, value_row

LABELS = table_of("labels", [label_row("a", [0], [0, 1]), label_row("b", None, None, "bad")])
VALUES = table_of("values", [value_row("a", [1.0], [2.0]), value_row("b", None, None)])


def changed(table, name, values):
    kind = table.schema.field(name).type
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, kind))


@pytest.mark.parametrize(("table", "kind"), [(LABELS, "labels"), (VALUES, "values")])
def test_they_are_opened_as_they_were_written(table, kind):
    results = open_upload(data(table), "mine.parquet")
    assert results.kind == kind
    assert results.table.equals(table)
    assert results.index.column_names == ["rank", "lowered"]
    assert open_upload(data(table.slice(0, 0)), "x").table.num_rows == 0


@pytest.mark.parametrize(
    ("table", "name", "values", "words"),
    [
        (LABELS, "held_index", [[0], None], "held_index, held_name, held_probability do not fit"),
        (LABELS, "held_index", [[0, -1], None], "column held_index has indices below 0"),
        (LABELS, "held_index", [[0, None], None], "do not fit one another"),
        (LABELS, "held_name", [["x" * 5000, "y"], None], "column held_name has texts"),
        (LABELS, "held_name", [["x", None], None], "do not fit one another"),
        (LABELS, "held_probability", [[0.5, 1.5], None], "held_probability leaves the range"),
        (LABELS, "held_probability", [[0.5, float("nan")], None], "do not fit one another"),
        (LABELS, "margin", [-1.0, None], "column margin leaves the range"),
        (LABELS, "missed", [-1, None], "column missed has indices below 0"),
        (VALUES, "value", [[1.0, 2.0], None], "output_name, value, expected do not fit"),
        (VALUES, "value", [[float("inf")], None], "do not fit one another"),
        (VALUES, "output_name", [[], []], "do not fit one another"),
        (VALUES, "absolute_error", [-1.0, None], "column absolute_error is no error"),
        (VALUES, "absolute_error", [float("inf"), None], "column absolute_error is no error"),
    ],
)
def test_what_does_not_fit_is_refused(table, name, values, words):
    with pytest.raises(FolderError, match=words) as caught:
        opened(changed(table, name, values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("table", "name"), [(LABELS, "missed"), (VALUES, "unit")])
def test_an_absent_column_is_named(table, name):
    with pytest.raises(FolderError, match=f"has no column {name}; take the results.parquet"):
        opened(table.drop_columns([name]))


def test_few_bytes_that_list_many_labels_are_refused():
    many = table_of("labels", [label_row(f"{n}", [], []) for n in range(20)])
    many = changed(many, "maps_index", [[0] * 26] * 20)
    with pytest.raises(FolderError, match="lists more labels; at most 500 are allowed"):
        parquet.read(io.BytesIO(data(many)), 100, 10_000)
