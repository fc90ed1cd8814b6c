"""The examples of docs/trust.md on maps made elsewhere, run as they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "trust.md").read_text("utf-8")
PART = TEXT.split("\n## Maps made elsewhere\n")[1].split("\n## ")[0]


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PART, re.S)


def figures(row):
    return [float(each.replace("−", "-")) for each in re.findall(r"[-−+]?\d+(?:\.\d+)?", row)]


def test_captums_map_gets_the_line_that_the_text_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for processes that read files
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    made, in_a_notebook = blocks("python")
    names = {}
    exec(made, names)
    assert np.load("captum_ig.npy").shape == (3, 224, 224)
    (command,) = blocks("sh")
    assert main([*shlex.split(command)[1:], "--device", "cpu"]) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = blocks("text")[0].splitlines()
    found = printed[-1 - len(shown) : -1]
    for row, expected in zip(found, shown, strict=True):
        assert re.split(r"  +", row)[0] == re.split(r"  +", expected)[0]
        # The last digit may differ from one processor to another.
        assert figures(row) == pytest.approx(figures(expected), abs=1.5)
        assert re.sub(r"[\d.]+", "0", row).split() == re.sub(r"[\d.]+", "0", expected).split()
    assert Path("out/swan_maps_trust.png").is_file()
    exec(in_a_notebook, names)
    again = names["given"].values
    summed = np.load("captum_ig.npy").astype(np.float64).sum(0)
    assert again == pytest.approx(summed.astype(np.float32), abs=1e-6)
