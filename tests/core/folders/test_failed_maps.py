"""A method that fails for one picture costs it no other map, and the run says so."""

import json

import numpy as np
import pytest
from PIL import Image

from core.folders.mean_maps import mean_maps
from core.folders.results_table import open_results
from core.folders.selection import Filters, select
from core.models.registry import record
from tests.folders import fill, load_once, rows, run, stopped_and_finished, threads_as_before  # noqa: F401 - fixtures

BOTH = ("--methods", "enough,saliency,counterfactual", "--blocks", "4")
WHY = "enough: The baseline alone gets the same answer as the picture"


@pytest.fixture
def pictures(tmp_path):
    """A grey picture, which the grey baseline is equal to, its copy, and two others."""
    folder = fill(tmp_path / "in", ["a.png", "d.png"])
    for name in ("b.png", "c.png"):
        Image.new("RGB", (64, 64), (127, 127, 127)).save(folder / name)
    return folder


def maps_of(out, row):
    with np.load(out / row["maps"], allow_pickle=False) as arrays:
        return set(arrays) - {"manifest"}, json.loads(bytes(arrays["manifest"]))


def test_the_other_maps_are_kept(pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(pictures, out, *BOTH) == 0
    assert "4 pictures, 4 explained (2 not in full), 2 with an error." in (capsys.readouterr().out)
    counts = json.loads((out / "manifest.json").read_text("utf-8"))["counts"]
    assert (counts["explained"], counts["explained_in_part"], counts["errors"]) == (4, 2, 2)
    found = rows(out)
    for name in ("b.png", "c.png"):
        assert found[name]["error"].startswith(WHY)
        made, told = maps_of(out, found[name])
        assert made == set(told["maps"]) == {"saliency"}
        assert set(told["failed"]) == {"enough", "counterfactual"}
        assert told["failed"]["enough"] in found[name]["error"]
    for name in ("a.png", "d.png"):
        assert found[name]["error"] is None
        assert maps_of(out, found[name])[0] == {"enough", "saliency", "counterfactual"}
    results = open_results(out)
    (*_, last) = mean_maps(results, select(results, Filters()), record("efficientnet_lite0"))
    means = last.snapshot()
    assert {name: each.count for name, each in means.maps.items()} == {
        "enough": 2, "saliency": 4, "counterfactual": 2,
    }  # fmt: skip


def test_where_every_method_fails_there_is_no_file(pictures, tmp_path, capsys):
    assert run(pictures, tmp_path / "out", "--methods", "enough", "--blocks", "4") == 0
    assert "4 pictures, 2 explained, 2 with an error." in capsys.readouterr().out
    row = rows(tmp_path / "out")["b.png"]
    assert (row["maps"], row["error"].startswith("enough: The baseline alone")) == (None, True)
    assert row["predicted"] is not None


def test_a_run_that_is_stopped_behind_such_a_map_goes_on_to_the_same_result(
    pictures, tmp_path, monkeypatch
):
    out = stopped_and_finished(pictures, tmp_path, BOTH, monkeypatch, maps=2)
    assert rows(out)["b.png"]["error"].startswith(WHY)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--only", "wrong"), "--only is for maps: give --methods too, or leave it out."),
        (("--target", "label"), "--target is for maps: give --methods too"),
        (("--score", "probability"), "--score is for maps: give --methods too"),
        (("--methods", "lrp", "--rule", "epsilon", "--gamma", "3"), "--gamma is of no use where"),
        (("--methods", "grad_cam", "--layer", "a,a"), "'a' is there twice; give each layer once."),
    ],
)
def test_what_has_no_effect_is_refused(pictures, tmp_path, capsys, options, sentence):
    assert run(pictures, tmp_path / "out", *options) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_method_that_asks_no_class_says_so(pictures, tmp_path, capsys):
    given = ("--methods", "eigen_cam,saliency", "--target", "contrast", "--score", "probability")
    assert run(pictures, tmp_path / "out", *given) == 0
    assert (
        "--target and --score have no effect on Eigen-CAM, whose map does not depend on them.\n"
    ) in capsys.readouterr().err
