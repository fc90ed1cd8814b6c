"""Reading a Parquet table of results of unknown origin, in a process of its own.

Arrow's readers are written in C++, and abort where a damaged footer contradicts itself. Sizes are
checked before anything of that size is made, types and ranges before anything is used; Parquet
holds numbers and texts only, and nothing is unpickled.
"""

import math
from collections.abc import Sequence
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import FolderError
from ..files import isolated
from ..text import PROGRAM
from .masks import MASK_SHARE, MEASURES
from .results_schema import (
    TRUST_MEASURES,
    Columns,
    Kind,
    columns_in,
    judged_in,
    kind_of_table,
    located_in,
    schema_of,
)

WAY_OUT = f"take the results.parquet that `{PROGRAM} batch` wrote."
INDEX = ("rank", "lowered", "in_top5")
MAX_TEXT = 4096  # bytes of one text
_TOP = 5
# What the reader may be made to allocate by a few bytes that claim a length.
_LIMITS = {"thrift_string_size_limit": 20_000_000, "thrift_container_size_limit": 2_000_000}
# What stands in a row, output by output: as many of each.
_TOGETHER: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "classes": (),
    "labels": (
        ("expected_index", "expected_name", "expected_probability"),
        ("held_index", "held_name", "held_probability"),
        ("maps_index", "maps"),
    ),
    "values": (("output_name", "value", "expected"), ("maps_index", "maps")),
}
_INDICES = (
    *("label", "predicted", "expected_index", "held_index", "maps_index"),
    *("missed", "false_positives"),
)
_SHARES = ("probability", "margin", "expected_probability", "held_probability")


def at_most(limit: int) -> str:
    """The end of a sentence on what is too large."""
    return f"at most {limit:,} are allowed: open a part of it."


def read(file: IO[bytes], rows: int, unpacked: int) -> tuple[pa.Table, pa.Table]:
    """Read and check a table, in this process.

    Args:
        file: the table.
        rows, unpacked: how many rows, and how many bytes of texts, it may have.

    Returns:
        The table and the index of a `core.folders.results_table.ResultsTable`.

    Raises:
        FolderError: it is not of the right kind, or too large.
        Exception: of Arrow's, it is damaged.
    """
    found, kind = _read(file, rows, unpacked)
    table = _checked(found, kind, columns_in(found.column_names), unpacked)
    return table, _index(table)


def packed(file: IO[bytes], rows: int, unpacked: int) -> isolated.Parsed:
    """`read`, for `results_table`: table and index come as one Arrow stream of one batch."""
    table, index = read(file, rows, unpacked)
    for name in index.column_names:
        table = table.append_column(name, index[name])

    def write(out: IO[bytes]) -> None:
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)

    return None, write


def _read(file: IO[bytes], rows: int, unpacked: int) -> tuple[pa.Table, Kind]:
    """The table as it is stored, and its kind: repeated texts once, so that few bytes stay few."""
    source = pa.BufferReader(file.read())
    with pq.ParquetFile(source, **_LIMITS) as found:
        metadata, schema = found.metadata, found.schema_arrow
        texts = [
            leaf.path
            for leaf in (metadata.schema.column(i) for i in range(metadata.num_columns))
            if leaf.physical_type == "BYTE_ARRAY"
        ]
    if metadata.num_rows > rows:
        raise FolderError(f"The table has {metadata.num_rows:,} rows; {at_most(rows)}")
    kind = kind_of_table(schema.names)
    wanted = columns_in(schema.names)
    _check_types(schema, wanted)
    # Lists of labels may be long, but all of them hold no more than those of the longest table.
    total, most = 0, _TOP * rows
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        columns = [each for each in columns if each.path_in_schema.split(".")[0] in wanted]
        if kind == "classes" and any(each.num_values > _TOP * group.num_rows for each in columns):
            raise FolderError(f"The table has rows with more than {_TOP} classes; {WAY_OUT}")
        most -= max((each.num_values for each in columns), default=0)
        if most < 0:
            raise FolderError(f"The table lists more labels; {at_most(_TOP * rows)}")
        total += sum(each.total_uncompressed_size for each in columns)
        if total > unpacked:
            raise FolderError(f"The table would unpack to more bytes; {at_most(unpacked)}")
    with pq.ParquetFile(source, read_dictionary=texts, **_LIMITS) as found:
        return found.read(columns=list(wanted), use_threads=False).select(list(wanted)), kind


def _check_types(schema: pa.Schema, columns: Columns) -> None:
    missing = [name for name in columns if schema.get_field_index(name) < 0]
    if missing:
        words = "column" if len(missing) == 1 else "columns"
        raise FolderError(f"The table has no {words} {', '.join(missing)}; {WAY_OUT}")
    for name, (wanted, _) in columns.items():
        found = schema.field(name).type
        if not _fits(found, wanted):
            raise FolderError(
                f"The table's column {name} holds {str(found)[:60]} and not {wanted}; {WAY_OUT}"
            )


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a type is the wanted one, however wide, or as another program writes it."""
    kinds = pa.types
    if kinds.is_null(found):  # a column without any value
        return True
    if kinds.is_list(wanted):
        is_list = kinds.is_list(found) or kinds.is_large_list(found)
        return is_list and _fits(found.value_type, wanted.value_type)
    if kinds.is_dictionary(found):
        found = found.value_type
    if kinds.is_string(wanted):
        return kinds.is_string(found) or kinds.is_large_string(found)
    if kinds.is_integer(wanted):
        return kinds.is_integer(found)
    if kinds.is_floating(wanted):
        return kinds.is_floating(found)
    return found.equals(wanted)


def _checked(found: pa.Table, kind: Kind, columns: Columns, unpacked: int) -> pa.Table:
    """The table with the schema's own types, once its values have been looked at."""
    _check_texts(found, kind, columns, unpacked)
    arrays = [_numbers(found[name].cast(each)) for name, (each, _) in columns.items()]
    table = pa.table(arrays, schema=schema_of(columns)).combine_chunks()
    if table["path"].null_count:
        raise FolderError(f"The table has rows without a path; {WAY_OUT}")
    _check_ranges(table)
    for names in _TOGETHER[kind]:
        _check_together(table, names, same=kind == "values" and "value" in names)
    for name in (*_shares(table), *_trust(table)):
        if pa.types.is_list(table[name].type) and name not in _SHARES:
            _check_lengths(table, ("maps_index", name))
    table.validate(full=True)
    return table


def _check_texts(found: pa.Table, kind: Kind, columns: Columns, unpacked: int) -> None:
    """Refuse a table whose texts are long, or become so once each stands where it is repeated."""
    total = 0
    for name, (wanted, _) in columns.items():
        if pa.types.is_list(wanted) and kind == "classes":
            lengths = pc.list_value_length(found[name])
            if (pc.max(lengths).as_py() or 0) > _TOP:
                raise FolderError(f"The table has rows with more than {_TOP} classes; {WAY_OUT}")
        values = _flat(found[name])
        for chunk in values.chunks if pa.types.is_dictionary(values.type) else ():
            lengths = pc.binary_length(chunk.dictionary)
            if (pc.max(lengths).as_py() or 0) > MAX_TEXT:
                raise FolderError(
                    f"The table's column {name} has texts of more than {MAX_TEXT:,} bytes; "
                    f"{WAY_OUT}"
                )
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > unpacked:
        raise FolderError(f"The table would unpack to more bytes; {at_most(unpacked)}")


def _check_ranges(table: pa.Table) -> None:
    for name in set(_INDICES).intersection(table.column_names):
        if (pc.min(_flat(table[name])).as_py() or 0) < 0:
            raise FolderError(f"The table's column {name} has indices below 0; {WAY_OUT}")
    for name in _shares(table):
        ends = pc.min_max(_flat(table[name])).as_py()
        if not ((ends["min"] or 0) >= 0 and (ends["max"] or 0) <= 1 + 1e-6):
            raise FolderError(f"The table's column {name} leaves the range 0 to 1; {WAY_OUT}")
    for name in _trust(table):
        values = _flat(table[name])
        if pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py():
            raise FolderError(f"The table's column {name} holds infinite numbers; {WAY_OUT}")
    if "absolute_error" in table.column_names:
        ends = pc.min_max(table["absolute_error"]).as_py()
        if not ((ends["min"] or 0) >= 0 and math.isfinite(ends["max"] or 0)):
            raise FolderError(f"The table's column absolute_error is no error; {WAY_OUT}")


def _shares(table: pa.Table) -> list[str]:
    """The columns that hold shares or probabilities."""
    located = located_in(table.column_names)
    own = (MASK_SHARE, *(f"{measure}_{name}" for name in located for measure in MEASURES))
    return [name for name in (*_SHARES, *own) if name in table.column_names]


def _trust(table: pa.Table) -> list[str]:
    """The columns of trust measures."""
    judged = judged_in(table.column_names)
    return [f"{measure}_{name}" for name in judged for measure in TRUST_MEASURES]


def _check_together(table: pa.Table, names: tuple[str, ...], same: bool) -> None:
    """Refuse lists that do not belong together: of other lengths in a row, or with gaps.

    Args:
        table: of any kind but classes.
        names: of the lists; one may be null where another is not.
        same: whether they are as long in all rows too.
    """
    _check_lengths(table, names)
    good = True
    if same:
        lengths = [pc.list_value_length(table[name]) for name in names]
        found = {length for each in lengths for length in pc.unique(each).to_pylist()} - {None}
        good = len(found) <= 1 and 0 not in found
    for name in names:
        values = _flat(table[name])
        if values.null_count or (
            pa.types.is_floating(values.type) and pc.all(pc.is_finite(values)).as_py() is False
        ):
            good = False
    if not good:
        raise _unfit(names)


def _check_lengths(table: pa.Table, names: Sequence[str]) -> None:
    """Refuse lists of other lengths in a row, where neither is null."""
    lengths = [pc.list_value_length(table[name]).combine_chunks() for name in names]
    first, *others = lengths
    if not all(pc.all(pc.equal(first, each)).as_py() is not False for each in others):
        raise _unfit(names)


def _unfit(names: Sequence[str]) -> FolderError:
    return FolderError(f"The table's columns {', '.join(names)} do not fit one another; {WAY_OUT}")


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a column, or of its lists."""
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without NaN, which is neither small nor large: null."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), _null(column.type), column)


def _null(kind: pa.DataType) -> pa.Scalar:
    """Nothing, of a type; `pyarrow.scalar` and `pyarrow.array` would import pandas: 0.15 s."""
    return pa.nulls(1, kind)[0]


def _index(table: pa.Table) -> pa.Table:
    numbers = pa.py_buffer(np.arange(table.num_rows))
    rows = pa.Array.from_buffers(pa.int64(), table.num_rows, [None, numbers])
    order = pc.sort_indices(table["path"])
    rank = pc.sort_indices(order).cast(pa.int32())  # where each row went
    found = {"rank": rank, "lowered": pc.utf8_lower(table["path"])}
    if "top5_index" in table.column_names:
        found["in_top5"] = _in_top5(table, rows)
    return pa.table(found)


def _in_top5(table: pa.Table, rows: pa.Array) -> pa.Array:
    """Whether the label is among the five most probable classes; null where either is not known.

    Among five classes every label is, which says nothing: then all are null.
    """
    column = table["top5_index"].combine_chunks()
    row, listed = pc.list_parent_indices(column), pc.list_flatten(column)
    labels = table["label"].combine_chunks()
    classes = {*pc.unique(listed).to_pylist(), *pc.unique(labels).to_pylist()} - {None}
    if len(classes) <= _TOP:
        return pa.nulls(table.num_rows, pa.bool_())
    # Row numbers only of those that hold the label, which is among the five once.
    held = row.filter(pc.equal(listed, labels.take(row)))
    found = pc.is_in(rows, held.cast(pa.int64()))
    known = pc.and_(pc.is_valid(labels), pc.is_valid(table["predicted"].combine_chunks()))
    return pc.if_else(known, found, _null(pa.bool_()))
