"""What reaches a terminal: lines, tables, progress and log, in which foreign text does nothing."""

import contextlib
import logging
import os
import subprocess
import sys

import pytest
from PIL import Image

from core.__main__ import main
from core.cli import console
from core.cli.console import make_log_visible, print_table, progress_line, say

ESCAPE = "\x1b[2J\x9b31m\x07"
SEEN = "�[2J�31m�"


def test_a_line_is_one_line_wherever_it_goes(capsys):
    say(f"{ESCAPE}a\nb\udce9")
    say(ValueError(f"no {ESCAPE}"), aside=True)
    out, err = capsys.readouterr()
    assert out == f"{SEEN}a b�\n"
    assert err == f"no {SEEN}\n"


def test_a_table_is_aligned_by_what_is_seen(capsys):
    rows = [("白鳥", "1.5"), ("\x1b[2Jgoose", "22.5"), ("swan", "3")]
    print_table(("name", "share"), rows, words=("name",))
    assert capsys.readouterr().out.splitlines() == [
        "name       share",
        "白鳥         1.5",
        "�[2Jgoose   22.5",
        "swan           3",
    ]


def test_progress_acts_on_its_own_line_only(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_line() as show:
        show(f"{ESCAPE}1 of\n2")
    assert capsys.readouterr().err == f"\r\x1b[K{SEEN}1 of 2\r\x1b[K"


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(console, "EVERY", 30.0)
    clock = iter((0.0, 10.0, 31.0, 31.0, 40.0, 62.0, 62.0))
    monkeypatch.setattr(console, "monotonic", lambda: next(clock))
    with progress_line() as show:
        for number in range(1, 5):
            show(f"{number} of 4\n")
    assert capsys.readouterr() == ("", "2 of 4 \n4 of 4 \n")


def test_a_batch_without_a_terminal_says_how_far_it_is(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "EVERY", 0.0)
    for name in "ab":
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
    given = ("--out", str(tmp_path / "out"), "--device", "cpu", "--threads", "1")
    assert main(["batch", str(tmp_path), *given]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "Listing the pictures" in lines
    told = [each for each in lines if each.endswith(" left")]
    assert [each.partition(",")[0] for each in told] == ["1 of 2 pictures", "2 of 2 pictures"]
    assert not any("\x1b" in each or "\r" in each for each in lines)


def test_the_log_says_what_was_foreign_in_lines_of_its_own():
    make_log_visible()
    try:
        raise ValueError(f"inner {ESCAPE}")
    except ValueError:
        found = sys.exc_info()
    record = logging.LogRecord("core", 30, "", 0, "left out: %s", (f"{ESCAPE}\nfake",), found)
    first, *rest = logging.lastResort.format(record).splitlines()
    assert first == f"left out: {SEEN} fake"
    assert rest[0].startswith("Traceback")
    assert rest[-1] == f"ValueError: inner {SEEN}"


@pytest.mark.parametrize(("asked", "tells"), [("", False), ("1", True)])
def test_the_log_tells_of_refusals_when_asked(tmp_path, asked, tells):
    (tmp_path / "mine.py").write_text("def build():\n    raise KeyError('weights')\n")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "core",
            "predict",
            "sample_images/swan.jpg",
            "--model",
            "mine:build",
        ],
        env={**os.environ, "WHERE_IT_LOOKED_LOG": asked, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    *log, sentence = run.stderr.splitlines()
    assert run.returncode == 2
    assert sentence.startswith("mine:build failed (KeyError: 'weights', line 2 of mine.py)")
    assert ("Traceback (most recent call last):" in log) == tells
    assert any(each.startswith("KeyError") for each in log) == tells


@pytest.fixture
def written(capsys):
    """Runs a command; gives all that it wrote to the terminal."""

    def call(*arguments):
        with contextlib.suppress(SystemExit):  # of the parser
            main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        return out + err

    return call


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", f"{ESCAPE}.jpg"),
        ("predict", "swan.jpg", f"{ESCAPE}.jpg"),
        (ESCAPE,),
        ("predict", "sample_images/swan.jpg", "--model", ESCAPE),
        ("explain", "sample_images/swan.jpg", "--out", ".", "--method", ESCAPE),
        ("explain", "x.jpg", "--out", ".", "--method", "occlusion", "--baseline", ESCAPE),
        ("compare", "sample_images/swan.jpg", "--target", ESCAPE),
        ("study", "--out", ".", "--images", ESCAPE),
        ("warm", "--talk", ESCAPE),
        ("batch", ESCAPE, "--out", "out"),
        ("batch", "sample_images", "--out", "out", "--methods", ESCAPE),
        ("models", "--models", ESCAPE),
        ("verify", ESCAPE),
    ],
)
def test_what_a_command_refuses_cannot_act_on_the_terminal(written, arguments):
    text = written(*arguments)
    assert text.strip()
    assert text.replace("\n", "").isprintable()


def test_neither_can_the_names_of_models_and_folders(written, tmp_path):
    place = tmp_path / ESCAPE
    (place / f"x{ESCAPE}").mkdir(parents=True)
    text = written("models", "--models", place)
    assert "cannot be a model's name" in text
    assert text.replace("\n", "").isprintable()


def test_nor_those_of_labels(written, tmp_path, monkeypatch):
    for name in ("goose", f"{ESCAPE}one", f"{ESCAPE}two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bad.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    text = written("batch", tmp_path, "--out", tmp_path / f"out{ESCAPE}", "--device", "cpu")
    assert "name no class of the model" in text
    assert "Wrote" in text
    assert text.replace("\n", "").isprintable()
