"""The example of docs/folders-and-clusters.md for labels and values, run as it stands there."""

import re
import shlex
from pathlib import Path

import pytest
from safetensors.torch import save_file

from core.__main__ import main
from core.models import registry
from core.models.torchvision_compat import torchvision
from tests.folders import rows

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "folders-and-clusters.md").read_text("utf-8")
PART = TEXT.split("\n### Labels and values\n")[1].split("\n### ")[0]


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PART, re.S)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The files that the text says lie there; the networks are not trained."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(("lungs", "age"), blocks("toml"), strict=True):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        (folder / "model.toml").write_text(text, "utf-8")
        outputs = {"lungs": 3, "age": 1}[name]
        state = torchvision.models.mobilenet_v3_small(num_classes=outputs).state_dict()
        save_file(
            {key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors"
        )
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("swan", "penguin", "gosling"):
        photo = (ROOT / "sample_images" / f"{name}.jpg").read_bytes()
        (pictures / f"{name}.jpg").write_bytes(photo)
    for name, text in zip(("findings", "ages"), blocks("csv"), strict=True):
        (pictures / f"{name}.csv").write_text(text, "utf-8")
    yield tmp_path
    registry.use_folder(None)


@pytest.mark.usefixtures("one_thread")
def test_the_commands_do_what_the_text_says(place, capsys):
    commands = [shlex.split(line)[1:] for line in blocks("sh")[0].splitlines()]
    for command in commands:
        assert main([*command, "--device", "cpu"]) == 0, capsys.readouterr().err
    findings, ages = rows(place / "findings"), rows(place / "ages")
    assert {path: row["expected_name"] for path, row in findings.items()} == {
        "gosling.jpg": ["fracture"],
        "penguin.jpg": [],
        "swan.jpg": ["pneumonia", "effusion"],
    }
    assert findings["swan.jpg"]["maps_index"] == [0, 1]
    assert {path: row["expected"] for path, row in ages.items()} == {
        "gosling.jpg": [58.5],
        "penguin.jpg": [41.0],
        "swan.jpg": [37.2],
    }
    assert ages["swan.jpg"]["unit"] == "years"
    told = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| `.*$", PART, re.M))))
    assert told <= {*findings["swan.jpg"], *ages["swan.jpg"]}
    assert {*findings["swan.jpg"], *ages["swan.jpg"]} - told == {
        *("path", "sha256", "seconds", "error", "maps", "maps_index"),
    }
