"""The command line, in process and once as a process, with the real model."""

import csv
import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_explainer import staged
from torch import nn
from toys import seeded

from core import commands, models, study
from core.__main__ import main
from core.explainer import Explainer
from core.memory import memory
from core.panel import DPI
from core.settings import IntegratedGradientsSetting, OcclusionSetting, SmoothSetting
from core.weights import Progress
from core.work import METHOD_ALIASES

ROOT = Path(__file__).resolve().parent.parent
SWAN = ROOT / "sample_images" / "swan.jpg"
KING_PENGUIN, GOOSE = 145, 99
COARSE = ("--method", "occlusion", "--window", "112", "--stride", "80")  # 9 windows
QUICK = ("--method", "ig", "--steps", "2")


@pytest.fixture(autouse=True, scope="module")
def load_once():
    """Each command loads its model; the tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load", functools.cache(models.load))
        yield


@pytest.fixture
def run(capsys):
    """Runs a command on the CPU: gives exit code, lines of stdout, text of stderr."""

    def call(*arguments):
        cpu = () if arguments[0] == "models" else ("--device", "cpu")
        code = main([*map(str, arguments), *cpu])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


@pytest.fixture
def run_without_device(capsys):
    """Runs a command that has no --device."""

    def call(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


def record_in(folder, name):
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def test_predict_prints_an_aligned_table(run):
    code, lines, err = run("predict", SWAN, "--top", 3)
    assert (code, err) == (0, "")
    assert lines[0] == "EfficientNet-Lite0 on cpu"
    assert lines[1].split() == ["rank", "class", "name", "probability", "logit"]
    assert lines[2].split() == ["1", "145", "king", "penguin", "52.8", "%", "8.068"]
    assert lines[3].split()[:3] == ["2", "99", "goose"]
    assert len(lines) == 5
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[1].index("name") == lines[2].index("king") == lines[3].index("goose")


def test_predict_as_a_process():
    found = subprocess.run(
        [sys.executable, "-W", "error", "-m", "core", "predict", str(SWAN), "--top", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert "king penguin" in found.stdout
    assert "52.8 %" in found.stdout
    assert found.stderr == ""


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
    record = record_in(tmp_path, "swan_saliency")
    assert (record["target"], record["contrast"]) == (474, 264)


def test_a_kind_with_one_member_is_that_one(run, tmp_path):
    question = ("--target", "swan", "--contrast", "penguin")
    assert run("explain", SWAN, "--method", "saliency", *question, "--out", tmp_path)[0] == 0
    record = record_in(tmp_path, "swan_saliency")
    assert (record["target_name"], record["contrast_name"]) == ("black swan", "king penguin")


def test_explain_ig_with_a_contrast(run, tmp_path):
    question = ("--target", "GOOSE", "--contrast", "145", "--score", "probability")
    code, lines, _ = run("explain", SWAN, *QUICK, *question, "--out", tmp_path)
    assert code == 0
    assert "The map goes from −" in lines[0]
    assert lines[0].endswith(" probability.")
    record = record_in(tmp_path, "swan_ig_2")
    assert (record["target_name"], record["contrast_name"]) == ("goose", "king penguin")
    assert record["kind"] == "probability"
    assert record["parameters"] == {"steps": 2, "baseline": "grey"}
    arrays = np.load(tmp_path / "swan_ig_2.npz")
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


def test_study_writes_all_maps_a_page_and_a_table(run, tmp_path, monkeypatch):
    quick = SmoothSetting(IntegratedGradientsSetting(2), "smoothgrad_sq", samples=2)
    monkeypatch.setattr(study, "SMOOTHING", quick)
    windows = (OcclusionSetting(112, 100), OcclusionSetting(200, 24))
    monkeypatch.setattr(study, "WINDOWS", {"penguin": windows, "swan": windows})
    code, lines, err = run("study", "--out", tmp_path / "study")
    assert (code, err) == (0, "")
    maps = [
        f"{picture}_{name}"
        for picture in ("penguin", "swan")
        for name in (
            "occlusion_112-100",
            "occlusion_200-24",
            "smoothgrad_sq_integrated_gradients-2-1.0-0-2",
        )
    ]
    names = {f"{name}.{kind}" for name in maps for kind in ("npz", "json")}
    found = {path.name for path in (tmp_path / "study").iterdir()}
    assert found == names | {"predictions.csv", "study.png"}
    for name in maps:
        assert np.load(tmp_path / "study" / f"{name}.npz")["values"].shape == (224, 224)
        record = record_in(tmp_path / "study", name)
        assert record["image"] == f"{name.split('_')[0]}.jpg"
        assert record["target_name"] == record["top"][0]["name"]
    with (tmp_path / "study" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["picture", "class", "name", "probability"]
    assert [row[:3] for row in rows[1:]] == [
        ["penguin.jpg", "145", "king penguin"],
        ["swan.jpg", "145", "king penguin"],
    ]
    assert float(rows[2][3]) == pytest.approx(0.528, abs=0.002)
    with Image.open(tmp_path / "study" / "study.png") as page:
        assert page.mode == "RGB"
        assert page.width == 1800
    assert "king penguin" in "\n".join(lines)


def test_study_without_its_pictures(run, tmp_path):
    code, lines, err = run("study", "--images", tmp_path, "--out", tmp_path / "study")
    assert (code, lines) == (2, [])
    assert err.startswith(f"There is no penguin in {tmp_path}: give a folder with penguin.jpg")
    assert err.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_two_windows_in_one_folder_do_not_overwrite_each_other(run, tmp_path):
    for window in (112, 200):
        options = ("--method", "occlusion", "--window", window, "--stride", 100)
        assert run("explain", SWAN, *options, "--out", tmp_path)[0] == 0
    found = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert found == ["swan_occlusion_112-100.npz", "swan_occlusion_200-100.npz"]


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
        ([*QUICK, "--target", "mute swan"], "nearest: black swan, goose"),
        ([*QUICK, "--target", "1000"], 'no class "1000"'),
        ([*QUICK, "--target", "CARDIGAN"], "Cardigan (class 264) or cardigan (class 474)"),
        ([*QUICK, "--contrast", "king penguin"], "same class"),
        ([*QUICK, "--model", "resnet19"], 'no model "resnet19": choose one of'),
    ],
)
def test_bad_settings_end_in_one_sentence(run, tmp_path, options, sentence):
    code, lines, err = run("explain", SWAN, *options, "--out", tmp_path / "maps")
    assert (code, lines) == (2, [])
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "maps").exists()


def test_bad_files_end_in_one_sentence(run, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for path, sentence in ((text, "not a picture"), (tmp_path / "gone.jpg", "cannot be read")):
        code, lines, err = run("predict", path)
        assert (code, lines) == (2, [])
        assert sentence in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("top", [0, 1001])
def test_top_out_of_range(run, top):
    code, lines, err = run("predict", SWAN, "--top", top)
    assert (code, lines) == (2, [])
    assert "between 1 and 1000" in err


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

    monkeypatch.setattr(models, "load", computed)
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


def test_compare_says_equal(run):
    code, lines, err = run("compare", SWAN, "--window", 112, "--stride", 112)
    assert (code, err) == (0, "")
    text = "\n".join(lines)
    assert "EfficientNet-Lite0 on cpu" in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["incremental", "captum"]
    assert [line.split()[2] for line in lines[2:4]] == ["4", "4"]
    assert "times as long" in text
    assert "% of those of dense passes" in text
    assert "logits, equal (limit 1e-04)" in lines[-1]


def test_compare_says_when_the_maps_differ(run, monkeypatch):
    honest = commands.captum_occlusion

    def wrong(*arguments, **options):
        found = honest(*arguments, **options)
        return replace(found, values=found.values + 0.25)

    monkeypatch.setattr(commands, "captum_occlusion", wrong)
    code, lines, _ = run("compare", SWAN, "--window", 112, "--stride", 112)
    assert code == 1
    assert "2.5e-01 logits, not equal" in lines[-1]


def test_models_lists_the_registry(run):
    code, lines, err = run("models")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in lines[1:]] == list(models.registry())
    assert lines[1].split() == [
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        *("75.1", "%", "19", "MB", "Apache-2.0", "yes", "default"),
    ]
    assert sum("default" in line for line in lines) == 1
    for line, record in zip(lines[1:], models.registry().values(), strict=True):
        assert ("yes" in line.split()) == record.weights.present


def test_progress_is_one_line_on_a_terminal(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(models, "download", lambda _: iter([Progress(12_000_000, 45_000_000)]))
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


@pytest.mark.parametrize("arguments", [[], ["explain", "a.jpg", "--out", "."], ["paint"]])
def test_a_wrong_call_gets_the_parsers_own_message(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: python -m core" in capsys.readouterr().err


def test_trust_writes_all_measures_and_says_them(run, tmp_path):
    code, lines, err = run(
        *("trust", SWAN, "--method", "saliency", "--points", "3", "--repeats", "2"),
        *("--block", "56", "--reveal", "black", "--order-seed", "4", "--out", tmp_path),
    )
    assert (code, err) == (0, "")
    assert all(line[:2] in ("+ ", "- ", "~ ") for line in lines[:4])
    found = record_in(tmp_path, "swan_saliency_trust")
    assert (found["target_name"], found["method"]) == ("king penguin", "saliency")
    trust = found["trust"]
    # A badge for each measure, then the sentences of the file, then what was written.
    shown = [re.fullmatch(r"[-+~] [a-z ,]+ \((.+)\)", line)[1] for line in lines[:4]]
    assert shown == figures(trust)
    assert lines[4:-1] == trust["sentences"]
    assert lines[4].startswith("Covering the strongest blocks first: mean probability ")
    assert lines[5].startswith("Revealing the strongest blocks first: mean probability ")
    assert lines[6].startswith("48 squares of random sizes covered: ")
    assert lines[7].startswith("The weights drawn anew ")
    assert lines[8].startswith("Noise of at most 0.02 ")
    assert lines[9].startswith("Wrote ")
    assert trust["settings"] == {
        "block": 56, "points": 3, "repeats": 2, "seed": 4, "baseline": "black",
    }  # fmt: skip
    assert trust["curves"]["deletion"]["scores"][0] == pytest.approx(0.528, abs=0.002)
    assert trust["curves"]["insertion"]["scores"][-1] == pytest.approx(0.528, abs=0.002)
    assert 0 <= trust["infidelity"]["explained"] <= 1
    stages = [stage["random_layers"] for stage in trust["randomisation"]["stages"]]
    assert stages == sorted(stages)
    assert stages[-1] == trust["randomisation"]["layers"]
    assert trust["sensitivity"]["largest"] > 0
    with Image.open(tmp_path / "swan_saliency_trust.png") as picture:
        assert picture.width > 1000


def figures(trust):
    """What the badges of a record say in numbers."""
    areas = (trust["curves"][each] for each in ("deletion", "insertion"))
    covering, revealing = (each["random_mean"] - each["area"] for each in areas)
    alike = (trust[each]["spearman"] for each in ("randomisation", "sensitivity"))
    words = [
        f"covering {covering:+.2f}, revealing {-revealing:+.2f}",
        f"{100 * trust['infidelity']['explained']:.0f} % explained",
        *(f"{each:.2f} alike" for each in alike),
    ]
    return [each.replace("-", "−") for each in words]


def test_trust_of_a_map_that_adds_up_with_progress(run, tmp_path, monkeypatch):
    toy = staged()
    toy.module.last = seeded(lambda: nn.Linear(8, 6))
    toy = replace(toy, record=replace(toy.record, class_names=tuple("abcdef")))
    monkeypatch.setattr(models, "load", lambda *_: toy)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, lines, err = run(
        *("trust", SWAN, "--method", "deep_lift", "--points", "3", "--repeats", "2"),
        *("--block", "14", "--target", "1", "--out", tmp_path),
    )
    assert code == 0
    assert re.fullmatch(r"\+ adds up \(off by 0\.\d %\)", lines[1])
    found = record_in(tmp_path, "swan_deep_lift_trust")["trust"]["sentences"]
    assert found[2].startswith("The map adds up to ")
    assert found[3].startswith("48 squares ")
    totals = re.findall(r"(\d+) of (\d+) passes", err)
    assert totals[-1] == ("68", "68")  # 12 of curves, 49 of squares, 7 maps
    assert "\n" not in err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--points", "1"], "Points: 1; choose between 3 and 1000."),
        (["--repeats", "1"], "Random orders: 1; choose between 2 and 100."),
        (["--block", "0"], "Block: 0; choose between 1 and 224."),
        (["--order-seed", "-1"], "Seed: -1; choose between 0 and 2147483647."),
        (["--reveal", "pink"], 'There is no baseline "pink"'),
    ],
)
def test_trust_refuses_bad_settings(run, tmp_path, options, sentence):
    code, lines, err = run("trust", SWAN, "--method", "ig", *options, "--out", tmp_path / "a")
    assert (code, lines) == (2, [])
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_warm_makes_a_talk_ready_once(run_without_device, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "cache"))
    talk = tmp_path / "mine.toml"
    talk.write_text(
        f"""[pictures.bird]
        file = {json.dumps(str(SWAN))}
        [[scenes]]
        kind = "answer"
        title = "What is this?"
        picture = "bird"
        [[scenes]]
        kind = "maps"
        title = "Where?"
        pictures = ["bird"]
        window = 112
        stride = 80
        """
    )
    code, lines, err = run_without_device("warm", "--talk", talk)
    assert (code, err) == (0, "")
    assert lines[0].split() == ["scene", "title", "seconds"]
    assert [line.split()[:2] for line in lines[1:3]] == [["1", "What"], ["2", "Where?"]]
    assert str(tmp_path / "cache") in lines[3]
    kept = {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()}
    assert len(kept) == 3  # logits, survey, map
    memory.forget()
    assert run_without_device("warm", "--talk", talk)[0] == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "cache").iterdir()} == kept


def test_warm_says_before_it_computes_that_it_cannot_keep(
    run_without_device, tmp_path, monkeypatch
):
    def computed(*_):
        raise AssertionError("computed in vain")

    monkeypatch.setattr(models, "load", computed)
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "file"))
    code, lines, err = run_without_device("warm")
    assert (code, lines) == (2, [])
    assert err.endswith("file is no folder): name another cache folder by WHERE_IT_LOOKED_CACHE.\n")


def test_warm_says_what_became_of_what_it_could_not_keep(run_without_device, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path / "cache"))
    talk = tmp_path / "mine.toml"
    talk.write_text(
        f"""[pictures.bird]
        file = {json.dumps(str(SWAN))}
        [[scenes]]
        kind = "answer"
        title = "What is this?"
        picture = "bird"
        """
    )
    assert run_without_device("warm", "--talk", talk)[0] == 0
    (entry,) = (tmp_path / "cache").iterdir()
    entry.unlink()
    entry.mkdir()
    memory.forget()
    code, lines, err = run_without_device("warm", "--talk", talk)
    assert code == 2
    assert lines[0].split() == ["scene", "title", "seconds"]
    assert not any(line.startswith("Kept") for line in lines)
    assert f"Not everything could be kept in {tmp_path / 'cache'} ({entry.name} is a folder" in err


def test_warm_refuses_a_broken_talk_with_its_line(run_without_device, tmp_path):
    (tmp_path / "mine.toml").write_text("# a talk\n[[scenes]]\nkind = 3\n")
    code, lines, err = run_without_device("warm", "--talk", tmp_path / "mine.toml")
    assert (code, lines) == (2, [])
    assert err.startswith("mine.toml, line 3: kind is 3")
