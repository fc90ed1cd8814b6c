"""Reading a Parquet table of results of unknown origin, in a process of its own.

Arrow's readers are written in C++, and abort where a damaged footer contradicts itself. Sizes are
checked before anything of that size is made, types and ranges before anything is used; Parquet
holds numbers and texts only, and nothing is unpickled.
"""

from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core import isolated
from core.errors import FolderError
from core.results_schema import COLUMNS, SCHEMA

WAY_OUT = "take the results.parquet that `python -m core batch` wrote."
INDEX = ("rank", "lowered", "in_top5")
MAX_TEXT = 4096  # bytes of one text
_TOP = 5
# What the reader may be made to allocate by a few bytes that claim a length.
_LIMITS = {"thrift_string_size_limit": 20_000_000, "thrift_container_size_limit": 2_000_000}
_SHARES = ("probability", "margin")


def at_most(limit: int) -> str:
    """The end of a sentence on what is too large."""
    return f"at most {limit:,} are allowed: open a part of it."


def read(file: IO[bytes], rows: int, unpacked: int) -> tuple[pa.Table, pa.Table]:
    """Read and check a table, in this process.

    Args:
        file: the table.
        rows, unpacked: how many rows, and how many bytes of texts, it may have.

    Returns:
        The table and the index of a `core.results_table.ResultsTable`.

    Raises:
        FolderError: it is not of the right kind, or too large.
        Exception: of Arrow's, it is damaged.
    """
    table = _checked(_read(file, rows, unpacked), unpacked)
    return table, _index(table)


def packed(file: IO[bytes], rows: int, unpacked: int) -> isolated.Parsed:
    """`read`, for `core.results_table`: table and index come as one Arrow stream of one batch."""
    table, index = read(file, rows, unpacked)
    for name in INDEX:
        table = table.append_column(name, index[name])

    def write(out: IO[bytes]) -> None:
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)

    return None, write


def _read(file: IO[bytes], rows: int, unpacked: int) -> pa.Table:
    """The table as it is stored: repeated texts once, so that few bytes stay few."""
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
    _check_types(schema)
    total = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        columns = [each for each in columns if each.path_in_schema.split(".")[0] in COLUMNS]
        if any(each.num_values > _TOP * group.num_rows for each in columns):
            raise FolderError(f"The table has rows with more than {_TOP} classes; {WAY_OUT}")
        total += sum(each.total_uncompressed_size for each in columns)
        if total > unpacked:
            raise FolderError(f"The table would unpack to more bytes; {at_most(unpacked)}")
    with pq.ParquetFile(source, read_dictionary=texts, **_LIMITS) as found:
        return found.read(columns=list(COLUMNS), use_threads=False).select(list(COLUMNS))


def _check_types(schema: pa.Schema) -> None:
    missing = [name for name in COLUMNS if schema.get_field_index(name) < 0]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise FolderError(f"The table has no {columns} {', '.join(missing)}; {WAY_OUT}")
    for name, (wanted, _) in COLUMNS.items():
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


def _checked(found: pa.Table, unpacked: int) -> pa.Table:
    """The table with the schema's own types, once its values have been looked at."""
    total = 0
    for name, (kind, _) in COLUMNS.items():
        if pa.types.is_list(kind):
            lengths = pc.list_value_length(found[name])
            if (pc.max(lengths).as_py() or 0) > _TOP:
                raise FolderError(f"The table has rows with more than {_TOP} classes; {WAY_OUT}")
        values = pc.list_flatten(found[name]) if pa.types.is_list(kind) else found[name]
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
    columns = [_numbers(found[name].cast(kind)) for name, (kind, _) in COLUMNS.items()]
    table = pa.table(columns, schema=SCHEMA).combine_chunks()
    if table["path"].null_count:
        raise FolderError(f"The table has rows without a path; {WAY_OUT}")
    for name in ("label", "predicted"):
        if (pc.min(table[name]).as_py() or 0) < 0:
            raise FolderError(f"The table's column {name} has indices below 0; {WAY_OUT}")
    for name in _SHARES:
        ends = pc.min_max(table[name]).as_py()
        if not ((ends["min"] or 0) >= 0 and (ends["max"] or 0) <= 1 + 1e-6):
            raise FolderError(f"The table's column {name} leaves the range 0 to 1; {WAY_OUT}")
    table.validate(full=True)
    return table


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
    column = table["top5_index"].combine_chunks()
    row, listed = pc.list_parent_indices(column), pc.list_flatten(column)
    labels = table["label"].combine_chunks()
    # Row numbers only of those that hold the label, which is among the five once.
    held = row.filter(pc.equal(listed, labels.take(row)))
    found = pc.is_in(rows, held.cast(pa.int64()))
    known = pc.and_(pc.is_valid(labels), pc.is_valid(table["predicted"].combine_chunks()))
    return pa.table(
        {
            "rank": rank,
            "lowered": pc.utf8_lower(table["path"]),
            "in_top5": pc.if_else(known, found, _null(pa.bool_())),
        }
    )
