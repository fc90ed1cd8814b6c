"""What is found in a folder, a CSV or elsewhere."""

import json
import os
import sys
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

from core.errors import FolderError, ImageError
from core.folders import listing as folders
from core.folders.listing import Entry, list_folder, read_entry
from core.models.registry import records
from core.pictures.images import MAX_BYTES
from tests import unprivileged
from tests.folders import fill, png

NAMES = records()["resnet18"].class_names


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


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.png", "is a picture: give the folder that it lies in, or a CSV of path and label."),
        ("a.csv", "is neither a folder nor a CSV in UTF-8: give a folder, or a CSV of path and"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_what_it_is(tmp_path, name, reason):
    (tmp_path / name).write_bytes(png(0))
    with pytest.raises(FolderError, match=reason):
        list_folder(str(tmp_path / name), NAMES)


def test_a_class_deeper_than_the_first_folder_is_none(tmp_path):
    fill(tmp_path, ["val/goose/a.png"])
    assert found(tmp_path) == {"val/goose/a.png": None}


def test_only_pictures_that_are_not_hidden_are_taken(tmp_path):
    fill(tmp_path, ["a.png", ".b.png", ".trash/c.png", "notes.txt", "d.heic"])
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    (tmp_path / "link.png").symlink_to("a.png")
    assert sorted(found(tmp_path)) == ["a.png", "d.heic", "link.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="such a name cannot be there")
def test_a_name_that_is_no_unicode_is_shown_escaped_and_read_all_the_same(tmp_path):
    place = tmp_path / os.fsdecode(b"\xfe")
    fill(place, [os.fsdecode(b"\xff.png"), "z.png"])
    folder = list_folder(str(tmp_path), NAMES)
    assert [entry.shown for entry in folder.entries] == ["\\udcfe/\\udcff.png", "\\udcfe/z.png"]
    assert read_entry(folder.address, folder.entries[0]) == png(0)
    (place / os.fsdecode(b"\xff.png")).unlink()
    with pytest.raises(ImageError, match=r"^\\udcfe/\\udcff.png cannot be read \(No such file"):
        read_entry(folder.address, folder.entries[0])
    inside = list_folder(str(place), NAMES)  # the folder's own name is no Unicode
    assert read_entry(inside.address, inside.entries[0]) == png(1)


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs and links")
def test_what_is_linked_or_listed_is_read_only_if_it_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, way in (("a", "pipe"), ("b", "/dev/zero"), ("c", "."), ("d", "nowhere")):
        (tmp_path / f"{name}.png").symlink_to(way)
    (tmp_path / "list.csv").write_text("path\npipe\na.png\n")
    for address in (tmp_path, tmp_path / "list.csv"):
        folder = list_folder(str(address), NAMES)
        assert len(folder.entries) == (4 if address == tmp_path else 2)
        for entry in folder.entries:
            with pytest.raises(
                ImageError, match=r"cannot be read \((it is no regular|No such) file"
            ):
                read_entry(folder.address, entry)
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(FolderError, match=r"cannot be read \(it is no regular file\)"):
            list_folder(str(path), NAMES)


def test_links_to_folders_are_named(tmp_path):
    fill(tmp_path, ["goose/a.png", "sub/b.png", ".hidden/c.png"])
    (tmp_path / "sub" / "more").symlink_to(tmp_path / "goose")
    (tmp_path / "sub" / "round").symlink_to(tmp_path)
    (tmp_path / "sub" / ".not").symlink_to(tmp_path)
    (tmp_path / "all").symlink_to("goose")
    folder = list_folder(str(tmp_path), NAMES)
    assert [entry.path for entry in folder.entries] == ["goose/a.png", "sub/b.png"]
    assert folder.links == ("all", "sub/more", "sub/round")


def test_a_folder_that_cannot_be_listed_is_an_entry():
    imports = "import json\nfrom core.folders.listing import list_folder, read_entry"
    code = """
try:
    folder = list_folder(sys.argv[1], ("goose", "swan"))
    print(json.dumps([[entry.path, entry.label, entry.unlisted] for entry in folder.entries]))
    for entry in folder.entries:
        read_entry(folder.address, entry)
except Exception as error:
    print(error)
"""
    with unprivileged.place() as place:
        fill(place, ["in/goose/a.png", "in/swan/b.png", "in/swan/deep/c.png"])
        (place / "in" / "swan" / "deep").chmod(0)
        told = unprivileged.run(imports, code, place / "in").stdout.splitlines()
        assert json.loads(told[0]) == [
            ["goose/a.png", 0, ""],
            ["swan/b.png", 1, ""],
            ["swan/deep", None, "Permission denied"],
        ]
        assert told[1].startswith("swan/deep is a folder that cannot be listed (Permission denied)")
        (place / "in" / "swan").chmod(0o444)  # names can be read, and nothing else
        told = unprivileged.run(imports, code, place / "in").stdout.splitlines()
        assert [entry[:1] for entry in json.loads(told[0])][:2] == [["goose/a.png"], ["swan/b.png"]]
        assert told[1] == "swan/b.png cannot be read (Permission denied): check the path."
        (place / "in").chmod(0)
        told = unprivileged.run(imports, code, place / "in").stdout
        assert told == f"{place / 'in'} cannot be read (Permission denied).\n"


class Guarded(MemoryFileSystem):
    """A system elsewhere, walked folder by folder; the one called "shut" cannot be listed."""

    find = AbstractFileSystem.find
    protocol = "guarded"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]

    def ls(self, path, detail=True, **options):
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return super().ls(path, detail, **options)


def test_a_folder_elsewhere_that_cannot_be_listed_is_an_entry_too():
    fsspec.register_implementation("guarded", Guarded, clobber=True)
    for name in ("goose/a.png", "shut/b.png", ".trash/c.png"):
        with fsspec.open(f"guarded://top/{name}", "wb") as file:
            file.write(png(0))
    folder = list_folder("guarded://top", NAMES)
    shut = Entry("shut", unlisted="Permission denied")
    assert folder.entries == (Entry("goose/a.png", 99), shut)
    Guarded.store.pop(next(path for path in Guarded.store if "goose" in path))
    with pytest.raises(FolderError, match=r"holds no picture.*; shut: Permission denied\.$"):
        list_folder("guarded://top", NAMES)
    with pytest.raises(FolderError, match=r"shut cannot be read \(Permission denied\)"):
        list_folder("guarded://top/shut", NAMES)


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
    spaced = ' Path , "label" \na.png, "king penguin"\nb.png ,goose\n'
    assert found(written(tmp_path, spaced)) == {"a.png": 145, "b.png": 99}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\na.png,1\n", "has no column path: its first line must be path"),
        ("", "has no column path"),
        ("path\n", "names no picture"),
        ("path,label, Label\na.png,1,2\n", "has several columns label: leave one"),
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
    with pytest.raises(ImageError, match=r"^large.png has more than the 20,000,000 bytes"):
        read_entry(str(tmp_path), Entry("large.png"))
    with fsspec.open("memory://large/large.png", "wb") as file:
        file.write(bytes(MAX_BYTES + 1))
    with pytest.raises(ImageError, match="more than the 20,000,000 bytes"):
        read_entry("memory://large", Entry("large.png"))


def test_a_list_without_an_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_LIST", 1000)
    written(tmp_path, "path\n" + "x" * 996)
    with pytest.raises(
        FolderError, match=r"list.csv cannot be read \(it has more than 1,000 bytes"
    ):
        list_folder(str(tmp_path / "list.csv"), NAMES)


def test_the_digest_tells_pictures_and_labels_apart(tmp_path):
    fill(tmp_path / "one", ["goose/a.png"])
    fill(tmp_path / "two", ["geese/a.png"])
    fill(tmp_path / "three", ["goose/a.png", "goose/b.png"])
    digests = {list_folder(str(tmp_path / name), NAMES).digest for name in ("one", "two", "three")}
    assert len(digests) == 3
    fill(tmp_path / "four", ["goose/a.png"])
    assert list_folder(str(tmp_path / "four"), NAMES).digest in digests
