"""The script in a bundle, run as a person would run it, gives the bundle's maps by Captum alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.nn import functional as F

from core.bundle import plain_captum
from core.bundle.archive import bundle
from core.bundle.plain_captum import BY_COVERING, BY_GRADIENT, COVERING, difference
from core.drawing.rendering import Display
from core.methods.black_box_methods import KernelShapSetting, LimeSetting, RiseSetting
from core.methods.cam_methods import ChannelCamSetting, GradCamSetting
from core.methods.cover_methods import SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.scores import Question
from core.pictures.label_image import LabelImage
from tests.bundles import GOOSE, KING_PENGUIN, PENGUIN, contents, exhibit, explainer, swan_bundle

PROBABILITY = Question(KING_PENGUIN, GOOSE, "probability")


def unpacked(data, folder):
    for name, content in contents(data).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def run(folder, *options):
    """The script in a process of its own, in a place where nothing of the project can be found."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "plain_captum.py"), *map(str, options)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def compare(folder, out):
    """The written maps are the bundle's, within what float32 leaves open."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for entry in manifest["exhibits"][0]["maps"]:
        kept = np.load(folder / entry["values"])
        made = np.load(out / entry["values"].split("/")[-1])
        assert made.dtype == np.float32
        limits = BY_COVERING if entry["method"] in COVERING else BY_GRADIENT
        largest, mean = difference(made, kept)
        assert largest <= limits[0], entry["title"]
        assert mean <= limits[1], entry["title"]
        assert kept.any()


def test_occlusion_integrated_gradients_and_their_smoothing(tmp_path):
    folder = unpacked(swan_bundle(), tmp_path / "bundle")
    done = run(folder, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(": equal; of the largest value at most" in line for line in lines)
    compare(folder, tmp_path / "out")


def regions_of(picture):
    """Three regions and a background, as a label image of the picture's size."""
    labels = np.zeros(picture.image.size[::-1], np.uint16)
    labels[:300, :300], labels[:300, 300:], labels[350:, 200:400] = 1, 2, 3
    return explainer().as_regions(LabelImage("5" * 64, labels, ("1", "2", "3"), {"2": "beak"}))


def test_every_other_method(tmp_path):
    name = explainer().as_baseline(exhibit(PENGUIN).picture)
    logit = Question(KING_PENGUIN)
    maps = {
        "enough": (IntegratedGradientsSetting("enough", "blur:20"), logit),
        "from another picture": (IntegratedGradientsSetting(3, name), PROBABILITY),
        "superpixels": (SuperpixelSetting(8, "mean"), logit),
        "rise": (RiseSetting(10, 5, 3, "mean"), PROBABILITY),
        "kernel shap": (KernelShapSetting(12, "blur:20", 11, 1), logit),
        "kernel shap of all": (KernelShapSetting(2, "grey", 30), logit),
        "lime": (LimeSetting(8, "mean", 12, 2), PROBABILITY),
        "saliency": (GradientSetting("saliency"), PROBABILITY),
        "input x gradient": (GradientSetting("input_x_gradient"), logit),
        "deep lift": (GradientSetting("deep_lift", "white"), logit),
        "deep lift of a probability": (GradientSetting("deep_lift"), PROBABILITY),
        "guided backprop": (GradientSetting("guided_backprop"), logit),
        "smoothgrad": (SmoothSetting(GradientSetting("saliency"), "smoothgrad", 3, 0.3, 1), logit),
        "vargrad": (SmoothSetting(GradientSetting("saliency"), "vargrad", 3, 0.3, 2), logit),
        "gradient shap": (GradientShapSetting(3, 0.1, 5, "noise:3"), logit),
        "grad-cam": (GradCamSetting(), logit),
        "grad-cam++": (GradCamSetting(kind="grad_cam_plus_plus", signed=True), PROBABILITY),
        "xgrad-cam": (GradCamSetting("_blocks.9", "xgrad_cam"), logit),
        "hires-cam": (GradCamSetting(kind="hires_cam", signed=True), logit),
        "layer-cam": (GradCamSetting("all", "layer_cam"), logit),
        "eigen-cam": (GradCamSetting(kind="eigen_cam"), logit),
        "score-cam": (ChannelCamSetting("_blocks.0", "score_cam", False, "blur:9"), logit),
        "ablation-cam": (ChannelCamSetting("_blocks.1", "ablation_cam", True), PROBABILITY),
        "guided grad-cam": (GradCamSetting(kind="guided_grad_cam"), logit),
    }
    folder = unpacked(bundle(explainer(), [exhibit(maps=maps)], Display()), tmp_path / "bundle")
    done = run(folder, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(done.stdout.splitlines()) == len(maps)
    compare(folder, tmp_path / "out")


def test_what_captum_lacks_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    folder = unpacked(swan_bundle(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    entry = manifest["exhibits"][0]["maps"][0]
    entry["method"] = "legrad"
    manifest["exhibits"][0]["maps"] = [entry]
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    monkeypatch.setattr(sys, "argv", ["plain_captum.py", "--folder", str(folder)])
    assert plain_captum.main() == 0
    assert F.batch_norm is not plain_captum.batch_norm  # torch's own again
    assert capsys.readouterr().out == (
        f"{entry['values']} {entry['title']}: not compared, since Captum reads no attention, which "
        "fused operations keep to themselves\n"
    )


def test_own_regions(tmp_path):
    regions, logit = regions_of(exhibit().picture), Question(KING_PENGUIN)
    maps = {
        "ablation": (SuperpixelSetting(regions=regions), logit),
        "kernel shap": (KernelShapSetting(samples=5, regions=regions), PROBABILITY),
        "lime": (LimeSetting(samples=9, regions=regions), logit),
    }
    folder = unpacked(bundle(explainer(), [exhibit(maps=maps)], Display()), tmp_path / "bundle")
    done = run(folder, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    compare(folder, tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    for entry in manifest["exhibits"][0]["maps"]:
        assert {each["name"] for each in entry["regions"]} == {"1", "beak", "3"}
        values = np.load(folder / entry["values"])
        assert {each["worth"] for each in entry["regions"]} <= set(np.unique(values).tolist())


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 8), ("samples", 3), ("steps", 4), ("baseline", "white")]
)
def test_other_settings_are_not_equal(tmp_path, key, value):
    """The limits tell maps apart whose settings differ by the least."""
    folder = unpacked(swan_bundle(), tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    maps = manifest["exhibits"][0]["maps"]
    manifest["exhibits"][0]["maps"] = maps[2:]
    maps[2]["settings"][key] = value
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    done = run(folder)
    assert done.returncode == 1
    assert "NOT EQUAL" in done.stdout


def test_the_script_is_the_one_in_the_project():
    script = Path(plain_captum.__file__).read_bytes()
    assert contents(swan_bundle())["plain_captum.py"] == script


def test_differences_known_by_hand():
    kept = np.array([[2.0, -2.0], [0.0, 0.0]], np.float32)
    made = np.array([[2.0, -2.5], [0.0, 0.5]], np.float32)
    assert difference(made, kept) == (0.25, 0.25)
    assert difference(kept, kept) == (0.0, 0.0)
    assert difference(kept * 0, kept * 0) == (0.0, 0.0)
