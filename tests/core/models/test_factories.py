"""Networks of a function of one's own: built where that was asked for, and nowhere else."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.__main__ import main
from core.errors import ModelError
from core.models import classifiers, registry
from core.models.heads import VALUE
from core.pictures.samples import samples
from tests import own
from tests.core.bundle.test_plain_captum import unpacked

SWAN = samples()["swan"].path
ROOT = Path(__file__).resolve().parents[3]
NETS = """
import torch
from torch import nn

def build(classes=3, width=4):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, width, 7, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, classes),
    )

class Made:
    one = staticmethod(lambda: build(1))

def broken(): raise ValueError("no such file:\\n  x")
def leaving(): raise SystemExit(3)
def other(): return 3
def narrow(): return nn.Linear(3, 2)
def images(): return nn.Conv2d(3, 2, 1)
number = 3
"""
NUMBERS = itertools.count()


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module in the current folder; its name, which no other test has used."""
    name = f"nets_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(NETS, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return name


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.allow_factories()
    registry.use_folder(None)


def refused(name):
    registry.allow_factories([name])
    with pytest.raises(ModelError) as caught:
        classifiers.load(name, "cpu")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_a_factory_becomes_a_model(nets):
    registry.allow_factories([f"{nets}:build"])
    found = classifiers.load(f"{nets}:build", "cpu")
    assert found.class_names == ("class 0", "class 1", "class 2")
    assert found.record.notes == (
        f"Nobody said how {nets}:build sees a picture: resized to 256, cropped to 224 and "
        "normalised as for ImageNet is assumed.",
    )
    expected = sys.modules[nets].build()
    inputs = torch.randn(1, 3, 224, 224)
    assert torch.equal(found.logits(inputs), expected(inputs).detach())
    assert f"{nets}:build" not in registry.records()


def test_one_number_is_a_value(nets):
    registry.allow_factories([f"{nets}:Made.one"])
    found = registry.record(f"{nets}:Made.one")
    assert (found.head, len(found.class_names), len(found.notes)) == (VALUE, 1, 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}:broken", "{}:broken failed (ValueError: no such file:, line 15 of {}.py): try it in"),
        ("{}:leaving", "{}:leaving failed (SystemExit: 3, line 16 of {}.py): try it in"),
        ("{}:other", "{}:other returned 'int': it has to return a torch.nn.Module."),
        ("{}:absent", "The module {} has no absent: check its name."),
        (
            "{}:number",
            "{}:number failed (TypeError: 'int' object is not callable): try",
        ),
        ("{}:narrow", "{}:narrow cannot take a picture of 224 × 224 pixels (RuntimeError: mat1"),
        ("{}:images", "The model returns scores of shape (N, 2, 224, 224) for N pictures"),
        ("absent_{}:build", "There is no module absent_{}, neither in this folder nor installed"),
        ("{}:", 'There is no model "{}:"'),
    ],
)
def test_what_can_be_wrong(nets, name, said):
    assert refused(name.format(nets)).startswith(said.format(nets, nets))


def test_a_module_that_cannot_be_imported(nets, tmp_path):
    (tmp_path / f"{nets}_b.py").write_text("import no_such_module_at_all", "utf-8")
    assert refused(f"{nets}_b:build") == (
        f"{nets}_b:build cannot be imported (ModuleNotFoundError: No module named "
        f"'no_such_module_at_all', line 1 of {nets}_b.py): try it in Python, which shows the whole "
        "traceback."
    )


def test_nothing_is_run_that_nobody_named(nets):
    for name in (f"{nets}:build", "os:abort", "subprocess:run"):
        with pytest.raises(ModelError, match="run only where the command line names it"):
            registry.record(name)
    registry.allow_factories([f"{nets}:build"])
    with pytest.raises(ModelError, match="would run code"):
        registry.record(f"{nets}:other")
    assert nets not in sys.modules


def run_captum(bundle, place):
    """Run a bundle's script where the module of the factory lies."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import core.models.torchvision_compat, "
        "runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(bundle / "plain_captum.py")],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_line_names_it_and_a_bundle_alone_does_not(nets, tmp_path, capsys):
    name, file = f"{nets}:build", tmp_path / "swan.zip"
    ways = ("--method", "occlusion", "--window", "64", "--stride", "64", "--device", "cpu")
    assert main(["explain", str(SWAN), "--model", name, *ways, "--bundle", str(file)]) == 0
    capsys.readouterr()
    assert main(["verify", str(file)]) == 2
    assert "would run code of that name" in capsys.readouterr().err
    assert main(["verify", str(file), "--model", name, "--device", "cpu"]) == 0
    assert "Equal." in capsys.readouterr().out
    done = run_captum(unpacked(file.read_bytes(), tmp_path / "bundle"), tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "other weights" not in done.stdout


def described(nets, **changes):
    values = {
        "title": "Pond",
        "architecture": f"{nets}:build",
        "classes": ["a", "b", "c", "d"],
        **changes,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([*lines, "[arguments]", "classes = 4", "width = 6", ""])


def test_a_description_without_a_file_takes_the_weights_of_the_function(nets, tmp_path, capsys):
    folder = tmp_path / "models"
    (folder / "pond").mkdir(parents=True)
    (folder / "pond" / "model.toml").write_text(described(nets), "utf-8")
    given = ["--models", str(folder), "--model", "pond", "--factories", "--device", "cpu"]
    file = tmp_path / "swan.zip"
    ways = ("--method", "occlusion", "--window", "64", "--stride", "64", "--bundle", str(file))
    assert main(["explain", str(SWAN), *given, *ways]) == 0
    assert main(["verify", str(file), *given[:2], *given[4:]]) == 0
    capsys.readouterr()
    found = classifiers.load("pond", "cpu")
    assert found.class_names == ("a", "b", "c", "d")
    inputs = torch.randn(1, 3, 224, 224)
    assert torch.equal(found.logits(inputs), sys.modules[nets].build(4, 6)(inputs).detach())
    bundle = unpacked(file.read_bytes(), tmp_path / "bundle")
    done = run_captum(bundle, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "other weights" not in done.stdout
    assert main(["models", *given[:2]]) == 0
    assert "code that would be run: allow it with --factories" in capsys.readouterr().out


def test_a_description_names_it_where_that_is_allowed(nets, tmp_path, capsys):
    __import__(nets)
    state = sys.modules[nets].build(4, 6).state_dict()
    held = {"state_dict": {f"model.{key}": value + 0.5 for key, value in state.items()}}
    own.make(tmp_path / "models", text=described(nets), weights=held, file="last.ckpt")
    given = ["--models", str(tmp_path / "models")]
    asked = ["predict", str(SWAN), *given, "--model", "pond", "--device", "cpu"]
    assert main(asked) == 2
    assert "code that would be run: allow it with --factories" in capsys.readouterr().err
    assert main([*asked, "--factories"]) == 0
    assert capsys.readouterr().out.startswith("Pond on cpu\n")
    file = tmp_path / "swan.zip"
    ways = ("--method", "occlusion", "--window", "64", "--stride", "64", "--bundle", str(file))
    assert main(["explain", *asked[1:], "--factories", *ways]) == 0
    assert main(["verify", str(file), *given, "--factories", "--device", "cpu"]) == 0
    own.make(
        tmp_path / "others", "three", described(nets, title="T", classes=["a", "b", "c"]), state
    )
    assert main(["models", "--models", str(tmp_path / "others"), "--factories"]) == 0
    assert "gives 4 scores, and 3 are described: list a class for each." in capsys.readouterr().out


def test_models_that_are_not_asked_for_are_not_run(nets, tmp_path, capsys, caplog):
    mark = tmp_path / "was run"
    with (tmp_path / f"{nets}.py").open("a", encoding="utf-8") as file:
        file.write(
            f"def marking(**_): open({str(mark)!r}, 'w').close(); raise ValueError('pond')\n"
        )
    for name, function in (("soft", "build"), ("other", "marking")):
        (tmp_path / "models" / name).mkdir(parents=True)
        text = described(nets, title=name, architecture=f"{nets}:{function}")
        (tmp_path / "models" / name / "model.toml").write_text(text, "utf-8")
    given = ["--models", str(tmp_path / "models"), "--factories"]
    assert main(["predict", str(SWAN), *given, "--model", "soft", "--device", "cpu"]) == 0
    assert capsys.readouterr().err.count("other") == 0
    assert not mark.exists()
    assert main(["predict", str(SWAN), *given, "--model", "soff"]) == 2
    assert "did you mean soft" in capsys.readouterr().err.replace("Did", "did")
    assert not mark.exists()
    assert main(["models", *given]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.count("other is broken") == 1
    assert mark.exists()
    assert not [each for each in caplog.records if each.levelname == "WARNING"]
