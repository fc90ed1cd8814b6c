"""A table may say what it likes: only pictures below its own folder are read."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ImageError
from core.folders.safe_files import read_below, read_inside
from tests.folders import png


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of pictures, with secrets beside it and links that lead to them."""
    top = tmp_path_factory.mktemp("top")
    inside, outside = top / "pictures", top / "pictures_secret"
    (inside / "swan").mkdir(parents=True)
    outside.mkdir()
    (inside / "swan" / "a.png").write_bytes(png(1))
    (inside / "swan" / ".hidden.png").write_bytes(png(2))
    (inside / "notes.txt").write_text("secret")
    (outside / "b.png").write_bytes(b"secret")
    (inside / "link.png").symlink_to(outside / "b.png")
    (inside / "folder.png").mkdir()
    (inside / "way").symlink_to(outside)
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "good.png").symlink_to(inside / "swan" / "a.png")
    os.mkfifo(inside / "pipe.png")
    return inside


@pytest.mark.parametrize("path", ["swan/a.png", "good.png"])
def test_a_picture_is_read(place, path):
    assert read_below(str(place), path) == png(1)
    assert read_below(f"file://{place}", path) == png(1)


@pytest.mark.parametrize(
    "path",
    [
        *("../pictures_secret/b.png", "swan/../../pictures_secret/b.png", "..", "../b.png"),
        *("link.png", "way/b.png", "loop.png", "folder.png", "pipe.png", "absent.png"),
        *("swan/.hidden.png", "notes.txt", "swan", "", ".", "/", "./swan/a.png", "swan//a.png"),
        *("swan\\a.png", "swan/a.png\0", "\0", "x" * 5000 + ".png", "file:///swan/a.png"),
        *("/etc/passwd", "~/a.png", "swan/a.png/", "swan/a.png/b.png"),
    ],
)
def test_nothing_else_is(place, path):
    with pytest.raises(ImageError) as caught:
        read_below(str(place), path)
    assert str(place) not in str(caught.value)  # visitors are not told where it lies


@pytest.mark.parametrize(
    "address",
    ["reference://", "reference://x", "github://x", "dir://", "zip://", "no-such-kind://x", "\0"],
)
def test_an_address_that_leads_nowhere_is_told_as_such(address):
    with pytest.raises(ImageError):
        read_below(address, "a.png")


def test_an_absolute_path_is_refused_even_inside(place):
    with pytest.raises(ImageError, match="not one below"):
        read_below(str(place), str(place / "swan" / "a.png"))


@given(st.lists(st.sampled_from(["..", ".", "swan", "a.png", "way", "b.png", "/", "", "\\"])))
def test_no_way_leads_out(place, parts):
    try:
        found = read_below(str(place), "/".join(parts))
    except ImageError:
        return
    assert found == png(1)


@pytest.mark.parametrize("address", ["", "/absent", "nonsense://x", "memory://", "s3"])
def test_a_folder_that_is_not_there_is_said(address):
    with pytest.raises(ImageError):
        read_below(address, "swan/a.png")


def test_a_large_file_is_refused(place):
    assert len(read_inside(place, "swan/a.png", len(png(1)))) == len(png(1))
    with pytest.raises(ImageError, match="more than 10 bytes"):
        read_inside(place, "swan/a.png", 10)
