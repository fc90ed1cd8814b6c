"""The examples of docs/exports.md, run as they stand there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from core.__main__ import main
from core.exports.coco import SHARE
from tests.core.exports.test_summary import Page, check_document

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "exports.md").read_text("utf-8")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.S)


def test_the_commands_do_what_the_text_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    for line in blocks("sh")[0].splitlines():
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("Wrote summary.html: ")
    assert said[2:] == [
        "Wrote regions.json: 7 images, 7 maps.",
        "Wrote dataset: 7 samples, 7 maps.",
    ]
    page = Page((tmp_path / "summary.html").read_text("utf-8"))
    check_document(page)
    assert "The least certain answers" in page.text
    exec(blocks("python")[0], {})
    name, method, covered = capsys.readouterr().out.splitlines()[-1].split()
    assert (name, method) == ("gosling.jpg", "occlusion")
    assert 0 < float(covered) < 1
    samples = json.loads((tmp_path / "dataset" / "samples.json").read_text("utf-8"))["samples"]
    assert all(each["map_occlusion"]["units"] == "logits" for each in samples)


def test_the_defaults_are_those_of_the_text():
    assert f"`--share` ({SHARE})" in TEXT
