"""Files that are there whole or not at all, and can be read without us."""

import json
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.errors import FolderError
from core.results import DiskFullError, Results, manifest_of, map_file, write_whole
from core.results_schema import COLUMNS

MANIFEST = {"folder": "in", "model": "m", "weights_sha256": "w", "settings": {"a": 1}}


@contextmanager
def no_file_above(size):
    """The system refuses to let a file grow further, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_replaces_an_older_one_whole(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, lambda file: file.write(b"one"))
    write_whole(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_whole(path, lambda file: file.write(b"one"))
    with (
        no_file_above(1000),
        pytest.raises(DiskFullError, match=r"^There is no room for .*file \("),
    ):
        write_whole(path, lambda file: file.write(b"x" * 100_000))
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "file", lambda file: file.write(b"x") / 0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_folder_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderError, match=r"cannot be written .* choose another"):
        write_whole(tmp_path / "file" / "below", lambda file: file.write(b"x"))
    with (
        pytest.raises(FolderError, match="cannot be written to"),
        Results(tmp_path / "file").writing(),
    ):
        pass


def test_maps_are_read_by_numpy_alone_and_are_the_same_bytes_each_time(tmp_path):
    maps = {
        "ig": np.arange(12, dtype=np.float32).reshape(3, 4),
        "occlusion": np.zeros((3, 4), "f4"),
    }
    data = map_file(maps, {"b": "grün", "a": 1})
    assert data == map_file(maps, {"a": 1, "b": "grün"})
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    with np.load(path, allow_pickle=False) as found:
        assert {name: found[name].dtype for name in maps} == dict.fromkeys(maps, np.float32)
        assert all(np.array_equal(found[name], maps[name]) for name in maps)
        assert json.loads(bytes(found["manifest"])) == {"a": 1, "b": "grün"}
    assert manifest_of(path) == {"a": 1, "b": "grün"}


@pytest.mark.parametrize("data", [b"", b"PK\3\4 broken", map_file({}, {})[:-30], b"\x93NUMPY"])
def test_a_damaged_file_of_maps_counts_as_none(tmp_path, data):
    assert manifest_of(tmp_path / "none.npz") is None
    (tmp_path / "x.npz").write_bytes(data)
    assert manifest_of(tmp_path / "x.npz") is None


def row(path, **others):
    return {"path": path, "seconds": 0.5, **others}


def test_the_table_holds_the_parts_that_are_there_in_order(tmp_path):
    results = Results(tmp_path)
    results.begin(MANIFEST, "run", 3)
    results.write_part(2, [row("c", top5_index=[1, 2], top5_name=["x", "y"], correct=True)])
    results.write_part(0, [row("a", error="bad"), row("b", label=3)])
    assert results.merge() == 3
    found = pd.read_parquet(tmp_path / "results.parquet")
    assert list(found.columns) == list(COLUMNS)
    assert list(found.path) == ["a", "b", "c"]
    assert found.error[0] == "bad"
    assert found.top5_name[2].tolist() == ["x", "y"]
    told = json.loads(pq.read_schema(tmp_path / "results.parquet").metadata[b"where-it-looked"])
    assert told == MANIFEST
    assert list(pd.read_parquet(tmp_path / "parts").path) == ["a", "b", "c"]


def test_a_part_of_another_run_or_a_damaged_one_does_not_count(tmp_path):
    results = Results(tmp_path)
    results.begin(MANIFEST, "other run", 2)
    results.write_part(0, [row("a")])
    results.begin(MANIFEST, "run", 2)
    assert not results.has_part(0)
    results.write_part(1, [row("b")])
    assert results.has_part(1)
    part = tmp_path / "parts" / "0000001.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    assert not results.has_part(1)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "results.parquet").write_bytes(b"mine")
    with pytest.raises(FolderError, match=r"holds results\.parquet of something else"):
        Results(tmp_path).manifest()
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(FolderError, match="is not one of ours"):
        Results(tmp_path).manifest()
    assert (tmp_path / "results.parquet").read_bytes() == b"mine"


ROOT = Path(__file__).resolve().parent.parent
HOLD = """
import sys
from pathlib import Path
from core.results import Results
with Results(Path(sys.argv[1])).writing():
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_two_runs_do_not_write_at_once(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout.readline() == b"begun\n"
            with (
                pytest.raises(FolderError, match="Another run writes"),
                Results(tmp_path).writing(),
            ):
                pass
        finally:
            other.kill()
    left = tmp_path / "parts" / "0000000.parquet.12345678.writing"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with Results(tmp_path).writing():
        assert not left.exists()
