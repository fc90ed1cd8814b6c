"""Opening files by name, and writing them."""

import os
import socket
from pathlib import Path

import pytest

from core.errors import SettingError
from core.files.io import (
    UnsuitableError,
    check_replaceable,
    check_writable,
    open_own,
    open_regular,
    read_bytes,
    read_text,
    write,
)
from tests import unprivileged

UNIX = pytest.mark.skipif(os.name == "nt", reason="needs FIFOs, links and devices")
ODD = ["pipe", "link", "link to nothing", "folder", "socket"]


def put(path, kind):
    """Make something that is no regular file."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            (path.parent / "precious").write_bytes(b"precious")
            path.symlink_to("precious")
        case "link to nothing":
            path.symlink_to("nowhere")
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        case "device":
            try:
                os.mknod(path, 0o20666, os.makedev(1, 7))  # as /dev/full
            except OSError as error:
                pytest.skip(f"no device can be made here ({error.strerror})")
    return path


def test_a_regular_file_is_read_also_through_a_link(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_bytes(tmp_path / "b", 3) == b"abc"


def test_more_bytes_than_allowed_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(UnsuitableError, match="more than 2 bytes"):
        read_bytes(tmp_path / "a", 2)


@UNIX
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "/dev/zero"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    path = Path(kind) if kind.startswith("/") else put(Path(kind), kind)
    with pytest.raises(UnsuitableError, match="no regular file"):
        open_regular(path)
    Path("linked").symlink_to(path)
    with pytest.raises(UnsuitableError, match="no regular file"):
        open_regular("linked")


@pytest.mark.parametrize(("name", "words"), [("a\0b", "NUL"), ("a\ud800", "half a character")])
def test_a_name_that_no_file_can_have_is_an_os_error(name, words):
    with pytest.raises(OSError, match=words):
        open_regular(name)


def test_lines_of_a_text_end_in_one_way(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "a", 10, "utf-8-sig") == "a\nb\nc\n"
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "a", 10)


def test_files_appear_all_or_none(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(SettingError, match="cannot be written"):
        write(tmp_path, {"a": b"new", "missing/b": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
    write(tmp_path, {"a": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "new"


@UNIX
@pytest.mark.parametrize("kind", [*ODD, "device"])
def test_nothing_but_a_regular_file_is_replaced(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("old")
    before = put(Path("odd"), kind).lstat()
    sentence = rf"written to \. \(odd is a {kind.split()[0]}, and only a regular file is replaced"
    for refuse in (
        lambda: check_writable(Path(), ["a", "odd"]),
        lambda: write(Path(), {"a": b"new", "odd": b"new"}),
    ):
        with pytest.raises(SettingError, match=sentence):
            refuse()
    with pytest.raises(UnsuitableError):
        check_replaceable(Path("odd"))
    after = Path("odd").lstat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert (tmp_path / "a").read_text() == "old"
    assert not (tmp_path / "nowhere").exists()
    if kind == "link":
        assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("file", "file is no folder"),
        ("file/new", "Not a directory"),
        ("loose", "loose is a link that leads nowhere"),
        ("loose/new", "loose is a link that leads nowhere"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_used_is_found_before_anything_is_written(tmp_path, folder, reason):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "loose").symlink_to("nowhere")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SettingError, match=reason):
        check_writable(tmp_path / folder)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_can_be_made_or_linked_to_will_do_and_is_not_made(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "here" / "a").write_text("old")
    check_writable(tmp_path / "link", ["a", "b"])
    check_writable(tmp_path / "new" / "deep", ["a"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "link"]
    with pytest.raises(SettingError, match=r"name too long.*: choose another name"):
        check_writable(tmp_path / "new", ["x" * 300], "choose another name")


def test_a_folder_without_the_right_to_write_is_found_too():
    imports = "from pathlib import Path\nfrom core.files.io import check_writable"
    code = "for place in sys.argv[1:]: check_writable(Path(place))"
    with unprivileged.place() as folder:
        (folder / "shut").mkdir(mode=0o555)
        for place in ("shut", "shut/new"):
            found = unprivileged.run(imports, code, folder / "own" / "new", folder / place)
            assert f"written to {folder / place} (it is not writable)" in found.stderr


def test_a_file_of_ones_own_is_made_and_added_to(tmp_path):
    for data in (b"ab", b"c"):
        with open_own(tmp_path / "a") as file:
            file.write(data)
    assert (tmp_path / "a").read_bytes() == b"abc"


@UNIX
@pytest.mark.parametrize("kind", [*ODD, "device"])
def test_nothing_but_a_regular_file_is_opened_to_be_written(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsuitableError, match=f"it is a {kind.split()[0]}"):
        open_own(put(Path("odd"), kind))
    assert not (tmp_path / "nowhere").exists()
    if kind == "link":
        assert (tmp_path / "precious").read_bytes() == b"precious"
