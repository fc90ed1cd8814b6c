"""A model of five channels: command line, notebook, bundles, folders and page."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import core
from core.__main__ import main
from core.bundle.archive import bundle
from core.bundle.comparing import opened
from core.bundle.exhibits import Exhibit
from core.bundle.unpacking import unpack
from core.drawing.rendering import Display
from core.errors import BundleError, ImageError
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.methods.scores import Question
from core.models import classifiers, registry
from core.models.catalogue import Network
from core.pictures.picture import picture_from_file
from core.pictures.preprocessing import Preprocessing
from core.pictures.samples import samples
from dashboard.explain.tabs import BASELINES_ROWS, COMPARE
from dashboard.session import state
from tests import own
from tests.bundles import with_manifest
from tests.core.bundle.test_plain_captum import compare, unpacked
from tests.core.models.test_own_models_in_use import run_script
from tests.said import said

ROOT = Path(__file__).resolve().parents[3]
SWAN = samples()["swan"].path
MEAN, STD = (0.5, 0.4, 0.3, 0.2, 0.1), (0.5, 0.25, 0.2, 0.3, 0.4)
DESCRIPTION = f"""title = "Fields from above"
architecture = "{own.ARCHITECTURE}"
classes = ["wheat", "maize", "water"]

[preprocessing]
channels = 5
crop = 64
mean = {list(MEAN)}
std = {list(STD)}
"""
COARSE = ("--method", "occlusion", "--window", 16, "--stride", 16)
TAKES = (
    "The model takes 5 channels, and a photo has 3: give a .npy file of (H, W, 5), or a TIFF of 5 "
    "pages of one channel and one size, with at most 50,000,000 numbers."
)


def field(seed=0, shape=(90, 120, 5), kind="uint16"):
    """Blocks that differ from channel to channel, under noise."""
    generator = np.random.default_rng(seed)
    blocks = generator.random((3, 4, shape[2])).repeat(30, 0).repeat(30, 1)[: shape[0], : shape[1]]
    values = 0.8 * blocks + 0.2 * generator.random(shape)
    return values.astype(kind) if kind == "float32" else (65535 * values).astype(kind)


def bytes_of(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the model."""
    place = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Network(own.ARCHITECTURE, (("num_classes", 3),), 5).build()
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None
        with torch.no_grad():
            module.train()(torch.randn(8, 5, 64, 64))
    own.make(place, "fields", DESCRIPTION, module.state_dict())
    return place


@pytest.fixture
def pictures(tmp_path):
    """The same picture as an array and as pages, another one, and a photo."""
    place = tmp_path / "pictures"
    place.mkdir()
    (place / "field.npy").write_bytes(bytes_of(field()))
    tifffile.imwrite(
        place / "field.tif",
        np.ascontiguousarray(field().transpose(2, 0, 1)),
        photometric="minisblack",
    )
    (place / "other.npy").write_bytes(bytes_of(field(1, kind="float32")))
    Image.open(SWAN).save(place / "swan.png")
    return place


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.use_folder(None)


@pytest.fixture
def call(folder, capsys):
    def run_it(command, *arguments):
        chosen = (
            ("--models", folder)
            if command == "verify"
            else ("--models", folder, "--model", "fields")
        )
        code = main([*map(str, (command, *arguments, *chosen))])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


def test_the_list_says_what_the_model_takes(folder, capsys):
    assert main(["models", "--models", str(folder)]) == 0
    assert (
        "fields takes 5 channels, and no photos: pictures for it are .npy files of (H, W, 5), of "
        "which the first three channels are shown, or TIFFs of 5 pages, of which the first is "
        "shown." in capsys.readouterr().out
    )


def test_an_array_and_pages_are_predicted_alike_and_a_photo_is_refused(folder, pictures, call):
    code, out, err = call("predict", pictures / "field.npy", "--device", "cpu")
    assert code == 0
    assert err.startswith("It has 5 channels (uint16, 65,535 is taken as 1); the first three are")
    code, again, err = call("predict", pictures / "field.tif", "--device", "cpu")
    assert (code, again) == (0, out)
    assert err.startswith("The file holds 5 pages of one channel (uint16, 65,535 is taken as 1)")
    code, out, err = call("predict", pictures / "swan.png")
    assert (code, out, err.splitlines()[-1]) == (2, "", TAKES)  # below what is said of the model
    # By the network itself, on a picture that neither is resized nor cropped.
    registry.use_folder(folder)
    classifier = classifiers.load("fields", "cpu")
    whole = field(2, (73, 73, 5), "float32")
    found = classifier.logits(classifier.preprocess(whole))
    by_hand = torch.from_numpy((whole[4:68, 4:68] - MEAN) / STD).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        torch.testing.assert_close(found, classifier.module(by_hand))
    assert classifier.predict(whole)[0].index == int(found.argmax())


def test_a_bundle_is_verified_and_its_script_agrees(folder, pictures, call, tmp_path):
    registry.use_folder(folder)
    explainer = Explainer()
    other = explainer.as_baseline(picture_from_file(pictures / "other.npy"))
    question = Question(1)
    maps = {
        "blurred": (OcclusionSetting(16, 16, "blur:4"), question),
        "from another picture": (IntegratedGradientsSetting(4, other), question),
        "patches": (SuperpixelSetting(6, "white"), question),
        "noise": (OcclusionSetting(32, 32, "noise:1"), question),
    }
    picture = picture_from_file(pictures / "field.tif")
    shown = Exhibit(explainer.classifier("fields", "cpu"), picture, maps, "field.tif")
    data = bundle(explainer, [shown], Display())
    file = tmp_path / "field.zip"
    file.write_bytes(data)
    code, out, err = call("verify", file)
    assert (code, err) == (0, ""), out
    assert "the model saw that part of the photo" in out
    place = unpacked(data, tmp_path / "bundle")
    assert np.load(place / "seen-1.npy").shape == (64, 64, 5)
    weights = folder / "fields" / "weights.safetensors"
    done = run_script(place, "--weights", weights, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    compare(place, tmp_path / "out")


def test_a_bundle_knows_its_picture_again(pictures, call, tmp_path):
    file = tmp_path / "field.zip"
    given = (*COARSE, "--bundle", file, "--device", "cpu")
    assert call("explain", pictures / "field.tif", *given, "--no-photo")[0] == 0
    code, out, _ = call("verify", file, "--image", pictures / "field.tif")
    assert code == 0
    assert "the model saw that part of the photo" in out
    code, out, _ = call("verify", file, "--image", pictures / "other.npy")
    assert code == 1
    assert "The given picture is none of those that the bundle is of." in out
    assert call("explain", pictures / "field.tif", *given, "--original")[0] == 0
    code, out, _ = call("verify", file)
    assert (code, out.splitlines()[-1]) == (0, "Equal.")


def test_numbers_that_no_bundle_holds_are_refused(pictures, call, tmp_path):
    file = tmp_path / "field.zip"
    assert call("explain", pictures / "field.npy", *COARSE, "--bundle", file)[0] == 0
    found = unpack(file.read_bytes())
    classifier = classifiers.load("fields", "cpu")
    assert opened(found, "seen-1.npy", classifier).pixels.shape == (64, 64, 5)
    for array in (field()[:64, :64], field(kind="float32")[:64, :63], np.full((64, 64, 5), np.nan)):
        found.files["seen-1.npy"] = bytes_of(array.astype(np.float32, copy=False))
        if array.dtype == np.uint16:
            found.files["seen-1.npy"] = bytes_of(array)
        with pytest.raises(BundleError, match=r"^seen-1.npy in the bundle is not the 64 × 64 × 5"):
            opened(found, "seen-1.npy", classifier)
    other = with_manifest(
        file.read_bytes(),
        lambda manifest: manifest["exhibits"][0]["picture"].pop("channels"),
        seal=True,
    )
    file.write_bytes(other)
    assert call("verify", file) == (2, "", f"{TAKES}\n")


def test_the_record_of_a_map_tells_what_was_assumed(pictures, call, tmp_path):
    out = tmp_path / "out"
    code, _, err = call("explain", pictures / "field.npy", "--method", "grad_cam", "--out", out)
    assert code == 0, err
    (written,) = out.glob("*.json")
    notes = json.loads(written.read_text("utf-8"))["notes"]
    assert notes[0].startswith("It has 5 channels (uint16, 65,535 is taken as 1)")
    bright = ("--baseline", "white")
    (pictures / "large.npy").write_bytes(bytes_of(field(kind="float32") * 300))
    code, _, err = call("explain", pictures / "large.npy", *COARSE, *bright, "--out", out)
    assert code == 2
    assert "and the baseline white is of values from 0 to 1: choose grey or blur." in err


def test_a_folder_of_arrays(folder, pictures, call, tmp_path):
    out = tmp_path / "out"
    maps = ("--methods", "occlusion", "--window", 32, "--stride", 32)
    code, _, err = call("batch", pictures, "--out", out, *maps, "--device", "cpu", "--threads", 1)
    assert code == 0, err
    rows = {row["path"]: row for row in pq.read_table(out / "results.parquet").to_pylist()}
    assert list(rows) == ["field.npy", "field.tif", "other.npy", "swan.png"]
    assert rows["swan.png"]["error"] == TAKES
    registry.use_folder(folder)
    classifier = classifiers.load("fields", "cpu")
    for name in ("field.npy", "field.tif", "other.npy"):
        pixels = picture_from_file(pictures / name).pixels
        best = classifier.predict(pixels)[0]
        assert rows[name]["predicted"] == best.index
        assert rows[name]["probability"] == pytest.approx(best.probability, abs=1e-5)
        assert rows[name]["maps"] is not None


def test_a_network_of_ones_own_in_a_notebook():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(5, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    how = Preprocessing(32, 32, MEAN, STD, "bilinear", channels=5)
    array = field(kind="float32")
    options = {"window": 8, "stride": 8, "preprocessing": how}
    found = core.explain(array, network, **options)
    inputs = how.tensor(array)
    given = core.explain(inputs, network, **options)
    np.testing.assert_array_equal(found.values, given.values)
    assert found.notes[0].startswith("It has 5 channels (float32, 1 is taken as 1)")
    assert found.picture.size == given.picture.size == (32, 32)
    with pytest.raises(ImageError, match="The picture has 5 channels, and the model takes 3"):
        core.explain(array, torch.nn.Conv2d(3, 2, 3))


@pytest.fixture
def page(folder, monkeypatch):
    """The page, started with the folder and the model."""
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder)])
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    small = {"small_window": "32", "small_stride": "32", "large_window": "64", "large_stride": "64"}
    tab = {"tab": COMPARE, "comparison": BASELINES_ROWS}
    for key, value in {"model": "fields", "maps": "occlusion_small", **small, **tab}.items():
        test.query_params[key] = value
    yield test.run()
    state.explainer.clear()


def test_the_page_says_what_it_cannot_show_and_shows_the_rest(page):
    assert not page.exception
    assert said(page.error) == [TAKES]
    page.get("file_uploader")[0].upload("field.npy", bytes_of(field()), "application/octet-stream")
    page.run()
    assert not page.exception
    assert not page.error
    text = "\n".join(element.proto.body for element in page.get("html"))
    assert "The model says" in text
    assert any("It has 5 channels (uint16, 65,535" in each for each in said(page.caption))
    page.selectbox(key="baseline").select("mean").run()
    assert not page.exception
    mean = "ImageNet's mean is a colour, and the model takes 5 channels: choose another baseline"
    told = "\n".join([*said(page.caption), *said(page.error), *said(page.warning)])
    assert mean in told
    assert "against different baselines" in told
