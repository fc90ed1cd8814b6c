"""The command as it is typed: numbers, folders that cannot be listed, and what is no file."""

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from core.__main__ import main
from tests import unprivileged
from tests.folders import fill, rows, run


@pytest.fixture(autouse=True)
def threads_as_before(one_thread):
    return one_thread


@pytest.mark.parametrize("option", ["--threads", "--batch", "--workers"])
@pytest.mark.parametrize("number", ["0", "-3", "1025", "3000000000", "9" * 5000, "1.5", "²", ""])
def test_numbers_that_no_machine_is_made_for(tmp_path, capsys, option, number):
    with pytest.raises(SystemExit) as left:
        main(["batch", str(tmp_path), "--out", str(tmp_path / "out"), f"{option}={number}"])
    assert left.value.code == 2
    assert f"argument {option}: give a whole number from 1 to 1,024" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
def test_a_pipe_and_a_device_are_rows_with_an_error(tmp_path, capsys):
    place = fill(tmp_path / "in", ["goose/a.png"])
    os.mkfifo(tmp_path / "pipe")
    (place / "goose" / "l.png").symlink_to(tmp_path / "pipe")
    (place / "z.png").symlink_to("/dev/zero")
    (place / "again").symlink_to("goose")
    assert run(place, tmp_path / "out") == 0
    told = capsys.readouterr()
    assert told.out.endswith("3 pictures, 0 of 2 labelled ones right, 2 with an error.\n")
    assert "links to folders, which are not followed: again." in told.err
    found = rows(tmp_path / "out")
    assert found["goose/a.png"]["predicted"] is not None
    for path in ("goose/l.png", "z.png"):
        sentence = f"{path} cannot be read (it is no regular file): check the path."
        assert found[path]["error"] == sentence
        assert found[path]["sha256"] is found[path]["predicted"] is None


def test_a_folder_that_cannot_be_listed_is_said_and_is_a_row():
    with unprivileged.place() as place:
        fill(place, ["in/a/1.png", "in/a/2.png", "in/b/3.png", "in/b/4.png"])
        (place / "in" / "b").chmod(0)
        out = place / "own" / "out"
        options = ("--out", out, "--device", "cpu", "--threads", 1)
        done = unprivileged.command("batch", place / "in", *options)
        assert done.returncode == 0
        assert done.stderr == (
            "2 pictures, 0 with a label; these folders cannot be listed, and are rows with an "
            "error: b.\n"
            "b is a folder that cannot be listed (Permission denied), so that its pictures are "
            "missing: check its rights.\n"
        )
        assert done.stdout.endswith("3 pictures, 1 with an error.\n")
        found = {
            row["path"]: row["error"] for row in pq.read_table(out / "results.parquet").to_pylist()
        }
    assert found == {
        "a/1.png": None,
        "a/2.png": None,
        "b": "b is a folder that cannot be listed (Permission denied), so that its pictures are "
        "missing: check its rights.",
    }


@pytest.mark.skipif(sys.platform == "darwin", reason="such a name cannot be there")
def test_folders_and_pictures_whose_names_are_no_unicode(tmp_path):
    place, out = (tmp_path / os.fsdecode(name) for name in (b"in\xff", b"out\xff"))
    fill(place, [os.fsdecode(b"\xfe.png"), "z.png"])
    command = ["-m", "core", "batch", place, "--out", out, "--device", "cpu", "--threads", "1"]
    for sentence in ("2 pictures, 0 with an error.\n", "nothing was left to do.\n"):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=unprivileged.ROOT,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "2 pictures, 0 with a label.\n")
        assert done.stdout.endswith(sentence)
    with (out / "results.parquet").open("rb") as file:
        assert pq.read_table(file)["path"].to_pylist() == ["\\udcfe.png", "z.png"]
    told = json.loads((out / "manifest.json").read_text("utf-8"))
    assert told["address"] == str(place)


def test_the_first_errors_are_told(tmp_path, capsys):
    place = fill(tmp_path / "in", ["a.png"])
    for name in "bcdef":
        (place / f"{name}.png").write_text("no picture")
    assert run(place, tmp_path / "out") == 0
    told = capsys.readouterr()
    assert told.out.endswith("6 pictures, 5 with an error.\n")
    *_, one, two, three, more = told.err.splitlines()
    assert [each[:7] for each in (one, two, three)] == ["b.png: ", "c.png: ", "d.png: "]
    assert more == "2 more: see the column error of results.parquet."
