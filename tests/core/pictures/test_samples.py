"""The gallery is whatever lies in the folder."""

import os

import pytest
from PIL import Image

from core.pictures.images import digest
from core.pictures.picture import picture_from_file
from core.pictures.samples import FOLDER, Sample, credits_of, is_sample, samples


def put(folder, *names):
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)


def test_every_picture_of_the_folder_is_there(tmp_path):
    put(tmp_path, "red_fox.PNG", "b.jpg", "a.webp", "c.tif")
    (tmp_path / "CREDITS.md").write_text("not a picture")
    found = samples(tmp_path)
    assert list(found) == ["a", "b", "c", "red_fox"]
    assert found["red_fox"] == Sample("red_fox", "Red fox", None, tmp_path / "red_fox.PNG")


def test_notes_give_order_titles_and_what_a_person_would_say(tmp_path):
    put(tmp_path, "a.png", "b.png", "c.png", "d.png")
    (tmp_path / "samples.toml").write_text(
        '[c]\ntitle = "Größe"\nexpected = "mute swan"\n[gone]\ntitle = "Gone"\n[a]\n', "utf-8"
    )
    found = samples(tmp_path)
    assert list(found) == ["c", "a", "b", "d"]
    assert found["c"] == Sample("c", "Größe", "mute swan", tmp_path / "c.png")
    assert found["a"].title == "A"


def test_two_pictures_of_one_name_are_both_there(tmp_path):
    put(tmp_path, "swan.jpg", "swan.png")
    assert {sample.path.name for sample in samples(tmp_path).values()} == {"swan.jpg", "swan.png"}


def test_an_empty_folder(tmp_path):
    assert samples(tmp_path) == {}


def test_the_pictures_that_come_with_the_program():
    found = samples()
    assert list(found)[:2] == ["penguin", "swan"]
    assert found["swan"].expected == "mute swan"
    credits_ = (FOLDER / "CREDITS.md").read_text("utf-8")
    for sample in found.values():
        assert min(picture_from_file(sample.path).image.size) >= 224
        assert sample.title
        assert f"| {sample.path.name} |" in credits_, "a picture without its author"


def test_credits_are_of_the_pictures_that_are_shown():
    found = samples()
    shas = {name: digest(found[name].path.read_bytes()) for name in ("swan", "kingfisher")}
    lines = credits_of(set(shas.values())).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("swan.jpg: ")
    assert "Charles J. Sharp" in lines[0]
    assert "CC-BY-SA-4.0" in lines[0]
    assert lines[1].startswith("kingfisher.jpg: ")
    assert credits_of({"0" * 64}) == ""
    assert is_sample(shas["swan"])
    assert not is_sample("0" * 64)


def test_a_gallery_without_credits(tmp_path):
    assert credits_of({"0" * 64}, tmp_path) == ""


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")
def test_what_is_no_file_is_not_in_the_gallery_and_holds_up_nothing(tmp_path):
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loose.png").symlink_to("nowhere")
    assert list(samples(tmp_path)) == ["a"]
    table = "".join(f"| {name}.png | its author |\n" for name in ("a", "pipe", "zero", "loose"))
    (tmp_path / "CREDITS.md").write_text(f"| file | author |\n| --- | --- |\n{table}")
    sha256 = digest((tmp_path / "a.png").read_bytes())
    assert credits_of({sha256}, tmp_path) == "a.png: its author\n"
