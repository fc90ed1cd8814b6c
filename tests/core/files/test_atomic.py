"""Files that are there whole or not at all."""

import hashlib
import os
import resource
from contextlib import contextmanager

import pytest

from core.errors import FolderError
from core.files.atomic import UNFINISHED, DiskFullError, write_whole


@contextmanager
def no_file_above(size):
    """The system refuses to let a file grow further, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_replaces_an_older_one_whole(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, lambda file: file.write(b"one"))
    write_whole(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_whole(path, lambda file: file.write(b"one"))
    with (
        no_file_above(1000),
        pytest.raises(DiskFullError, match=r"^There is no room for .*file \("),
    ):
        write_whole(path, lambda file: file.write(b"x" * 100_000))
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "file", lambda file: file.write(b"x") / 0)
    assert not list(tmp_path.iterdir())


def test_a_place_below_a_file_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderError, match=r"cannot be written .* choose another"):
        write_whole(tmp_path / "file" / "below", lambda file: file.write(b"x"))


def test_the_digest_is_announced_before_the_file_appears(tmp_path):
    path, told = tmp_path / "file", []
    write_whole(path, lambda file: file.write(b"one"), lambda d: told.append((d, path.exists())))
    assert told == [(hashlib.sha256(b"one").hexdigest(), False)]


def test_while_it_is_written_its_name_says_so(tmp_path):
    def write(_file):
        (path,) = tmp_path.iterdir()
        assert UNFINISHED.fullmatch(path.name)[1] == "file"

    write_whole(tmp_path / "file", write)
    assert not UNFINISHED.fullmatch("my.writing")


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder"])
def test_only_regular_files_are_replaced(tmp_path, kind):
    path, other = tmp_path / "file", tmp_path / "other"
    match kind:
        case "link":
            other.write_bytes(b"mine")
            path.symlink_to(other)
        case "link to nothing":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    before = path.lstat()
    with pytest.raises(FolderError, match=r"file is a \w+, and only a regular file is replaced"):
        write_whole(path, lambda file: file.write(b"x"))
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not other.exists() or other.read_bytes() == b"mine"
