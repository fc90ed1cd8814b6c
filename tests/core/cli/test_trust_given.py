"""The command ``trust`` on a map made elsewhere, beside those of methods."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from torch import nn

from core.models import classifiers
from tests.commands import SWAN, record_in
from tests.core.explaining.test_explainer import staged
from tests.toys import seeded

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = ("--points", "3", "--repeats", "2", "--block", "14", "--target", "1")
SAID = ("--sign", "signed", "--unit", "score")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A network of six classes that looks at 28 pixels a side."""
    toy = staged()
    toy.module.last = seeded(lambda: nn.Linear(8, 6))
    toy = replace(toy, record=replace(toy.record, class_names=tuple("abcdef")))
    monkeypatch.setattr(classifiers, "load", lambda *_: toy)


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.npy"
    np.save(path, np.random.default_rng(0).normal(size=(28, 28)))
    return path


def test_our_own_map_given_back_has_our_numbers(run, tmp_path):
    code, _, err = run("explain", SWAN, "--method", "deep_lift", "--target", "1", "--out", tmp_path)
    assert (code, err) == (0, "")
    (ours,) = tmp_path.glob("*.npz")
    out = tmp_path / "out"
    code, lines, err = run(
        *("trust", SWAN, "--map", ours, *SAID, "--adds-up", "--title", "back"),
        *("--method", "deep_lift", *FEW, "--out", out),
    )
    assert (code, err) == (0, "")
    back, expected = (
        record_in(out, path.stem) for path in sorted(out.glob("*_trust.json"), reverse=True)
    )
    assert (back["method"], back["parameters"]["title"]) == ("given", "back")
    assert expected["method"] == "deep_lift"
    for part in ("curves", "infidelity"):
        assert back["trust"][part] == expected["trust"][part]
    assert back["score_change"] == expected["score_change"]
    assert "randomisation" not in back["trust"]
    assert "? weight randomisation (map made elsewhere)" in lines
    table = lines[-4:-1]
    assert [row.split("  ")[0] for row in table] == ["map", "back", "DeepLift"]
    assert table[1].count("not measurable") == 2
    assert table[1].split("complet")[0].split("  ")[1] in table[2]
    with Image.open(out / "swan_maps_trust.png") as picture:
        assert picture.width > 1000


@pytest.mark.parametrize("other", ["picture", "score", "target", None])
def test_a_map_of_ours_of_something_else_says_so(run, tmp_path, other):
    """Its record lies beside it."""
    picture, question = tmp_path / "other.png", {"score": ("--score", "probability")}.get(other, ())
    with Image.open(SWAN) as photo:
        photo.rotate(90).save(picture)
    of = picture if other == "picture" else SWAN
    target = ("--target", "2" if other == "target" else "1", *question)
    run("explain", of, "--method", "saliency", *target, "--out", tmp_path)
    (ours,) = tmp_path.glob("*.npz")
    out = tmp_path / "out"
    given = ("--map", ours, "--sign", "positive", "--unit", "none", *FEW)
    code, _, err = run("trust", SWAN, *given, "--out", out)
    sentence = (
        f"{ours.stem}.json beside the map says that it is of another {other}: what follows judges "
        f"it as a map of this {other}."
    )
    assert (code, err) == (0, f"{sentence}\n" if other else "")
    (record,) = out.glob("*_trust.json")
    assert (sentence in record_in(out, record.stem)["notes"]) == bool(other)


def test_a_map_of_eigen_cam_is_of_every_target(run, tmp_path):
    run("explain", SWAN, "--method", "eigen_cam", "--out", tmp_path)
    given = ("--map", tmp_path / "swan_eigen_cam.npz", "--sign", "positive", "--unit", "none", *FEW)
    assert run("trust", SWAN, *given, "--out", tmp_path / "out")[::2] == (0, "")


@pytest.mark.parametrize("text", ["[]", "{}", '{"provenance": 3, "method": []}', "{"])
def test_another_file_beside_a_map_is_nothing_to_speak_of(run, tmp_path, mine, text):
    mine.with_suffix(".json").write_text(text, "utf-8")
    assert run("trust", SWAN, "--map", mine, *SAID, *FEW, "--out", tmp_path / "out")[::2] == (0, "")


def test_a_map_alone_is_judged(run, tmp_path, mine):
    code, lines, err = run("trust", SWAN, "--map", mine, *SAID, *FEW, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert lines[0][:2] in ("+ ", "- ", "~ ")
    assert record_in(tmp_path, "swan_map-mine_target-1_trust")["units"] == "logits"
    assert not (tmp_path / "swan_maps_trust.png").exists()


def test_a_png_of_greys_counts_by_its_order(run, tmp_path):
    path = tmp_path / "heat.png"
    Image.fromarray(np.arange(784, dtype=np.uint16).reshape(28, 28).astype(np.uint8)).save(path)
    code, lines, err = run(
        "trust", SWAN, "--map", path, "--sign", "positive", *FEW, "--out", tmp_path
    )
    assert code == 0
    assert err.startswith("The PNG holds 256 greys and no scale")
    assert "? infidelity (only the order is known)" in lines


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "There is no map to judge: give --method NAME, --map FILE, or both."),
        (("--sign", "signed"), "--sign is about a map made elsewhere: give --map FILE too"),
        (("--map", "{mine}"), "Say what the map's sign means with --sign: signed (below zero"),
        (("--map", "{mine}", "--sign", "signed"), "Say what the map's values count with --unit:"),
        (("--map", "{mine}", "--sign", "odd", "--unit", "none"), "There is no sign odd of a map"),
        (
            ("--map", "{mine}", "--sign", "positive", "--unit", "none"),
            "values are below zero, and it was said to be positive",
        ),
        (("--map", "{mine}", *SAID, "--title", ""), "The title of the map is empty: give 1 to 60"),
        (("--title", ""), "--title is about a map made elsewhere: give --map FILE too"),
        (
            ("--map", "{mine}", *SAID, "--window", "5"),
            "--window belongs to a method: give --method too, or leave it out.",
        ),
        (("--map", "nowhere.npy", *SAID), "The map nowhere.npy cannot be read"),
        (("--map", "{swan}", *SAID), "neither .npy nor .npz nor PNG"),
        (
            ("--map", "{mine}", *SAID, "--title", "Saliency", "--method", "saliency"),
            "The map made elsewhere has the title of a method, Saliency",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_sentence(run, tmp_path, mine, options, sentence):
    given = [each.format(mine=mine, swan=SWAN) for each in options]
    code, lines, err = run("trust", SWAN, *given, "--out", tmp_path / "a")
    assert (code, lines) == (2, [])
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_the_baseline_of_the_map_is_none_of_a_method_that_has_none(run, tmp_path, mine):
    code, _, err = run(
        *("trust", SWAN, "--map", mine, *SAID, "--adds-up", "--baseline", "black"),
        *("--method", "saliency", *FEW, "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    found = record_in(tmp_path, "swan_map-mine_target-1_trust")
    assert found["parameters"]["baseline"] == "black"
    other = record_in(tmp_path, "swan_saliency_target-1_trust")["parameters"]
    assert other["baseline"] != "black"


def test_a_single_block_has_no_order(run, tmp_path, mine):
    code, lines, err = run(
        *("trust", SWAN, "--map", mine, *SAID, *FEW[:4], "--target", "1"),
        *("--block", "28", "--reveal", "road", "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    assert "? deletion and insertion (no order)" in lines
    assert "road_combined" not in record_in(tmp_path, "swan_map-mine_target-1_trust")["trust"]


def test_channels_are_asked_for_with_the_name_of_the_option(run, tmp_path):
    path = tmp_path / "channels.npy"
    np.save(path, np.random.default_rng(0).normal(size=(3, 28, 28)))
    code, _, err = run("trust", SWAN, "--map", path, *SAID, *FEW, "--out", tmp_path)
    assert code == 2
    assert err.startswith("The map has 3 channels: say how they become one, by sum (")
    assert err.endswith(" That is said with --channels.\n")
    joined = ("--channels", "absolute")
    assert run("trust", SWAN, "--map", path, *SAID, *joined, *FEW, "--out", tmp_path)[0] == 0
