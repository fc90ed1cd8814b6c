"""What was written, and whether it still is."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

from core.errors import FolderError
from core.files.checksums import SUMS, Sums

RUN = "ab" * 32
NAMES = re.compile(r"[a-z]/?[a-z]?")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def put(tmp_path):
    """Writes a file whose digest is noted; gives the digests, read anew."""
    sums = Sums(tmp_path, NAMES)
    sums.begin(RUN)

    def call(name, data):
        sums.note(name, sha256(data))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
        sums.appeared(name)
        return sums

    return call


def read(folder):
    sums = Sums(folder, NAMES)
    sums.read()
    return sums


def test_what_was_written_is_known_again(put, tmp_path):
    put("a", b"one")
    put("b/c", b"two")
    sums = read(tmp_path)
    assert sums.run == RUN
    assert list(sums.names) == ["a", "b/c"]
    assert "a" not in sums  # nothing was compared yet
    shown = []
    assert sums.check(shown.append) == []
    assert shown == ["Checking 1 of 2 files", "Checking 2 of 2 files"]
    assert "a" in sums
    assert "b/c" in sums


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum")
def test_sha256sum_reads_it(put, tmp_path):
    put("a", b"one")
    put("b", b"two")
    check = ("sha256sum", "--check", "--strict", SUMS)
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "b").write_bytes(b"twO")
    told = subprocess.run(check, cwd=tmp_path, capture_output=True, env={"LC_ALL": "C"})
    assert told.stdout == b"a: OK\nb: FAILED\n"


def test_what_differs_is_named_and_what_is_gone_does_not_count(put, tmp_path):
    put("a", b"one")
    put("b", b"two")
    put("c", b"three")
    (tmp_path / "a").write_bytes(b"onE")
    (tmp_path / "b").unlink()
    sums = read(tmp_path)
    assert sums.check() == ["a"]
    assert [name in sums for name in "abc"] == [False, False, True]


def test_the_later_of_two_lines_counts(put, tmp_path):
    put("a", b"one")
    put("a", b"two")
    sums = read(tmp_path)
    assert sums.check() == []
    assert list(sums.names) == ["a"]


def test_a_file_that_is_announced_but_did_not_appear_does_not_count(put, tmp_path):
    sums = put("a", b"one")
    sums.note("a", sha256(b"two"))
    assert "a" not in sums
    again = read(tmp_path)
    again.check()
    assert "a" not in again


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_differs_at_once(put, tmp_path, kind):
    put("a", b"one")
    (tmp_path / "a").unlink()
    match kind:
        case "pipe":
            os.mkfifo(tmp_path / "a")
        case "device":
            (tmp_path / "a").symlink_to("/dev/zero")
        case _:
            (tmp_path / "a").mkdir()
    assert read(tmp_path).check() == ["a"]


@pytest.mark.parametrize(
    "line",
    [
        "{digest}  /etc/passwd\n",
        "{digest}  ../x\n",
        "{digest}  abc\n",
        "{digest} *a\n",
        "{digest}  a",
        "{short}  a\n",
        "# {digest}  a\n",
        "\n",
        "x" * 10_000 + "\n",
        "\0\xff\n",
    ],
)
def test_lines_that_are_none_of_ours_do_not_count(put, tmp_path, line):
    put("b", b"two")
    text = line.format(digest=sha256(b"one"), short=sha256(b"one")[1:])
    with (tmp_path / SUMS).open("a", encoding="latin-1") as file:
        file.write(text)
    sums = read(tmp_path)
    assert list(sums.names) == ["b"]
    assert sums.run == RUN


def test_without_digests_nothing_is_known(tmp_path):
    sums = read(tmp_path)
    assert sums.run is None
    assert not sums.names
    os.mkfifo(tmp_path / SUMS)
    assert read(tmp_path).run is None


def test_what_is_begun_anew_keeps_its_names_and_what_is_kept_loses_the_others(put, tmp_path):
    put("a", b"one")
    sums = put("b", b"two")
    sums.begin("cd" * 32)
    assert (read(tmp_path).run, list(read(tmp_path).names)) == ("cd" * 32, ["a", "b"])
    sums.keep(["b", "b"])
    assert list(read(tmp_path).names) == ["b"]


def test_lines_that_are_there_are_not_written_again(put, tmp_path):
    sums = put("a", b"one")
    before = (tmp_path / SUMS).stat().st_ino
    sums.keep(["a"])
    assert (tmp_path / SUMS).stat().st_ino == before


def test_a_link_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (tmp_path / SUMS).symlink_to(other)
    with pytest.raises(FolderError, match="it is a link"):
        Sums(tmp_path, NAMES).note("a", sha256(b"one"))
    with pytest.raises(FolderError, match="SUMS is a link, and only a regular file is replaced"):
        Sums(tmp_path, NAMES).begin(RUN)
    assert other.read_bytes() == b"mine"
