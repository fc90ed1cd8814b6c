"""Networks in files on the command line, in bundles, in folders of models and in batches."""

import json
import re
import shutil

import pytest
import torch

from core.__main__ import main
from core.models import classifiers, registry
from core.pictures.samples import samples
from tests import programs
from tests.core.bundle.test_plain_captum import run, unpacked

GOSLING = samples()["gosling"].path
SAID = {"static.pt2": "pt2", "dynamic.onnx": "onnx", "trace.pt": "torchscript"}
TOML = f"""title = "Pond in a file"
classes = ["mute swan", "goose", "duck"]
licence = "CC BY 4.0"
[preprocessing]
size = {programs.SIDE}
"""


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.allow_factories()
    registry.use_folder(None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of models with one of each kind."""
    place = tmp_path_factory.mktemp("models")
    made = programs.network(outputs=3)
    for number, name in enumerate(SAID):
        inner = place / f"pond{number}"
        inner.mkdir()
        (inner / "model.toml").write_text(TOML.replace("Pond", f"Pond {number}"))
        programs.save(made, inner / name)
    return place


@pytest.fixture
def call(capsys):
    def run_it(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


def test_a_bundle_is_verified_and_made_again_by_captum(folder, call, tmp_path):
    paths = [folder / f"pond{number}" / name for number, name in enumerate(SAID)]
    models = [part for path in paths for part in ("--model", path)]
    file = tmp_path / "gosling.zip"
    ways = ["--method", "occlusion", "--window", 24, "--stride", 24, "--method", "saliency"]
    code, _, err = call("explain", GOSLING, *models, *ways, "--device", "cpu", "--bundle", file)
    assert code == 0
    assert [f"The head softmax is assumed for {name}." for name in SAID] == err.splitlines()
    code, _, err = call("verify", file)
    assert (code, "only where the command line names it" in err) == (2, True)
    # A bundle has a file's name alone, which may lie elsewhere.
    moved = [
        shutil.copytree(path.parent, tmp_path / path.parent.name) / path.name for path in paths
    ]
    models = [part for path in moved for part in ("--model", path)]
    code, out, err = call("verify", file, *models, "--device", "cpu")
    assert (code, out.splitlines()[-1:]) == (0, ["Equal."]), err
    bundle = unpacked(file.read_bytes(), tmp_path / "bundle")
    manifest = (bundle / "manifest.json").read_text("utf-8")
    told = [each["model"] for each in json.loads(manifest)["exhibits"]]
    assert {each["name"]: each["own"]["architecture"] for each in told} == SAID
    assert str(folder) not in manifest
    done = run(bundle, *(part for path in paths for part in ("--weights", path)))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    left_out = [
        line
        for line in lines
        if line.endswith("since onnxruntime gives no gradients and no layers")
    ]
    assert len(left_out) == 1
    assert sum(": equal; of the largest value" in line for line in lines) == 5


def test_a_folder_opens_what_is_no_code_and_the_rest_where_that_is_allowed(folder, call):
    code, out, _ = call("models", "--models", folder)
    assert code == 0
    for number, title in ((0, "an exported program"), (2, "a TorchScript program")):
        name = list(SAID)[number]
        assert (
            f"pond{number} is broken: {name} is {title}, and to open it is to run code from it: "
            "allow that with --factories on the command line, or factories=True in Python, if "
            "you know whose it is." in out
        )
    assert "Pond 1 in a file" in out
    code, out, _ = call("models", "--models", folder, "--factories")
    assert [f"Pond {number} in a file" in out for number in range(3)] == [True] * 3
    assert registry.broken() == {}
    found = classifiers.load("pond0", "cpu")
    assert found.class_names == ("mute swan", "goose", "duck")
    assert found.record.licence == "CC BY 4.0"
    x = torch.randn(2, 3, programs.SIDE, programs.SIDE)
    expected = programs.network(outputs=3)(x)
    torch.testing.assert_close(found.logits(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (TOML.replace('"goose", ', ""), "gives 3 scores, and 2 classes are named: name one for"),
        (TOML.replace("48", "64"), "takes 3 × 48 × 48 (CHW), and the preprocessing gives 3 × 64"),
        (f'architecture = "resnet18"\n{TOML}', "holds the whole network: leave architecture out"),
        (
            f'layout = "NHWC"\n{TOML}channels = 3\n',
            "takes 3 × 48 × 48 (HWC), and the preprocessing gives 48 × 48 × 3",
        ),
        (f"colour = 3\n{TOML}", "colour is not known here: choose from"),
        (f'head = "soft"\n{TOML}', "there is no head 'soft': give one of softmax"),
    ],
)
def test_what_a_description_can_say_wrong(tmp_path, changed, said):
    programs.save(programs.network(outputs=3), tmp_path / "dynamic.onnx")
    (tmp_path / "model.toml").write_text(changed)
    registry.allow_factories([str(tmp_path / "dynamic.onnx")])
    with pytest.raises(registry.ModelError, match=re.escape(said)):
        registry.record(str(tmp_path / "dynamic.onnx"))


@pytest.mark.parametrize("name", SAID)
def test_a_batch(folder, call, tmp_path, name):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(GOSLING, pictures)
    (path,) = folder.glob(f"*/{name}")
    ways = ["--methods", "occlusion", "--window", 24, "--stride", 24, "--device", "cpu"]
    code, _, err = call("batch", pictures, "--model", path, "--out", tmp_path / "out", *ways)
    assert code == 0, err
    assert list((tmp_path / "out").rglob("*.npz"))


def test_a_model_that_is_asked_for_says_once_why_there_is_none(folder, call, caplog):
    code, _, err = call("predict", GOSLING, "--models", folder, "--model", "pond0")
    assert code == 2
    assert err.startswith(f"{next(iter(SAID))} is an exported program, and to open it is to run")
    assert err.count("\n") == 1
    assert "the model pond" not in caplog.text  # others are not even looked at
