"""A folder of results: read without us, continued only where it is still what was written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from core.errors import FolderError
from core.files.checksums import SUMS
from core.folders.map_files import map_file
from core.folders.results import DECIDING, Results, run_of
from core.folders.results_schema import COLUMNS


def manifest(**others):
    said = {**dict.fromkeys(DECIDING, "x"), "settings": {"a": 1}, "folder": "in", **others}
    return {"run": run_of(said), **said}


MAPS = [f"maps/{digit * 2}/{digit * 64}.npz" for digit in "abc"]


def row(path, **others):
    return {"path": path, "seconds": 0.5, **others}


@pytest.fixture
def begin(tmp_path):
    """Opens the results as a run does; with them, what was found to differ."""

    def call(parts=3, **asked):
        results = Results(tmp_path / "out")
        with results.writing():  # a test needs no lock afterwards
            differing = results.check(lambda _text: None)
            results.expect(manifest(**asked), parts)
            results.begin(manifest(**asked))
        return results, differing

    return call


@pytest.fixture
def out(tmp_path, begin):
    """Three parts: two explained pictures, an error and another one, a copy of the first."""
    results, _ = begin()
    for name in MAPS:
        results.write_maps(name, map_file({}, {"file": name}))
    results.write_part(2, [row("e", maps=MAPS[0], top5_index=[1, 2], top5_name=["x", "y"])])
    results.write_part(0, [row("a", maps=MAPS[0]), row("b", maps=MAPS[1])])
    results.write_part(1, [row("c", error="bad"), row("d", maps=MAPS[2])])
    return tmp_path / "out"


@pytest.fixture
def complete(out, begin):
    results, _ = begin()
    assert results.merge() == 5
    results.end(manifest(complete=True))
    return out


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def test_the_table_holds_the_parts_that_are_there_in_order(begin, tmp_path):
    results, _ = begin()
    results.write_part(2, [row("c", top5_index=[1, 2], top5_name=["x", "y"], correct=True)])
    results.write_part(0, [row("a", error="bad"), row("b", label=3)])
    assert results.merge() == 3
    found = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert list(found.columns) == list(COLUMNS)
    assert list(found.path) == ["a", "b", "c"]
    assert found.error[0] == "bad"
    assert found.top5_name[2].tolist() == ["x", "y"]
    metadata = pq.read_schema(tmp_path / "out" / "results.parquet").metadata
    told = json.loads(metadata[b"where-it-looked"])
    assert told == {name: manifest()[name] for name in told}
    assert told["settings"] == {"a": 1}
    assert list(pd.read_parquet(tmp_path / "out" / "parts").path) == ["a", "b", "c"]


@pytest.mark.usefixtures("out")
def test_what_is_as_it_was_written_is_believed(begin):
    results, differing = begin()
    assert differing == []
    assert all(results.has_part(number) for number in range(3))
    assert all(results.known_maps(name, {"file": name}) for name in MAPS)
    assert results.known_maps(MAPS[0], {"file": MAPS[1]}) is None


def test_a_damaged_part_does_not_count(out, begin):
    flip(out / "parts" / "0000001.parquet")
    results, differing = begin()
    assert differing == ["parts/0000001.parquet"]
    assert [results.has_part(number) for number in range(3)] == [True, False, True]
    assert results.merge() == 3


def test_a_part_whose_maps_are_damaged_or_gone_does_not_count(out, begin):
    flip(out / MAPS[1])
    (out / MAPS[2]).unlink()
    results, differing = begin()
    assert differing == [MAPS[1]]
    assert [results.has_part(number) for number in range(3)] == [False, False, True]
    assert [results.known_maps(name, {}) is not None for name in MAPS] == [True, False, False]
    results.write_maps(MAPS[1], map_file({}, {"file": MAPS[1]}))
    assert results.has_part(0)


def test_files_in_one_anothers_place_do_not_count(out, begin):
    one, other = (out / "parts" / f"000000{number}.parquet" for number in (0, 1))
    one.rename(out / "x")
    other.rename(one)
    (out / "x").rename(other)
    assert not any(begin()[0].has_part(number) for number in (0, 1))


@pytest.mark.usefixtures("out")
def test_a_part_of_another_run_does_not_count(begin):
    results, differing = begin(settings={"a": 2})
    assert differing == []
    assert not any(results.has_part(number) for number in range(3))


def test_a_part_that_is_damaged_after_the_check_is_not_merged(out, begin):
    results, _ = begin()
    flip(out / "parts" / "0000000.parquet")
    assert results.merge() == 3


def test_junk_whose_digest_is_right_does_not_count(out, begin):
    sums = (out / SUMS).read_text()
    (out / "parts" / "0000001.parquet").write_bytes(b"junk")
    told = subprocess.run(("sha256sum", "parts/0000001.parquet"), cwd=out, capture_output=True)
    (out / SUMS).write_text(sums + told.stdout.decode())
    results, differing = begin()
    assert differing == []
    assert not results.has_part(1)


def test_a_complete_table_is_known_as_such(complete, begin):
    assert files(complete) == {*MAPS, ".lock", SUMS, "manifest.json", "results.parquet"}
    assert not (complete / "parts").exists()
    results, differing = begin()
    assert differing == []
    assert results.is_complete(5)
    assert not results.is_complete(6)


@pytest.mark.parametrize("name", ["results.parquet", *MAPS])
@pytest.mark.parametrize("harm", [flip, Path.unlink, lambda path: path.write_bytes(b"junk")])
def test_a_table_that_is_damaged_or_misses_maps_is_not_complete(complete, begin, name, harm):
    harm(complete / name)
    assert not begin()[0].is_complete(5)


def test_damaged_maps_leave_the_rows_of_a_whole_table(complete, begin):
    before = pq.read_table(complete / "results.parquet").to_pylist()
    flip(complete / MAPS[2])
    results, differing = begin()
    assert differing == [MAPS[2]]
    results.take_apart(5, 2)
    assert [results.has_part(number) for number in range(3)] == [True, False, True]
    results.write_maps(MAPS[2], map_file({}, {"file": MAPS[2]}))
    assert results.merge() == 5
    assert pq.read_table(complete / "results.parquet").to_pylist() == before


@pytest.mark.parametrize("asked", [{"rows": 6}, {"settings": {"a": 2}}])
def test_a_table_of_fewer_rows_or_another_run_is_not_taken_apart(complete, begin, asked):
    rows = asked.pop("rows", 5)
    results, _ = begin(**asked)
    results.take_apart(rows, 2)
    assert not (complete / "parts").exists()


def test_what_ended_just_before_it_tidied_up_is_tidied_up_later(out, begin, monkeypatch):
    results, _ = begin()
    results.merge()
    with monkeypatch.context() as patch:
        patch.setattr(Results, "_remove", lambda _self, _name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            results.end(manifest(complete=True))
    lines = (out / SUMS).read_text().splitlines(keepends=True)
    (out / SUMS).write_text("".join(line for line in lines if "0000001.parquet" not in line))
    results, differing = begin()
    assert differing == []
    assert results.is_complete(5)
    results.end(manifest(complete=True))
    assert files(out) == {*MAPS, ".lock", SUMS, "manifest.json", "results.parquet"}


def test_maps_that_the_table_does_not_name_go_in_the_end(out, begin):
    name = f"maps/ff/{'f' * 64}.npz"
    results, _ = begin()
    results.write_maps(name, map_file({}, {}))
    results.merge()
    results.end(manifest(complete=True))
    assert not (out / name).parent.exists()
    assert name not in (out / SUMS).read_text()


def test_the_end_writes_nothing_that_is_there(complete):
    before = {name: (complete / name).stat().st_mtime_ns for name in files(complete)}
    results = Results(complete)
    with results.writing():
        results.check(lambda _text: None)
        results.expect(manifest(), 3)
        results.end(manifest(complete=True))
    assert before == {name: (complete / name).stat().st_mtime_ns for name in files(complete)}


@pytest.mark.parametrize("fixture", ["out", "complete"])
def test_only_files_that_were_written_here_are_removed(request, fixture):
    out = request.getfixturevalue(fixture)
    foreign = ["maps/holiday.jpg", "maps/ab/x.npz", f"maps/ff/{'f' * 64}.npz", "parts/mine", "a"]
    for name in foreign:
        (out / name).parent.mkdir(exist_ok=True, parents=True)
        (out / name).write_bytes(b"mine")
    flip(out / MAPS[0])  # it is ours all the same
    results = Results(out)
    with results.writing():
        assert not results.clear()
    assert files(out) == {*foreign, ".lock"}
    assert not (out / "maps" / "aa").exists()


def test_all_of_it_goes_where_nothing_else_is(complete):
    results = Results(complete)
    with results.writing():
        assert results.clear()
    assert [path.name for path in complete.iterdir()] == [".lock"]


def test_without_its_digests_nothing_but_the_manifest_is_removed(complete):
    (complete / SUMS).unlink()
    results = Results(complete)
    with results.writing():
        assert results.manifest() is not None
        assert not results.clear()
    assert files(complete) == {*MAPS, ".lock", "results.parquet"}


OLD = {**manifest(), "complete": True}
del OLD["run"]


@pytest.mark.parametrize(
    "text",
    [
        '{"settings": {}}',
        "[1]",
        "{",
        "\xff",
        "[" * 100_000,
        "1" * 5_000,
        json.dumps({**manifest(), "settings": {"a": 2}}),
        json.dumps({**manifest(), "settings": []}),
        json.dumps({**manifest(), "run": 3}),
        json.dumps(OLD),
    ],
)
def test_a_manifest_that_is_none_of_ours_or_an_old_one_is_said(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, "latin-1")
    (tmp_path / "results.parquet").write_bytes(b"mine")
    results = Results(tmp_path)
    words = r"holds manifest\.json of something else, of an earlier version of this program, or"
    with results.writing(), pytest.raises(FolderError, match=words):
        results.manifest()
    assert files(tmp_path) == {"manifest.json", "results.parquet", ".lock"}


@pytest.mark.parametrize("name", ["results.parquet", "maps", "parts", SUMS])
def test_a_folder_of_something_else_is_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    results = Results(tmp_path)
    with results.writing(), pytest.raises(FolderError, match=f"holds {name} of something else"):
        results.manifest()
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_lost_manifest_is_no_reason_to_begin_anew(out):
    (out / "manifest.json").write_bytes(b"junk")
    results = Results(out)
    with results.writing():
        assert results.manifest() is None
        assert results.run == manifest()["run"]


def test_a_folder_whose_name_is_no_unicode_is_written_down(begin):
    begin(folder="a\udcff")


ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from core.folders.results import Results
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
    with Results(tmp_path).writing():
        pass


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_lock_that_is_something_else_is_said_and_left(tmp_path, kind):
    lock, other = tmp_path / ".lock", tmp_path / "other"
    other.write_bytes(b"mine")
    match kind:
        case "link":
            lock.symlink_to(other)
        case "pipe":
            os.mkfifo(lock)
        case _:
            lock.mkdir()
    with pytest.raises(FolderError, match=r"\.lock cannot be written to"):
        Results(tmp_path).writing().__enter__()
    assert other.read_bytes() == b"mine"


def test_a_lock_with_content_keeps_it(tmp_path):
    (tmp_path / ".lock").write_bytes(b"mine")
    with Results(tmp_path).writing():
        pass
    assert (tmp_path / ".lock").read_bytes() == b"mine"


def test_a_place_that_is_no_folder_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderError, match="file cannot be written to"):
        Results(tmp_path / "file").writing().__enter__()


def test_what_a_killed_run_left_unfinished_is_cleared_away_and_nothing_else(out, begin):
    ours = ["parts/0000000.parquet", MAPS[0], "manifest.json", "results.parquet", SUMS]
    left = [f"{name}.12345678.writing" for name in ours]
    foreign = ["novel.writing", "parts/novel.12345678.writing", "maps/aa/manifest.json.1.writing"]
    for name in (*left, *foreign):
        (out / name).write_bytes(b"half")
    begin()
    assert {name for name in files(out) if name.endswith(".writing")} == set(foreign)
