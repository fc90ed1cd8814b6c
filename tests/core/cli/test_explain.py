"""The command ``explain``, with the real model."""

import csv
import os
import re
import sys

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.drawing.paper import DPI
from core.explaining.explainer import Explainer
from core.methods.registry import METHOD_ALIASES
from core.models import classifiers, registry
from core.models.weights import Progress
from tests.commands import COARSE, GOOSE, KING_PENGUIN, QUICK, SWAN, record_in

pytestmark = pytest.mark.usefixtures("load_once")


def test_explain_occlusion_writes_scores_map_picture_and_record(run, tmp_path):
    code, lines, err = run("explain", SWAN, *COARSE, "--out", tmp_path / "new" / "maps")
    folder = tmp_path / "new" / "maps"
    assert (code, err) == (0, "")
    names = [f"swan_occlusion_112-80.{kind}" for kind in ("json", "npz", "png")]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert lines[0].startswith("EfficientNet-Lite0 says king penguin, 53 %. ")
    assert lines[1].startswith("Wrote ")
    assert all(str(folder / name) in lines[1] for name in names)

    arrays = np.load(folder / "swan_occlusion_112-80.npz")
    assert sorted(arrays) == ["clean", "corners", "scores", "values"]
    shapes = {name: (arrays[name].dtype.name, arrays[name].shape) for name in arrays}
    assert shapes == {
        "values": ("float32", (224, 224)),
        "scores": ("float32", (9, 1000)),
        "corners": ("int64", (9, 2)),
        "clean": ("float32", (1000,)),
    }
    total, count = np.zeros((224, 224)), np.zeros((224, 224))
    for (top, left), logits in zip(arrays["corners"], arrays["scores"], strict=True):
        window = np.s_[top : top + 112, left : left + 112]
        total[window] += arrays["clean"][KING_PENGUIN] - logits[KING_PENGUIN]
        count[window] += 1
    np.testing.assert_allclose(arrays["values"], total / count, atol=1e-5)

    record = record_in(folder, "swan_occlusion_112-80")
    assert record["image"] == "swan.jpg"
    assert record["method"] == "occlusion"
    assert (record["target"], record["target_name"]) == (KING_PENGUIN, "king penguin")
    assert record["contrast"] is record["contrast_name"] is None
    assert record["parameters"] == {"window": 112, "stride": 80, "baseline": "grey"}
    assert record["forward_passes"] == 9
    assert record["units"] == "logits"
    assert record["provenance"]["model"] == "efficientnet_lite0"
    assert [score["index"] for score in record["top"]][:2] == [KING_PENGUIN, GOOSE]
    assert record["top"][0]["probability"] == pytest.approx(0.528, abs=0.002)
    assert record["notes"] == [lines[0].split(" %. ", 1)[1]]

    with Image.open(folder / "swan_occlusion_112-80.png") as picture:
        assert picture.mode == "RGB"
        assert picture.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        assert picture.width > 1400


def test_a_class_is_found_by_its_exact_spelling(run, tmp_path):
    question = ("--target", "cardigan", "--contrast", "Cardigan")
    assert run("explain", SWAN, "--method", "saliency", *question, "--out", tmp_path)[0] == 0
    record = record_in(tmp_path, "swan_saliency_target-474_contrast-264")
    assert (record["target"], record["contrast"]) == (474, 264)


def test_a_kind_with_one_member_is_that_one(run, tmp_path):
    question = ("--target", "swan", "--contrast", "penguin")
    assert run("explain", SWAN, "--method", "saliency", *question, "--out", tmp_path)[0] == 0
    record = record_in(tmp_path, "swan_saliency_target-100_contrast-145")
    assert (record["target_name"], record["contrast_name"]) == ("black swan", "king penguin")


def test_explain_ig_with_a_contrast(run, tmp_path):
    question = ("--target", "GOOSE", "--contrast", "145", "--score", "probability")
    code, lines, _ = run("explain", SWAN, *QUICK, *question, "--out", tmp_path)
    assert code == 0
    assert "The map goes from −" in lines[0]
    assert lines[0].endswith(" probability.")
    assert "Explained: probability of goose minus king penguin. " in lines[0]
    name = "swan_ig_2_target-99_contrast-145_score-probability"
    record = record_in(tmp_path, name)
    assert (record["target_name"], record["contrast_name"]) == ("goose", "king penguin")
    assert record["kind"] == "probability"
    assert record["parameters"] == {"steps": 2, "baseline": "grey"}
    arrays = np.load(tmp_path / f"{name}.npz")
    assert list(arrays) == ["values"]
    assert arrays["values"].dtype == np.float32
    assert arrays["values"].shape == (224, 224)
    # Completeness, but for the gap that the record states: the score is 0.138 - 0.528 at the end.
    start = arrays["values"].sum() - record["completeness_gap"]
    assert abs((0.138 - 0.528) - start) < 0.05


@pytest.mark.parametrize(
    ("method", "options", "name"),
    [
        ("saliency", (), "saliency"),
        ("smoothgrad", ("--samples", 2, "--seed", 3), "smoothgrad_saliency-2-0.3-3"),
        ("gradient_shap", ("--samples", 2, "--baseline", "noise:5"), None),
        ("grad_cam", (), "grad_cam"),
        ("superpixels", ("--segments", 6, "--baseline", "blur:6"), "superpixels_6-blur-6"),
        ("ig", ("--steps", 2, "--baseline", f"picture:{SWAN.parent / 'penguin.jpg'}"), None),
    ],
)
def test_explain_by_other_methods(run, tmp_path, method, options, name):
    code, lines, err = run("explain", SWAN, "--method", method, *options, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert "The map goes from " in lines[0]
    (array,) = tmp_path.glob("*.npz")
    if name is not None:
        assert array.stem == f"swan_{name}"
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"{array.stem}.{kind}" for kind in ("json", "npz", "png")]
    record = record_in(tmp_path, array.stem)
    assert record["method"] == METHOD_ALIASES.get(method, method)
    values = np.load(array)["values"]
    assert values.shape == (224, 224)
    assert np.abs(values).max() > 0
    if record["completeness_gap"] is not None:
        total = values.sum(dtype=float)
        assert total - record["score_change"] == pytest.approx(record["completeness_gap"])


def test_two_windows_in_one_folder_do_not_overwrite_each_other(run, tmp_path):
    for window in (112, 200):
        options = ("--method", "occlusion", "--window", window, "--stride", 100)
        assert run("explain", SWAN, *options, "--out", tmp_path)[0] == 0
    found = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert found == ["swan_occlusion_112-100.npz", "swan_occlusion_200-100.npz"]


def test_models_and_pictures_do_not_overwrite_each_other(run, tmp_path):
    lite0, lite1 = ("--model", "efficientnet_lite0"), ("--model", "efficientnet_lite1")
    out = "--out", tmp_path / "a"
    assert run("explain", SWAN, *lite0, *lite1, "--method", "saliency", *out)[0] == 0
    found = sorted(path.name for path in out[1].glob("*.npz"))
    assert found == [f"swan_efficientnet_lite{number}_saliency.npz" for number in (0, 1)]
    copy = tmp_path / "swan.jpg"
    copy.write_bytes(SWAN.read_bytes())
    code, _, error = run("explain", SWAN, copy, *lite0, "--method", "saliency", *out)
    assert code == 2
    assert "swan_*: give another --out for each." in error


QUESTIONS = {
    "": (),
    "_target-99": ("--target", "goose"),
    "_contrast-99": ("--contrast", "goose"),
    "_score-probability": ("--score", "probability"),
    "_target-99_contrast-145": ("--target", "99", "--contrast", "king penguin"),
}


def test_questions_in_one_folder_do_not_overwrite_each_other(run, tmp_path):
    given = ("--method", "input_x_gradient", "--out", tmp_path)
    for question in QUESTIONS.values():
        code, _, err = run("explain", SWAN, *given, *question)
        assert (code, err) == (0, "")
    found = {path.stem.removeprefix("swan_input_x_gradient") for path in tmp_path.glob("*.npz")}
    assert found == set(QUESTIONS)
    maps = [np.load(path)["values"].tobytes() for path in tmp_path.glob("*.npz")]
    assert len(set(maps)) == len(maps)
    assert run("explain", SWAN, *given)[2] == ""  # the same map again


def test_what_replaces_another_map_says_so(run, tmp_path):
    given = ("--method", "saliency", "--out", tmp_path)
    for picture in ("swan.jpg", "swan.png"):
        with Image.open(SWAN) as photo:
            photo.resize((300, 200)).save(tmp_path / picture)
    lite1 = ("--model", "efficientnet_lite1")
    for picture, model, other in (
        ("swan.jpg", (), None),
        ("swan.png", (), "picture"),
        ("swan.png", lite1, "model"),
        ("swan.png", lite1, None),
    ):
        code, _, err = run("explain", tmp_path / picture, *given, *model)
        expected = (
            f"swan_saliency.* in {tmp_path} are replaced, which were of another {other}: give "
            "another --out to keep both.\n"
        )
        assert (code, err) == (0, expected if other else "")
    assert record_in(tmp_path, "swan_saliency")["provenance"]["model"] == "efficientnet_lite1"
    options = ("--method", "occlusion", "--window", 200, "--stride", 200, "--out", tmp_path)
    assert run("explain", SWAN, *options)[2] == ""
    assert "of another setting: " in run("explain", SWAN, *options, "--engine", "captum")[2]


def test_a_map_that_asks_no_class_says_so(run, tmp_path):
    both = ("--method", "eigen_cam", "--method", "saliency", "--out", tmp_path)
    question = ("--target", "goose", "--score", "probability")
    code, _, err = run("explain", SWAN, *both, *question)
    sentence = (
        "--target and --score have no effect on Eigen-CAM, whose map does not depend on them."
    )
    assert (code, err) == (0, f"{sentence}\n")
    record = record_in(tmp_path, "swan_eigen_cam")  # it is the map of every class
    assert sentence in record["notes"]
    assert sentence not in record_in(tmp_path, "swan_saliency_target-99_score-probability")["notes"]
    code, _, err = run("explain", SWAN, "--method", "eigen_cam", "--out", tmp_path)
    assert (code, err) == (0, "")
    assert record_in(tmp_path, "swan_eigen_cam")["notes"] == record["notes"][1:]


def test_a_number_of_lrp_that_the_network_has_no_rule_for(run, tmp_path):
    given = ("--method", "lrp", "--out", tmp_path)
    code, _, err = run("explain", SWAN, *given, "--gamma", "3")
    sentence = "Gamma 3: no effect, by rule epsilon_plus_flat of this network."
    assert (code, err) == (0, f"{sentence}\n")
    record = record_in(tmp_path, "swan_lrp_auto-1e-06-3.0")
    assert sentence in record["notes"]
    assert record["found"] == {"rule": "epsilon_plus_flat", "numbers": ["epsilon"]}
    assert run("explain", SWAN, *given, "--epsilon", "0.1")[2] == ""


def test_captum_gives_the_same_map_and_no_scores(run, tmp_path):
    assert run("explain", SWAN, *COARSE, "--out", tmp_path / "a")[0] == 0
    options = ("--engine", "captum", "--out", tmp_path / "b")
    assert run("explain", SWAN, *COARSE, *options)[0] == 0
    ours, captum = (np.load(tmp_path / side / "swan_occlusion_112-80.npz") for side in "ab")
    assert list(captum) == ["values"]
    np.testing.assert_allclose(captum["values"], ours["values"], atol=1e-4)
    first, second = (record_in(tmp_path / side, "swan_occlusion_112-80") for side in "ab")
    assert second["parameters"] == {**first["parameters"], "engine": "captum"}
    assert second["provenance"] == first["provenance"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--method", "occlusion", "--window", 300], "Window height: 300 pixels"),
        (["--method", "occlusion", "--window", 0], "Window height: 0 pixels"),
        (["--method", "occlusion", "--stride", 16], "choose between 1 and 15"),
        (["--method", "ig", "--steps", 0], "choose between 1 and 1000"),
        (
            ["--method", "ig", "--window", 15],
            "--window does not belong to integrated_gradients, but to occlusion",
        ),
        (["--method", "ig", "--engine", "captum"], "--engine belongs to occlusion"),
        (
            ["--method", "occlusion", "--steps", 9],
            "--steps does not belong to occlusion, but to integrated_gradients",
        ),
        (["--method", "saliency", "--baseline", "grey"], "--baseline does not belong to saliency"),
        (["--method", "occlusion", "--baseline", "pink"], 'There is no baseline "pink"'),
        (["--method", "ig", "--baseline", "blur:0"], "choose a sigma between 0.5 and 100"),
        (["--method", "ig", "--baseline", "picture:gone.jpg"], "cannot be read"),
        (["--method", "smoothgrad_sq", "--steps", "enough"], "needs the same steps"),
        (["--method", "vargrad", "--samples", 1], "choose between 2 and 200"),
        (
            ["--method", "grad_cam", "--layer", "layer9"],
            'There is no layer "layer9": choose one of',
        ),
        (
            ["--method", "lrp", "--rule", "epsilon", "--gamma", 3],
            "--gamma is of no use where --rule is epsilon: leave it out, or choose one of auto, "
            "epsilon_gamma_box, attn.",
        ),
        (["--method", "counterfactual", "--keep", 0.5], "--keep does not belong to counterfactual"),
        (["--method", "grad_cam", "--layer", ""], "Layer '': a name is empty"),
        (["--method", "grad_cam", "--layer", "1,1"], "'1' is there twice; give each layer once."),
        ([*QUICK, "--region-names", "names.csv"], "--region-names are those of --regions"),
        ([*QUICK, "--no-photo"], "--no-photo is for bundles: add --bundle FILE, or leave it out."),
        ([*QUICK, "--same-scale"], "--same-scale is for bundles"),
        ([*QUICK, "--link", "http://localhost"], "--link is for bundles"),
        (
            [*QUICK, "--no-photo", "--original", "--bundle", "out.zip"],
            "--no-photo leaves out what --original includes: leave one out.",
        ),
        ([*QUICK, "--target", "mute swan"], "nearest: black swan, goose"),
        ([*QUICK, "--target", "1000"], 'no class "1000"'),
        ([*QUICK, "--target", "CARDIGAN"], "Cardigan (class 264) or cardigan (class 474)"),
        ([*QUICK, "--contrast", "king penguin"], "same class"),
        (
            [*QUICK, "--model", "resnet19"],
            'no model "resnet19" (did you mean resnet18?): choose one of',
        ),
    ],
)
def test_bad_settings_end_in_one_sentence(run, tmp_path, options, sentence):
    code, lines, err = run("explain", SWAN, *options, "--out", tmp_path / "maps")
    assert (code, lines) == (2, [])
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "maps").exists()


def test_one_of_several_pictures_is_refused_by_name_before_any_map(run, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(SWAN.read_bytes()[:2000])
    code, lines, err = run("explain", SWAN, cut, *QUICK, "--out", tmp_path / "maps")
    assert (code, lines) == (2, [])
    assert err.startswith("cut.jpg: The JPEG file is incomplete")
    gone = tmp_path / "gone.jpg"
    code, _, err = run("explain", SWAN, gone, *QUICK, "--out", tmp_path / "maps")
    assert (code, err.count("gone.jpg")) == (2, 1)
    assert not (tmp_path / "maps").exists()


def test_a_folder_that_cannot_be_written_to(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, lines, err = run("explain", SWAN, *QUICK, "--out", tmp_path / "file")
    assert (code, lines) == (2, [])
    assert "choose another folder" in err


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("explain", SWAN, *QUICK), "swan_ig_2.png"),
        (("trust", SWAN, *QUICK), "swan_ig_2_trust.json"),
        (("study",), "study.png"),
        (("study",), "swan_occlusion_15-8.npz"),
    ],
)
def test_what_cannot_be_written_is_found_before_anything_is_computed(
    run, tmp_path, monkeypatch, command, name
):
    def computed(*_):
        raise AssertionError("computed in vain")

    monkeypatch.setattr(classifiers, "load", computed)
    (tmp_path / "file").touch()
    (tmp_path / "out" / name).mkdir(parents=True)
    for out, reason in (
        ("file", "file is no folder"),
        ("file/new", "Not a directory"),
        ("out", f"{name} is a folder, and only a regular file is replaced"),
    ):
        code, lines, err = run(*command, "--out", tmp_path / out)
        assert (code, lines) == (2, [])
        assert f"({tmp_path}/{reason}): choose another folder" in err or f"({reason})" in err
        assert err.count("\n") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


@pytest.mark.skipif(sys.platform == "darwin", reason="such a name cannot be there")
def test_names_that_are_no_unicode(tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff")
    odd.mkdir()
    picture = odd / os.fsdecode(b"\xfe.jpg")
    picture.write_bytes(SWAN.read_bytes())
    assert main(["explain", str(picture), *QUICK, "--out", str(odd), "--device", "cpu"]) == 0
    stem = os.fsdecode(b"\xfe_ig_2")
    assert record_in(odd, stem)["image"] == "\\udcfe.jpg"
    assert np.load(odd / f"{stem}.npz")["values"].shape == (224, 224)


def test_what_was_changed_on_opening_is_said_and_recorded(run, tmp_path):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    code, _, err = run("explain", tmp_path / "moving.gif", *QUICK, "--out", tmp_path)
    assert code == 0
    assert err == "The file is animated; the first of 2 frames is shown.\n"
    assert record_in(tmp_path, "moving_ig_2")["notes"][0] == err.strip()


def test_progress_is_one_line_on_a_terminal(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    arriving = [Progress(12_000_000, 45_000_000)]
    monkeypatch.setattr(registry, "download", lambda _: iter(arriving))
    _, _, err = run("explain", SWAN, *COARSE, "--out", tmp_path)
    assert "Downloading efficientnet_lite0: 12 of 45 MB" in err
    assert "9 of 9 passes" in err
    assert "\n" not in err
    assert err.endswith("\r\x1b[K")


def test_an_interrupt_is_quiet(run, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Explainer, "steps", interrupted)
    assert run("explain", SWAN, *QUICK, "--out", tmp_path) == (130, [], "")


def test_explain_own_regions(run, tmp_path):
    """What each region is worth, as a table; and the bundle can be verified without the file."""
    with Image.open(SWAN) as photo:
        labels = Image.new("RGB", photo.size)
    labels.paste((255, 0, 0), (100, 100, 300, 300))
    labels.paste((0, 0, 255), (300, 100, 500, 300))
    labels.save(tmp_path / "labels.png")
    (tmp_path / "names.csv").write_text("#ff0000,beak\n", "utf-8")
    given = ("--regions", tmp_path / "labels.png", "--region-names", tmp_path / "names.csv")
    to = ("--out", tmp_path / "out", "--bundle", tmp_path / "out.zip")
    code, lines, err = run("explain", SWAN, "--method", "superpixels", *given, *to)
    assert (code, err) == (0, "")
    (table,) = (tmp_path / "out").glob("*.csv")
    assert re.fullmatch(r"swan_superpixels_regions-[0-9a-f]{7}~[0-9a-f]{8}", table.stem)
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert {row["name"] for row in rows} == {"beak", "#0000ff"}
    assert any(line.startswith("beak: ") for line in lines)
    values = np.load(table.with_suffix(".npz"))["values"]
    assert {float(row["worth"]) for row in rows} | {0.0} == set(np.unique(values).tolist())
    code, lines, err = run("verify", tmp_path / "out.zip")
    assert (code, lines[-1]) == (0, "Equal."), lines
    code, _, err = run("explain", SWAN, "--method", "lime", *given[:2], "--segments", "9", *to)
    assert (code, "--segments is of no use where --regions is given" in err) == (2, True)
    Image.new("L", (9, 9), 1).save(tmp_path / "labels.png")
    code, _, err = run("explain", SWAN, "--method", "lime", *given[:2], *to)
    assert (code, "The label image is 9 × 9 pixels and the photo" in err) == (2, True)
