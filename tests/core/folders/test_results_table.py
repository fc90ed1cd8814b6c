"""Tables that are what they should be, and those that are not: each refused in one sentence."""

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import FolderError
from core.folders import results_table
from core.folders.results_schema import SCHEMA
from core.folders.results_table import open_results, open_upload
from tests.tables import columns, data, table

GOOD = table(columns(20))
ROOT = Path(__file__).resolve().parents[3]


def with_column(name, values):
    return GOOD.set_column(GOOD.schema.get_field_index(name), name, values)


def test_a_table_is_opened_as_it_was_written():
    opened = open_upload(data(GOOD), "mine.parquet")
    assert opened.table.equals(GOOD)
    assert opened.table.schema.equals(SCHEMA)
    assert opened.folder is None
    assert opened.address is None
    assert opened.index["rank"].to_pylist() == [
        sorted(GOOD["path"].to_pylist()).index(path) for path in GOOD["path"].to_pylist()
    ]
    assert opened.index["in_top5"].to_pylist() == [
        row["label"] in row["top5_index"] for row in GOOD.to_pylist()
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"complete": False, "pictures": 5000}, "The run over 5,000 pictures was stopped before"),
        ({"complete": False, "pictures": "<b>"}, "The run was stopped before its end, so that"),
        ({"complete": True, "pictures": 5000}, ""),
        ({}, ""),
    ],
)
def test_a_run_that_was_stopped_is_said(tmp_path, told, said):
    (tmp_path / "results.parquet").write_bytes(data(table(columns(2))))
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    found = open_results(tmp_path).unfinished
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_what_other_programs_write_is_taken():
    """Wide integers, large strings, dictionaries and further columns mean the same."""
    wide = (
        with_column("label", GOOD["label"].cast(pa.int64()))
        .set_column(0, "path", GOOD["path"].cast(pa.large_string()))
        .set_column(3, "label_name", GOOD["label_name"].dictionary_encode())
        .set_column(6, "probability", GOOD["probability"].cast(pa.float32()).cast(pa.float64()))
        .append_column("mine", pa.array(range(20)))
    )
    opened = open_upload(data(wide), "wide.parquet")
    assert opened.table["label"].equals(GOOD["label"])
    assert opened.table["path"].to_pylist() == GOOD["path"].to_pylist()
    assert opened.table.schema.equals(SCHEMA)


def test_columns_without_values_and_without_rows_are_fine():
    opened = open_upload(data(with_column("maps", pa.nulls(20))), "x")
    assert opened.table["maps"].null_count == 20
    assert open_upload(data(GOOD.slice(0, 0)), "x").table.num_rows == 0


def test_what_is_no_number_is_nothing():
    opened = open_upload(data(with_column("loss", pa.array([float("nan")] * 20))), "x")
    assert opened.table["loss"].null_count == 20


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("path", pa.array([None] * 20, pa.string()), "rows without a path"),
        ("path", pa.array(range(20)), "column path holds int64"),
        ("label", pa.array(["goose"] * 20), "column label holds string"),
        ("label", pa.array([-1] * 20), "column label has indices below 0"),
        ("label", pa.array([2**40] * 20), "cannot be read|is not a Parquet"),
        ("probability", pa.array([1.5] * 20), "column probability leaves the range"),
        ("margin", pa.array([-0.5] * 20), "column margin leaves the range"),
        ("correct", pa.array([1] * 20), "column correct holds int64"),
        ("top5_index", pa.array([1] * 20), "column top5_index holds int64"),
        ("top5_index", pa.array([[1] * 6] * 20), "more than 5 classes"),
        ("top5_index", pa.array([[1] * 20] + [[]] * 19), "more than 5 classes"),
        ("top5_name", pa.array([[["x"]]] * 20), "column top5_name holds list"),
        ("predicted_name", pa.array(["x" * 5000] * 20), "column predicted_name has texts"),
        ("error", pa.array([b"\xff\xfe"] * 20, pa.binary()), "column error holds binary"),
    ],
)
def test_wrong_columns_are_refused_in_a_sentence(name, values, words):
    with pytest.raises(FolderError, match=words) as caught:
        open_upload(data(with_column(name, values)), "mine.parquet")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_absent_column_is_named():
    with pytest.raises(FolderError, match="no columns probability, loss"):
        open_upload(data(GOOD.drop_columns(["loss", "probability"])), "x")


class _Harm:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"path,label\n", pickle.dumps(_Harm()), b"PAR1" + b"\xff" * 400 + b"PAR1"],
)
def test_what_is_no_table_is_refused(content):
    with pytest.raises(FolderError, match="not a Parquet table"):
        open_upload(content, "mine.parquet")


def test_a_damaged_table_is_refused_wherever_it_was_cut_or_changed():
    whole = data(GOOD)
    for place in range(4, len(whole), 311):
        for broken in (whole[:place], whole[:place] + b"\x00\xff\x00\xff" + whole[place + 4 :]):
            try:
                opened = open_upload(broken, "x")
            except FolderError:
                continue
            assert opened.table.num_rows == 20  # a byte of a value, which nothing can tell


# Reads damaged footers one after the other, and says which it is about to read.
_UNTIL_IT_ABORTS = """
import io, sys
from core.folders.parquet import packed
whole = bytearray(sys.stdin.buffer.read())
for place in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole) - 8):
    broken = bytes(whole[:place]) + bytes([(whole[place] + 1) % 256]) + bytes(whole[place + 1 :])
    print(place, flush=True)
    try:
        packed(io.BytesIO(broken), 100, 10_000)
    except Exception:
        pass
"""


def aborting():
    """A table, one byte of whose footer was raised by one, so that Arrow ends its process."""
    whole = data(GOOD)
    done = subprocess.run(
        [sys.executable, "-c", _UNTIL_IT_ABORTS], input=whole, capture_output=True, cwd=ROOT
    )
    if done.returncode >= 0:
        pytest.skip("this pyarrow ends at no damaged footer")
    place = int(done.stdout.split()[-1])
    return whole[:place] + bytes([(whole[place] + 1) % 256]) + whole[place + 1 :]


@pytest.mark.skipif(os.name == "nt", reason="has no signals")
def test_a_table_that_makes_arrow_abort_ends_no_process_but_its_own(tmp_path):
    broken = aborting()
    with pytest.raises(FolderError, match="not a Parquet table"):
        open_upload(broken, "mine.parquet")
    (tmp_path / "results.parquet").write_bytes(broken)
    with pytest.raises(FolderError, match="not a Parquet table"):
        open_results(tmp_path)
    assert open_upload(data(GOOD), "x").table.equals(GOOD)


@pytest.mark.parametrize("column", ["path", "error"])
def test_kilobytes_that_would_become_gigabytes_are_refused_in_little_memory(column):
    one = pa.array(["A" * 4096])
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 400_000, pa.int32()), one)
    many = GOOD.take(pa.array([0] * 400_000))
    number = many.schema.get_field_index(column)
    bomb = data(many.set_column(number, column, long), compression="zstd")
    assert len(bomb) < 400_000
    held = pa.total_allocated_bytes()
    with pytest.raises(FolderError, match="unpack to more bytes; at most 600,000,000"):
        open_upload(bomb, "x")
    assert pa.total_allocated_bytes() == held  # nothing was read by this process


def test_few_bytes_that_would_become_many_are_refused(monkeypatch):
    monkeypatch.setattr(results_table, "MAX_UNPACKED", 100_000)
    long = with_column("error", pa.array(["x" * 4000] * 20))
    open_upload(data(long), "x")
    many = pa.concat_tables([long] * 3)
    with pytest.raises(FolderError, match="unpack to more"):
        open_upload(data(many, compression="zstd"), "x")


def test_too_many_rows_and_too_large_files_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(results_table, "MAX_ROWS", 19)
    with pytest.raises(FolderError, match="20 rows; at most 19"):
        open_upload(data(GOOD), "x")
    monkeypatch.setattr(results_table, "MAX_UPLOAD", 100)
    with pytest.raises(FolderError, match="at most 100 are allowed"):
        open_upload(data(GOOD), "x")
    monkeypatch.setattr(results_table, "MAX_FILE", 100)
    (tmp_path / "results.parquet").write_bytes(data(GOOD))
    with pytest.raises(FolderError, match="at most 100 are allowed"):
        open_results(tmp_path)


def test_a_folder_says_where_its_pictures_are(tmp_path):
    (tmp_path / "results.parquet").write_bytes(data(GOOD))
    (tmp_path / "manifest.json").write_text('{"address": "/pictures", "model": "resnet18"}')
    opened = open_results(tmp_path)
    assert (opened.address, opened.model, opened.folder) == ("/pictures", "resnet18", tmp_path)
    assert open_results(tmp_path / "results.parquet").digest == opened.digest


@pytest.mark.parametrize("text", ["", "[]", "{", '{"address": 3, "model": []}', "[" * 100_000])
def test_without_a_manifest_there_are_numbers_but_no_pictures(tmp_path, text):
    (tmp_path / "results.parquet").write_bytes(data(GOOD))
    (tmp_path / "manifest.json").write_text(text)
    opened = open_results(tmp_path)
    assert opened.address is None
    assert opened.model is None


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(FolderError, match=r"no results\.parquet"):
        open_results(tmp_path)
    with pytest.raises(FolderError, match=r"no results\.parquet"):
        open_results(tmp_path / "absent")


def test_an_opened_table_written_again_is_the_same():
    again = io.BytesIO()
    pq.write_table(open_upload(data(GOOD), "x").table, again)
    assert open_upload(again.getvalue(), "x").table.equals(GOOD)
