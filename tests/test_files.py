"""Opening files by name."""

import os

import pytest

from core.files import open_own, open_regular, read_bytes


def test_a_regular_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_bytes(tmp_path / "b", 3) == b"abc"


def test_more_bytes_than_allowed_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_bytes(tmp_path / "a", 2)


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    path = {"pipe": tmp_path / "pipe", "device": "/dev/zero", "folder": tmp_path}[kind]
    with pytest.raises(OSError, match="no regular file"):
        open_regular(path)


def test_a_nul_in_a_name_is_an_os_error():
    with pytest.raises(OSError, match="NUL"):
        open_regular("a\0b")


def test_a_file_of_ones_own_is_made_and_added_to(tmp_path):
    for data in (b"ab", b"c"):
        with open_own(tmp_path / "a") as file:
            file.write(data)
    assert (tmp_path / "a").read_bytes() == b"abc"


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "folder"])
def test_what_may_be_anybodys_is_not_opened_to_be_written(tmp_path, kind):
    path, other = tmp_path / "a", tmp_path / "other"
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
    with pytest.raises(OSError, match=r"it is a link|no regular file|Is a directory"):
        open_own(path)
    assert not other.exists() or other.read_bytes() == b"mine"
