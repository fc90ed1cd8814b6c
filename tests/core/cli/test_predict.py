"""The command ``predict``, in process and once as a process."""

import subprocess
import sys

import pytest

from tests.commands import ROOT, SWAN

pytestmark = pytest.mark.usefixtures("load_once")


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
