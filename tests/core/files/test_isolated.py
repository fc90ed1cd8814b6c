"""A parser of untrusted bytes harms nothing but its own process, whatever it does."""

import os
import sys
import threading
import time

import pytest

from core.errors import ImageError, ResourceError
from core.files import isolated
from core.files.isolated import Limits, StoppedError, run

LIMITS = Limits(memory=300_000_000, seconds=2, output=1000)
SHOUT = "tests.parsers:shout"
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")


def test_what_a_parser_tells_and_writes_comes_back():
    assert run(SHOUT, b"a cat", LIMITS, 2) == ({"length": 5}, b"A CATA CAT")


def test_a_file_is_read_without_passing_through_this_process(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a cat")
    with path.open("rb") as file:
        assert run(SHOUT, file, LIMITS, 1) == ({"length": 5}, b"A CAT")


def test_a_sentence_for_the_user_is_raised_again():
    with pytest.raises(ImageError, match=r"^A cat is refused\.$"):
        run("tests.parsers:refuse", b"A cat", LIMITS)


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
        run(f"tests.parsers:{parser}", bytes(size), LIMITS)


def test_a_parser_that_waits_is_stopped_by_the_clock(monkeypatch):
    monkeypatch.setattr(isolated, "_CLOCK", 0.2)
    start = time.monotonic()
    with pytest.raises(StoppedError):
        run("tests.parsers:sleep", b"", LIMITS)
    assert time.monotonic() - start < 100  # it would sleep for 1000 seconds


def test_modules_in_the_working_directory_take_nobody_s_place(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit")
    (tmp_path / "core.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert run(SHOUT, b"a cat", LIMITS, 1)[1] == b"A CAT"


def test_where_no_process_can_be_started_it_is_said(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ResourceError, match="cannot start the process that opens files"):
        run(SHOUT, b"a", LIMITS, 1)


def test_many_at_once():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(run(SHOUT, b"a", LIMITS, 3)[1]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"AAA"] * 12
