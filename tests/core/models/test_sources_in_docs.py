"""The examples of docs/own-models.md that need no network, run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.__main__ import main
from core.models import registry

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "own-models.md").read_text("utf-8")


def block(heading, number=0):
    """A block of Python below a heading."""
    part = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", part, re.S)[number]


@pytest.fixture(autouse=True)
def leave():
    yield
    registry.allow_factories()


def predicted(capsys, model):
    picture = ROOT / "sample_images" / "swan.jpg"
    assert main(["predict", str(picture), "--model", model, "--device", "cpu"]) == 0
    return capsys.readouterr().out


def test_a_function_that_builds_the_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "my_nets.py").write_text(block("A function that builds the network"), "utf-8")
    assert "class 0" in predicted(capsys, "my_nets:build")


def test_a_folder_that_transformers_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block('The Hugging Face hub')}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert "mute swan" in predicted(capsys, "hf:mine-hf")


def test_files_that_hold_the_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    heading = "A file that holds the network"
    code = "import warnings; warnings.simplefilter('ignore')\n"
    code += "".join(block(heading, number) for number in range(3))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    said = [predicted(capsys, f"bird.{suffix}") for suffix in ("pt2", "onnx", "pt")]
    assert ["class 2" in each for each in said] == [True] * 3
    assert said[0].splitlines()[1:] == said[1].splitlines()[1:]
    part = TEXT.split(f"\n## {heading}\n")[1]
    (tmp_path / "model.toml").write_text(re.findall(r"```toml\n(.*?)```", part, re.S)[0], "utf-8")
    for suffix in ("pt2", "onnx", "pt"):
        assert predicted(capsys, f"bird.{suffix}").startswith("Pond birds in a file on cpu\n")


def test_a_model_of_other_channels(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "fields").mkdir(parents=True)
    heading = "Other channels than a photo's"
    part = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    description = re.findall(r"```toml\n(.*?)```", part, re.S)[0]
    (tmp_path / "mine" / "fields" / "model.toml").write_text(description, "utf-8")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block(heading)}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    given = ["--models", "mine", "--model", "fields", "--device", "cpu"]
    assert main(["predict", "field.npy", *given]) == 0
    told = capsys.readouterr()
    assert "maize" in told.out
    assert "It has 6 channels (uint16, 65,535 is taken as 1)" in told.err
    registry.use_folder(None)
