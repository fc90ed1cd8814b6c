"""A picture of a table is the one that its run read, or it is not that of the table."""

import json

import pytest

from core.errors import ImageError
from core.folders.results_table import open_results
from core.folders.run_pictures import (
    ReplacedError,
    file_of_run,
    picture_of_run,
    replaced_words,
    sha256_of,
)
from core.pictures.images import digest
from tests.folders import png
from tests.tables import columns, data, table


@pytest.fixture
def results(tmp_path):
    """Two pictures; the run could not read the second."""
    found = columns(2)
    found |= {"path": ["a.png", "b.png"], "sha256": [digest(png(0)), None]}
    for number, name in enumerate(found["path"]):
        (tmp_path / name).write_bytes(png(number))
    (tmp_path / "results.parquet").write_bytes(data(table(found)))
    (tmp_path / "manifest.json").write_text(json.dumps({"address": str(tmp_path)}))
    return open_results(tmp_path)


def test_the_picture_of_the_run_is_opened(results):
    assert file_of_run(results, "a.png", sha256_of(results, "a.png")) == png(0)
    assert picture_of_run(results, "a.png", digest(png(0))).sha256 == digest(png(0))


@pytest.mark.parametrize("content", [png(1), b"no picture", b""], ids=["other", "none", "empty"])
def test_another_file_is_not_that_of_the_run(results, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ReplacedError, match="not that of the run, as it changed since"):
        picture_of_run(results, "a.png", sha256_of(results, "a.png"))


def test_a_picture_without_a_digest_is_not_compared(results, tmp_path):
    assert sha256_of(results, "b.png") is None
    (tmp_path / "b.png").write_bytes(png(7))
    assert picture_of_run(results, "b.png", None).sha256 == digest(png(7))
    assert sha256_of(results, "c.png") is None


def test_a_file_that_is_gone_is_not_one_that_changed(results, tmp_path):
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match="not there any more") as raised:
        file_of_run(results, "a.png", digest(png(0)))
    assert not isinstance(raised.value, ReplacedError)


def test_what_is_said():
    assert replaced_words([]) == ""
    assert replaced_words(["a.png"]) == (
        "1 picture is not that of the run: its file changed since (a.png); it is left out."
    )
    assert replaced_words(["a.png", "b/c.png"], ("", "they are not drawn")) == (
        "2 pictures are not those of the run: their files changed since (a.png, b/c.png); they are "
        "not drawn."
    )
    assert "(0.png, 1.png, 2.png, 3.png, 4.png, ...)" in replaced_words(
        [f"{n}.png" for n in range(1200)]
    )
    assert replaced_words(["a.png"] * 1200).startswith("1,200 pictures are not")
