"""Exports rows of a table of results as Parquet or CSV."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from .results_table import ResultsTable

_BETWEEN = "; "
# A spreadsheet takes a cell that begins so for a formula, and would compute what a file name says.
# Some programs also read the wide forms of these marks so.
_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"


def as_parquet(results: ResultsTable, rows: pa.Array) -> bytes:
    """The rows of these numbers, with all columns as they are."""
    buffer = io.BytesIO()
    pq.write_table(results.table.take(rows), buffer)
    return buffer.getvalue()


def as_csv(results: ResultsTable, rows: pa.Array) -> bytes:
    """The rows of these numbers in UTF-8; lists are joined by ``; ``.

    A text that a spreadsheet would take for a formula begins with an apostrophe instead.
    """
    part = results.table.take(rows)
    columns = [_plain(part[name]) for name in part.column_names]
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns, names=part.column_names), buffer)
    return buffer.getvalue()


def _plain(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_list(column.type):
        column = pc.binary_join(_without_gaps(column), _BETWEEN)
    if not pa.types.is_string(column.type):
        return column
    return pc.replace_substring_regex(column, _FORMULA, r"'\1")


def _without_gaps(column: pa.ChunkedArray) -> pa.Array:
    """Lists as lists of texts, with an empty one for null: null in one would hide all of it."""
    lists = column.cast(pa.list_(pa.string())).combine_chunks()
    texts = pc.fill_null(lists.values, "")
    return pa.ListArray.from_arrays(lists.offsets, texts, mask=lists.is_null())
