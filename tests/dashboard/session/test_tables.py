"""The results that the command line offers to the page."""

import sys

import pytest

from core.folders.results import TABLE
from dashboard.session import tables


@pytest.mark.parametrize("before", [["run", "app.py", "--"], []], ids=["server", "page"])
def test_results_that_are_not_there_are_named(tmp_path, monkeypatch, before):
    there, alone, empty = tmp_path / "there", tmp_path / "copy.parquet", tmp_path / "empty"
    for folder in (there, empty):
        folder.mkdir()
    for table in (there / TABLE, alone):
        table.touch()
    given = [there, empty, tmp_path / "nosuch", alone]
    monkeypatch.setattr(sys, "argv", ["app.py", *before, "--results", *map(str, given)])
    assert list(tables.offered()) == ["there", "empty", "nosuch", "copy.parquet"]
    named = [sentence.split(":")[0] for sentence in tables.absent()]
    assert named == [f"There are no results at {path}" for path in given[1:3]]
