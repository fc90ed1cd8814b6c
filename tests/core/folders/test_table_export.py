"""Exported rows: complete, and harmless in a spreadsheet."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.folders.results_table import open_upload
from core.folders.selection import Filters, select
from core.folders.table_export import as_csv, as_parquet
from tests.tables import columns, opened, table

GOOD = table(columns(30))
FORMULA = "=+-@\t\r\n＝＋－＠"


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_both_hold_the_chosen_rows_in_their_order():
    results = opened(GOOD)
    rows = select(results, Filters("wrong"), "loss", True)
    expected = GOOD.take(rows)
    assert len(rows) > 2
    assert pq.read_table(io.BytesIO(as_parquet(results, rows))).equals(expected)
    written = read(as_csv(results, rows))
    assert list(written[0]) == GOOD.column_names
    for row, wanted in zip(written, expected.to_pylist(), strict=True):
        assert row["path"] == wanted["path"]
        assert float(row["loss"]) == wanted["loss"]
        assert row["top5_name"] == "; ".join(wanted["top5_name"])
        assert [int(i) for i in row["top5_index"].split("; ")] == wanted["top5_index"]
        assert row["error"] == ""


def test_an_export_can_be_opened_again():
    results = opened(GOOD)
    again = open_upload(as_parquet(results, select(results, Filters())), "again")
    assert sorted(again.table["path"].to_pylist()) == sorted(GOOD["path"].to_pylist())
    nothing = pa.array([], pa.uint64())
    assert open_upload(as_parquet(results, nothing), "none").table.num_rows == 0
    assert read(as_csv(results, nothing)) == []


@settings(deadline=None)
@given(st.text(st.sampled_from("=+-@\t\r\n＝＋－＠\"',;aé"), min_size=1, max_size=6))
def test_no_text_begins_as_a_formula_and_none_is_lost(text):
    row = {"path": text, "predicted_name": text, "top5_name": [text, "x"], "error": text}
    results = opened(table([row]))
    (written,) = read(as_csv(results, select(results, Filters())))
    for name, said in (("path", text), ("error", text), ("top5_name", f"{text}; x")):
        assert written[name][0] not in FORMULA
        assert written[name] == (f"'{said}" if said[0] in FORMULA else said)


@pytest.mark.parametrize(
    "formula", ["=cmd|' /C calc'!A0", "@SUM(1)", "-1+1", "+1", "\t=1", "\n=1", "＝1"]
)
def test_a_hostile_file_name_is_text(formula):
    results = opened(table([{"path": formula}]))
    assert read(as_csv(results, select(results, Filters())))[0]["path"] == f"'{formula}"
