"""The command export: what it says, and what it refuses."""

import json

import pytest
from PIL import Image

from core.__main__ import main
from tests.folders import fill, run
from tests.tables import columns, data, table

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A run of two pictures without maps, of which one cannot be read."""
    top = tmp_path_factory.mktemp("export")
    pictures = fill(top / "pictures", ["a.png", "b.png"])
    (pictures / "b.png").write_bytes(b"no picture")
    assert run(pictures, top / "results") == 0
    return top / "results"


@pytest.fixture
def export(capsys):
    def call(*arguments):
        code = main(["export", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.strip(), err.strip()

    return call


def test_what_is_written_and_what_is_missing(results, export, tmp_path):
    code, out, err = export(results, "--to", "coco", "--out", tmp_path / "a.json")
    assert (code, out) == (0, f"Wrote {tmp_path / 'a.json'}: 1 image, 0 maps.")
    assert err.startswith(
        "1 of 2 pictures is refused (b.png), and it is left out. The file is not a picture"
    )
    assert json.loads((tmp_path / "a.json").read_bytes())["annotations"] == []
    code, out, err = export(results, "--to", "fiftyone", "--out", tmp_path / "a")
    assert (code, out) == (0, f"Wrote {tmp_path / 'a'}: 2 samples, 0 maps.")
    assert "is refused (b.png), and its sample has no picture." in err
    code, out, err = export(results, "--to", "html", "--out", tmp_path / "a.html")
    assert code == 0
    assert err.startswith("The table names no maps")
    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!doctype html>")


def test_a_picture_of_a_shape_that_is_refused_is_not_said_to_be_unreadable(
    export, tmp_path, capsys
):
    pictures = fill(tmp_path / "pictures", ["a.png", "wide.png", "b.png"])
    Image.new("RGB", (2100, 4)).save(pictures / "wide.png")
    assert run(pictures, tmp_path / "results") == 0
    Image.new("RGB", (2100, 8)).save(pictures / "b.png")
    (pictures / "a.png").unlink()
    capsys.readouterr()
    code, out, err = export(tmp_path / "results", "--to", "coco", "--out", tmp_path / "a.json")
    assert (code, out) == (0, f"Wrote {tmp_path / 'a.json'}: 0 images, 0 maps.")
    lines = err.splitlines()
    assert lines[-3].startswith("1 of 3 pictures cannot be read, and it is left out: they were in")
    assert lines[-2].startswith(
        "1 of 3 pictures is refused (wide.png), and it is left out. The picture is 2100 × 4 pixels"
    )
    assert lines[-1] == (
        "1 picture is not that of the run: its file changed since (b.png); it is left out."
    )


def test_what_is_refused(results, export, tmp_path):
    out = ("--out", tmp_path / "out")
    for arguments, words in (
        ((tmp_path, "--to", "html", *out), "has no results.parquet that can be read"),
        ((results, "--to", "html", "--share", "0.2", *out), "--share is for --to coco"),
        ((results, "--to", "coco", "--share", "2", *out), "The share is 2: give a number"),
        ((results, "--to", "coco", "--out", tmp_path), "only a regular file is replaced"),
        ((results, "--to", "fiftyone", "--out", results), "is there already: choose a folder"),
    ):
        code, said, err = export(*arguments)
        assert (code, said) == (2, "")
        assert words in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_maps_of_a_model_that_is_not_there(export, tmp_path):
    found = columns(2)
    found["maps"] = [f"maps/{i:02x}/{i:02x}{'0' * 62}.npz" for i in range(2)]
    (tmp_path / "results.parquet").write_bytes(data(table(found)))
    code, _, err = export(tmp_path, "--to", "coco", "--out", tmp_path / "a.json")
    assert code == 2
    assert "does not say which model made it" in err
    (tmp_path / "manifest.json").write_text(json.dumps({"model": "pond", "address": "/"}))
    code, _, err = export(tmp_path, "--to", "fiftyone", "--out", tmp_path / "a")
    assert code == 2
    assert "was made with 'pond', which is not on the list of models: give --models too" in err
    code, _, err = export(tmp_path, "--to", "html", "--out", tmp_path / "a.html")
    assert code == 0  # the numbers are there
    assert "which is not on the list of models: give --models too" in err
    assert "There are no maps here." in (tmp_path / "a.html").read_text("utf-8")
