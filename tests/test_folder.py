"""What is found in a folder, a CSV or elsewhere."""

import os
import sys

import fsspec
import pytest
from folders import fill, png

from core.errors import FolderError, ImageError
from core.folder import Entry, list_folder, read_entry
from core.images import MAX_BYTES
from core.models import registry

NAMES = registry()["resnet18"].class_names


def found(address):
    return {entry.path: entry.label for entry in list_folder(str(address), NAMES).entries}


def test_sub_folders_are_labels_however_deep_the_pictures_lie(tmp_path):
    fill(
        tmp_path,
        ["king_penguin/a/b.PNG", "n01855672/c.JPEG", "holiday/d.jpg", "top.webp", "goose/e.avif"],
    )
    folder = list_folder(str(tmp_path), NAMES)
    assert [entry.path for entry in folder.entries] == sorted(found(tmp_path))
    assert found(tmp_path) == {
        "king_penguin/a/b.PNG": 145,
        "n01855672/c.JPEG": 99,
        "holiday/d.jpg": None,
        "top.webp": None,
        "goose/e.avif": 99,
    }
    assert folder.without_class == ("holiday",)


def test_a_class_deeper_than_the_first_folder_is_none(tmp_path):
    fill(tmp_path, ["val/goose/a.png"])
    assert found(tmp_path) == {"val/goose/a.png": None}


def test_only_pictures_that_are_not_hidden_are_taken(tmp_path):
    fill(tmp_path, ["a.png", ".b.png", ".trash/c.png", "notes.txt", "d.heic"])
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    (tmp_path / "link.png").symlink_to("a.png")
    assert sorted(found(tmp_path)) == ["a.png", "d.heic", "link.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="such a name cannot be there")
def test_a_name_that_is_no_unicode_is_a_row_all_the_same(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(png(0))
    assert list(found(tmp_path)) == ["\\udcff.png"]
    with pytest.raises(ImageError, match="cannot be read"):
        read_entry(str(tmp_path), Entry("\\udcff.png"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path / "nowhere", "^There is no .*nowhere: give a folder, or a CSV"),
        (lambda path: path, "holds no picture: looked for .jpg"),
        (lambda _: "nosuch://bucket", r"^nosuch://bucket cannot be read \(Protocol not known"),
    ],
)
def test_what_cannot_be_listed_is_said(tmp_path, make, sentence):
    with pytest.raises(FolderError, match=sentence):
        list_folder(str(make(tmp_path)), NAMES)


def written(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_text(text, "utf-8")
    return path


def test_a_csv_names_pictures_and_labels_in_every_form(tmp_path):
    path = written(
        tmp_path, "\ufefflabel,path\n145,b/x.png\nn01855672,./a.png\n,c.png\nking_penguin,d.png\n"
    )
    assert list_folder(str(path), NAMES).address == str(tmp_path)
    assert found(path) == {"b/x.png": 145, "a.png": 99, "c.png": None, "d.png": 145}
    assert found(written(tmp_path, "path\na.png\n")) == {"a.png": None}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\na.png,1\n", "has no column path: its first line must be path"),
        ("", "has no column path"),
        ("path\n", "names no picture"),
        (
            "path,label\na.png,swan\n",
            r'line 2: This model has no class "swan".*nearest: black swan',
        ),
        ("path,label\na.png,CARDIGAN\n", 'line 2: "CARDIGAN" names several classes'),
        ("path\n../a.png\n", r'line 2: the path "\.\./a\.png" is not one below the folder'),
        ("path\na/../../b.png\n", "is not one below"),
        ("path\n/etc/passwd\n", "is not one below"),
        ("path\n\na.png\na.png\n", "line 4: a.png is there twice"),
    ],
)
def test_a_csv_that_is_not_clear_is_said_with_its_line(tmp_path, text, sentence):
    with pytest.raises(FolderError, match=sentence):
        list_folder(str(written(tmp_path, text)), NAMES)


def test_any_address_of_fsspec_will_do(tmp_path):
    fill(tmp_path, ["goose/a.png"])
    with fsspec.open("memory://pictures/goose/a.png", "wb") as file:
        file.write(png(0))
    for address in (f"file://{tmp_path}", "memory://pictures"):
        folder = list_folder(address, NAMES)
        assert folder.entries == (Entry("goose/a.png", 99),)
        assert read_entry(folder.address, folder.entries[0]) == png(0)


def test_bytes_that_cannot_be_had_are_said(tmp_path):
    with pytest.raises(ImageError, match=r"^a\.png cannot be read \(No such file"):
        read_entry(str(tmp_path), Entry("a.png"))
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="more than the 20,000,000 bytes"):
        read_entry(str(tmp_path), Entry("large.png"))


def test_the_digest_tells_pictures_and_labels_apart(tmp_path):
    fill(tmp_path / "one", ["goose/a.png"])
    fill(tmp_path / "two", ["geese/a.png"])
    fill(tmp_path / "three", ["goose/a.png", "goose/b.png"])
    digests = {list_folder(str(tmp_path / name), NAMES).digest for name in ("one", "two", "three")}
    assert len(digests) == 3
    fill(tmp_path / "four", ["goose/a.png"])
    assert list_folder(str(tmp_path / "four"), NAMES).digest in digests
