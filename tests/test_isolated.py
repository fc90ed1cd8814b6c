"""A parser of untrusted bytes harms nothing but its own process, whatever it does."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from core import isolated
from core.errors import ImageError, ResourceError
from core.isolated import Limits, StoppedError, run

LIMITS = Limits(memory=300_000_000, seconds=2, output=1000)
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")


@pytest.fixture(autouse=True)
def parsers_are_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def test_what_a_parser_tells_and_writes_comes_back():
    assert run("parsers:shout", b"a cat", LIMITS, 2) == ({"length": 5}, b"A CATA CAT")


def test_a_file_is_read_without_passing_through_this_process(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a cat")
    with path.open("rb") as file:
        assert run("parsers:shout", file, LIMITS, 1) == ({"length": 5}, b"A CAT")


def test_a_sentence_for_the_user_is_raised_again():
    with pytest.raises(ImageError, match=r"^A cat is refused\.$"):
        run("parsers:refuse", b"A cat", LIMITS)


@pytest.mark.parametrize(
    "parser",
    [
        "fail",
        "abort",
        "abort_later",
        "without_end",
        pytest.param("fill", marks=linux),
        pytest.param("spin", marks=pytest.mark.skipif(os.name == "nt", reason="no such limit")),
    ],
)
@pytest.mark.parametrize("size", [0, 10_000_000])  # as much as no pipe holds
def test_a_parser_that_fails_is_stopped(parser, size):
    with pytest.raises(StoppedError):
        run(f"parsers:{parser}", bytes(size), LIMITS)


def test_a_parser_that_waits_is_stopped_by_the_clock(monkeypatch):
    monkeypatch.setattr(isolated, "_CLOCK", 0.2)
    start = time.monotonic()
    with pytest.raises(StoppedError):
        run("parsers:sleep", b"", LIMITS)
    assert time.monotonic() - start < 10


def test_modules_beside_it_take_nobody_s_place(tmp_path, monkeypatch):
    core = tmp_path / "core"
    core.mkdir()
    (core / "isolated.py").write_text(Path(isolated.__file__).read_text())
    (core / "errors.py").write_text(
        "class UserError(ValueError): pass\nclass ImageError(UserError): pass"
    )
    (core / "json.py").write_text("raise SystemExit")
    monkeypatch.setattr(isolated, "__file__", str(core / "isolated.py"))
    assert run("parsers:shout", b"a cat", LIMITS, 1)[1] == b"A CAT"


def test_where_no_process_can_be_started_it_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ResourceError, match="cannot start the process that opens files"):
        run("parsers:shout", b"a", LIMITS, 1)


def test_many_at_once():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run("parsers:shout", b"a", LIMITS, 3)[1]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"AAA"] * 12
