"""Results of classes are what they were before there were other kinds of tables."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.folders import selection
from core.folders.results import Results
from core.folders.results_schema import SCHEMA
from core.folders.results_table import open_results
from core.folders.selection import Filters

OLDER = Path(__file__).parent / "older"  # written by an earlier version


def test_an_older_table_is_read_with_all_it_says():
    results = open_results(OLDER)
    assert (results.kind, results.model) == ("classes", "efficientnet_lite0")
    assert results.table.equals(pq.read_table(OLDER / "results.parquet").cast(SCHEMA))
    rows = selection.select(results, Filters("wrong"), "loss", descending=True)
    assert selection.summary(results, rows).wrong == 2
    assert {pair.label for pair in selection.pairs(results)} == {99, 145}


def test_a_table_is_written_byte_for_byte_as_it_was(tmp_path):
    old = pq.read_table(OLDER / "results.parquet")
    results = Results(tmp_path)
    results._metadata = dict(old.schema.metadata)
    with results.writing():
        results._sums.begin("0" * 64)
        results._parts = 1
        results.write_part(0, old.to_pylist())
        assert results.merge() == 4
    digests = {
        hashlib.sha256((folder / "results.parquet").read_bytes()).hexdigest()
        for folder in (OLDER, tmp_path)
    }
    assert len(digests) == 1
    assert pa.schema(old.schema).remove_metadata().equals(SCHEMA)
