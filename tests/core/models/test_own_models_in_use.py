"""A small model of one's own on the command line, in bundles, in a talk and on the page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.__main__ import main
from core.explaining.explainer import Explainer
from core.files.disk_cache import DiskCache
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import classifiers, registry
from core.models.registry import FOLDER_VARIABLE
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.talks.scenes import read_talk
from dashboard.explain.tabs import TABS, TRIALS
from dashboard.session import state
from tests import own
from tests.bundles import contents, with_manifest
from tests.core.bundle.test_plain_captum import compare, unpacked
from tests.said import said

ROOT = Path(__file__).resolve().parents[3]
SWAN = samples()["swan"].path
# In so small a network a single rectifier's kink moves a whole map: for the swan, Captum's IG in
# float32 is 2 % off its own in float64. This one's path meets none.
GOSLING = samples()["gosling"].path
COARSE = ("--method", "occlusion", "--window", "16", "--stride", "16")
LARGE = {"small_window": "56", "small_stride": "56", "large_window": "56"}
SAYS = own.CLASSES[2]  # of the swan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that works and one that does not."""
    place = tmp_path_factory.mktemp("models")
    own.make(place, "pond")
    own.make(place, "torn", own.DESCRIPTION.replace("Pond", "Torn"), {"fc.bias": torch.ones(4)})
    return place


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.use_folder(None)


@pytest.fixture
def call(capsys):
    def run_it(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


@pytest.fixture
def packed(folder, tmp_path, call):
    """A bundle of two maps by the model, on disk."""
    file = tmp_path / "pond.zip"
    ways = (*COARSE, "--method", "ig", "--steps", 4)
    code, _, err = call(
        "explain", GOSLING, "--models", folder, "--model", "pond", *ways, "--bundle", file
    )
    assert (code, err) == (0, "")
    return file


def test_the_list_tells_both(folder, call):
    code, out, _ = call("models", "--models", folder)
    assert code == 0
    lines = out.splitlines()[:-1]  # the last one is of other sources
    assert re.search(r"^pond +Pond birds +1 MB +yes *$", lines[-2])
    assert lines[-1].startswith(
        "torn is broken: torn/weights.safetensors does not fit the network: missing conv1.0.weight"
    )


def test_a_prediction_with_the_folder_from_the_environment(folder, call, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    code, out, _ = call("predict", SWAN, "--model", "pond", "--device", "cpu")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Pond birds on cpu"
    assert [line.split()[1] for line in lines[2:]] == ["2", "1", "3", "0"]
    code, _, err = call("predict", SWAN, "--model", "pond", "--top", 5)
    assert (code, err) == (2, "top is 5: choose a number between 1 and 4.\n")


def test_what_is_asked_for_and_cannot_be_had_is_refused(folder, call):
    code, out, err = call("predict", SWAN, "--models", folder, "--model", "torn")
    assert (code, out) == (2, "")
    assert err.startswith("torn/weights.safetensors does not fit the network: ")
    code, _, err = call("models", "--models", folder / "absent")
    assert code == 2
    assert err.startswith(f"The folder of models {folder / 'absent'} cannot be read (No such file")


@pytest.mark.parametrize(
    "command",
    [
        ("explain", SWAN, "--method", "grad_cam", "--target", "mute swan", "--contrast", "nothing"),
        ("trust", SWAN, *COARSE, "--points", 4, "--repeats", 2),
        ("compare", SWAN, "--window", 16, "--stride", 16),
    ],
)
def test_every_command_takes_it(folder, tmp_path, call, command):
    out = () if command[0] == "compare" else ("--out", tmp_path)
    code, said, err = call(*command, *out, "--models", folder, "--model", "pond")
    assert (code, err) == (0, ""), said
    if command[0] == "explain":
        (written,) = tmp_path.glob("*.json")
        record = json.loads(written.read_text("utf-8"))
        assert (record["target_name"], record["contrast_name"]) == ("mute swan", "nothing")
        assert len(record["top"]) == 4


def test_a_bundle_says_how_the_model_is_built_and_can_be_verified(folder, packed, call):
    code, out, _ = call("verify", packed, "--models", folder)
    assert (code, out.splitlines()[-1]) == (0, "Equal.")
    manifest = json.loads(contents(packed.read_bytes())["manifest.json"])
    said = manifest["exhibits"][0]["model"]
    assert said["name"] == "pond"
    assert said["weights_file"] == "weights.safetensors"
    assert said["weights_sha256"] == classifiers.load("pond", "cpu").weights_sha256
    assert said["top1_imagenet_percent"] is None
    assert said["own"] == {
        "architecture": own.ARCHITECTURE,
        "options": {"num_classes": 4},
        "top1_percent": None,
    }
    assert "ImageNet" not in contents(packed.read_bytes())["caption.txt"].decode()


def test_a_bundle_without_the_folder_names_what_is_missing(packed, call):
    code, _, err = call("verify", packed)
    assert (code, err) == (
        2,
        "The bundle is of 'pond', which is not a built-in model: give the folder that holds it "
        "with --models.\n"
        if "'pond'" in err
        else "The bundle is of pond, which is not a built-in model: give the folder that holds it "
        "with --models.\n",
    )


@pytest.mark.parametrize(
    "forged", [None, 3, {}, {"architecture": "resnet18", "options": {"num_classes": 4}}]
)
def test_another_network_than_the_manifest_says_is_different(
    folder, packed, tmp_path, call, forged
):
    def change(manifest):
        manifest["exhibits"][0]["model"]["own"] = forged

    other = tmp_path / "forged.zip"
    other.write_bytes(with_manifest(packed.read_bytes(), change, seal=True))
    code, out, _ = call("verify", other, "--models", folder)
    assert code == 1
    assert f"the network here is {own.ARCHITECTURE}, the manifest says " in out


def run_script(folder, *options):
    """The script in a process of its own, where torchvision can be imported on every machine."""
    script = str(folder / "plain_captum.py")
    code = (
        "import core.models.torchvision_compat, runpy, sys; del sys.argv[0]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, script, *map(str, options)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_script_in_the_bundle_takes_the_weights(folder, packed, tmp_path):
    unzipped = unpacked(packed.read_bytes(), tmp_path / "bundle")
    file = folder / "pond" / "weights.safetensors"
    done = run_script(unzipped, "--weights", file, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    compare(unzipped, tmp_path / "out")
    for given in ((), ("--weights", folder / "torn" / "weights.safetensors")):
        done = run_script(unzipped, *given)
        assert done.returncode == 2
        assert done.stderr.startswith(
            "Pond birds is not a built-in model: give its weights.safetensors with --weights, the "
            "file whose sha256 is "
        )


def test_a_checkpoint_of_lightning_on_the_command_line_and_in_the_script(tmp_path, call):
    state = {f"net.{name}": value for name, value in own.state().items()}
    held = {"epoch": 1, "state_dict": state, "hyper_parameters": {"lr": 0.1}}
    place = own.make(tmp_path / "models", weights=held, file="last.ckpt")
    given = ("--models", place.parent)
    code, out, _ = call("models", *given)
    assert code == 0
    assert out.splitlines()[-3:-1] == [
        "pond: pond/last.ckpt holds the weights under state_dict.",
        "pond: pond/last.ckpt: the names of all layers begin with net., which is left out.",
    ]
    file = tmp_path / "pond.zip"
    assert call("explain", SWAN, *given, "--model", "pond", *COARSE, "--bundle", file)[0] == 0
    code, out, err = call("verify", file, *given)
    assert (code, err) == (0, ""), out
    bundle = unpacked(file.read_bytes(), tmp_path / "bundle")
    done = run_script(bundle, "--weights", place / "last.ckpt")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_done_to_offer_a_model_is_said_once_and_recorded(tmp_path, call):
    state = {f"net.{name}": value for name, value in own.state().items()}
    place = own.make(tmp_path / "models", weights={"state_dict": state}, file="last.ckpt")
    given = ("--models", place.parent, "--model", "pond")
    notes = [
        "pond/last.ckpt holds the weights under state_dict.",
        "pond/last.ckpt: the names of all layers begin with net., which is left out.",
    ]
    said = "".join(f"{note}\n" for note in notes)
    code, out, err = call("predict", SWAN, *given)
    assert (code, err) == (0, said)
    assert "state_dict" not in out
    ways = (*COARSE, "--method", "saliency")
    assert call("explain", SWAN, GOSLING, *given, *ways, "--out", tmp_path)[2] == said
    records = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("*.json")]
    assert [record["model_notes"] for record in records] == [notes] * 4
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(SWAN.read_bytes())
    err = call("batch", folder, *given, "--out", tmp_path / "results")[2]
    assert err == f"1 picture, 0 with a label.\n{said}"


def test_the_cache_on_disk_keeps_what_it_makes_and_knows_the_preprocessing(folder, tmp_path):
    def passes(place):
        registry.use_folder(place)
        explainer = Explainer(disk=DiskCache(tmp_path / "cache"))
        asked = (explainer.classifier("pond", "cpu"), picture_from_file(SWAN))
        setting, question = OcclusionSetting(16, 16), Question(2)
        found = explainer.forecast(*asked, setting, question).passes
        return found, explainer.attribution(*asked, setting, question)

    first, made = passes(folder)
    again, kept = passes(folder)
    assert (first, again) == (16, 0)
    assert (made.values == kept.values).all()
    weights = own.state()
    own.make(tmp_path / "other", "pond", f"{own.DESCRIPTION}mean = [0, 0, 0]\n", weights)
    other, changed = passes(tmp_path / "other")
    assert other == 16
    assert (made.values != changed.values).any()


TALK = """
[pictures.swan]
file = {swan}
label = "mute swan"
[[scenes]]
kind = "answer"
title = "Before"
picture = "swan"
[[scenes]]
kind = "answer"
title = "After"
picture = "swan"
model = "pond"
[[scenes]]
kind = "contrast"
title = "Why?"
picture = "swan"
model = "pond"
against = "nothing"
absent = "goose"
window = 32
stride = 32
"""


def test_a_talk_judges_each_model_by_its_own_classes(folder, tmp_path):
    registry.use_folder(folder)
    talk = tmp_path / "talk.toml"
    talk.write_text(TALK.format(swan=json.dumps(str(SWAN))), "utf-8")
    scenes = read_talk(talk).scenes
    assert scenes[0].pictures[0].right == ("mute swan",)
    assert (scenes[2].against, scenes[2].absent) == (3, "goose")


def test_a_scene_of_a_talk(folder, tmp_path, monkeypatch):
    talk = tmp_path / "talk.toml"
    talk.write_text(TALK.format(swan=json.dumps(str(SWAN))), "utf-8")
    monkeypatch.setattr(sys, "argv", ["app.py", "--talk", str(talk), "--models", str(folder)])
    for scene, words in ((2, "Wrong: mute swan"), (3, "No goose among the 4 classes.")):
        page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
        page.query_params["view"], page.query_params["scene"] = "talk", str(scene)
        page.run()
        assert not page.exception
        assert words in html(page)
        assert "duck &lt;b&gt;" in html(page)


@pytest.fixture
def page(folder, monkeypatch):
    """Opens the page, started with the folder."""
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder)])
    quick = {
        "small_window": "16",
        "small_stride": "16",
        "large_window": "32",
        "large_stride": "32",
        "steps": "10",
        "judge": "false",
    }

    def call(**query):
        state.explainer.clear()
        test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
        for key, value in {**quick, **query}.items():
            test.query_params[key] = value
        test.run()
        assert not test.exception
        return test

    yield call
    state.explainer.clear()


def html(page):
    return "\n".join(element.proto.body for element in page.get("html"))


def test_the_page_offers_it_and_tells_of_the_broken_one(page):
    first = page(**LARGE)
    assert "Pond birds" in first.selectbox(key="model").options
    assert "Torn birds" not in first.selectbox(key="model").options
    (sentence,) = said(first.sidebar.warning)
    assert sentence.startswith("torn/weights.safetensors does not fit the network: missing conv1")
    assert "king penguin, 53 %" in html(first)  # the other models are as they were

    chosen = first.selectbox(key="model").select("pond").run()
    assert not chosen.exception
    assert not chosen.error
    text = html(chosen)
    assert re.search(r"The model says duck &lt;b&gt;\*\$x\$\*&lt;/b&gt;, \d+ %\.", text)
    assert "A person would say mute swan." in text
    assert "Pond birds on cpu</p>" in text
    for title in ("Integrated Gradients", "Occlusion small 56/56", "Occlusion large 56/32"):
        panel = re.search(rf'data-panel="{title}".*?</section>', text, re.DOTALL).group()
        assert 'class="map"' in panel, title
    target = chosen.selectbox(key="target")
    assert set(target.options) == {
        *("predicted class", "mute swan", "king penguin", SAYS, "nothing (3)")
    }
    against = chosen.selectbox(key="contrast").select("nothing (3)").run()
    assert not against.exception
    assert "minus nothing" in html(against)


@pytest.mark.parametrize("name", ["pond", "Pond birds"])
@pytest.mark.parametrize("downloads", ["--downloads", "--no-downloads"])
def test_an_address_may_give_its_name_or_its_title(page, monkeypatch, folder, name, downloads):
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder), downloads])
    found = page(model=name, maps="occlusion_large", **LARGE)
    assert found.session_state["model"] == "pond"
    assert not found.main.warning
    assert found.query_params["model"] == "Pond birds"  # a reload finds it


@pytest.mark.parametrize(
    "part",
    [
        *({"tab": tab} for tab in TABS if tab != "Compare"),
        *({"tab": "Try it", "trial": trial} for trial in TRIALS),
        {"tab": "Compare", "comparison": "Baselines"},
        {"tab": "Compare", "comparison": "Picture and map"},
    ],
)
def test_every_tab_takes_it(page, part):
    found = page(model="Pond birds", maps="occlusion_small", **part)
    assert "Pond birds on cpu" in html(found)
    assert not found.error
    assert not found.main.warning  # the address asks for nothing that is not there


def test_its_maps_are_judged(page):
    found = page(model="Pond birds", judge="true", maps="occlusion_small")
    assert not found.error
    panel = re.search(
        r'class="wil-panel[^>]*="Occlusion small.*?</section>', html(found), re.DOTALL
    ).group()
    assert re.search(r'class="wil-badges".*class="(good|bad|mixed)', panel, re.DOTALL)


@pytest.mark.parametrize(
    ("mine", "other"), [("EfficientNet-Lite0", "Pond birds"), ("Pond birds", "EfficientNet-Lite0")]
)
def test_two_models_side_by_side_that_have_other_classes(page, mine, other):
    found = page(
        model=mine, other_model=other, tab="Compare", comparison="Two side by side",
        maps="occlusion_small", target="king penguin", **LARGE,
    )  # fmt: skip
    assert not found.error
    assert html(found).count("logit of king penguin") >= 3  # of both: each has that class
    goose = page(
        model="EfficientNet-Lite0", other_model="Pond birds", tab="Compare",
        comparison="Two side by side", maps="occlusion_small", target="goose",
        contrast="black swan", **LARGE,
    )  # fmt: skip
    assert not goose.error
    captions = said(goose.caption)
    assert f"Pond birds has no class goose: its maps are of what it predicts, {SAYS}." in captions
    assert "Pond birds has nothing else called black swan to explain it against." in captions


def test_a_folder_that_is_not_there_is_said_and_the_page_stands(page, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path / "absent")])
    found = page(**LARGE)
    (sentence,) = said(found.sidebar.warning)
    assert sentence.startswith("The folder of models ")
    assert "king penguin, 53 %" in html(found)


def test_make_hands_the_folder_on():
    done = subprocess.run(
        ["make", "-n", "-B", "run", "MODELS=my models"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '-- --talk "talks/swan.toml" --models "my models"' in done.stdout
