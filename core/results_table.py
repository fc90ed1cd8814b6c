"""Opening a table of results, made here or elsewhere, from a folder or from untrusted bytes.

Sizes are checked before anything of that size is made, types and ranges before anything is used;
Parquet holds numbers and texts only, and nothing is unpickled.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import FolderError
from core.results import COLUMNS, MANIFEST, MAX_MANIFEST, SCHEMA, TABLE

MAX_ROWS = 1_000_000
MAX_FILE = 1000 * 1000 * 1000  # bytes, decimal
MAX_UPLOAD = 100 * 1000 * 1000
MAX_UNPACKED = 2000 * 1000 * 1000
MAX_TEXT = 4096  # bytes of one text
_TOP = 5
_WAY_OUT = "take the results.parquet that `python -m core batch` wrote."
# What the reader may be made to allocate by a few bytes that claim a length.
_LIMITS = {"thrift_string_size_limit": 20_000_000, "thrift_container_size_limit": 2_000_000}
_SHARES = ("probability", "margin")


@dataclass(frozen=True, eq=False)
class ResultsTable:
    """A table that was checked, and where its pictures and maps are.

    Attributes:
        name: of the folder or the file, for people.
        digest: SHA-256 of the table's file.
        table: of `core.results.SCHEMA`; no path is null, NaN is null.
        index: for each row ``rank`` (int32, its place by path), ``lowered`` (string, the path in
            small letters) and ``in_top5`` (bool, whether the label is among the five; null where
            label or prediction is).
        folder: the results; None for an upload, which has neither pictures nor maps.
        address: the pictures, as fsspec takes it; None if that is not known.
        model: that made the predictions, a name in the registry if it was one of ours; or None.
    """

    name: str
    digest: str
    table: pa.Table
    index: pa.Table
    folder: Path | None = None
    address: str | None = None
    model: str | None = None


def open_results(place: Path) -> ResultsTable:
    """Open the folder that ``python -m core batch`` wrote, or a Parquet file by itself.

    Raises:
        FolderError: there is no such table, or it is not of the right kind.
    """
    path = place / TABLE if place.is_dir() else place
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise FolderError(f"{place.name} has a table of {size:,} bytes; {_at_most(MAX_FILE)}")
        data = path.read_bytes()
    except OSError as error:
        raise FolderError(
            f"{place.name} has no {TABLE} that can be read ({error.strerror}): give the folder "
            "that `python -m core batch --out` wrote to; it is there once a run has ended."
        ) from error
    manifest = _manifest(path.with_name(MANIFEST))
    return _opened(data, place.name, path.parent, manifest)


def open_upload(data: bytes, name: str) -> ResultsTable:
    """Open the bytes of a table that came by itself: numbers, without pictures and maps.

    Raises:
        FolderError: it is not of the right kind, or too large.
    """
    if len(data) > MAX_UPLOAD:
        raise FolderError(f"The table has {len(data):,} bytes; {_at_most(MAX_UPLOAD)}")
    return _opened(data, name, None, {})


def _at_most(limit: int) -> str:
    return f"at most {limit:,} are allowed: open a part of it."


def _manifest(path: Path) -> dict[str, Any]:
    """What a manifest says, as far as it is text; nothing if there is none, or it is no manifest.

    The table can be read without it.
    """
    try:
        if path.stat().st_size > MAX_MANIFEST:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _opened(data: bytes, name: str, folder: Path | None, manifest: dict[str, Any]) -> ResultsTable:
    try:
        table = _checked(_read(data))
    except FolderError:
        raise
    except Exception as error:  # readers of untrusted bytes may raise anything
        raise FolderError(
            f"{name} is not a Parquet table that can be read: it is damaged, or something else; "
            f"{_WAY_OUT}"
        ) from error
    address, model = manifest.get("address"), manifest.get("model")
    return ResultsTable(
        name,
        hashlib.sha256(data).hexdigest(),
        table,
        _index(table),
        folder,
        address if isinstance(address, str) else None,
        model if isinstance(model, str) else None,
    )


def _read(data: bytes) -> pa.Table:
    """The table as it is stored: repeated texts once, so that few bytes stay few."""
    source = io.BytesIO(data)
    with pq.ParquetFile(source, **_LIMITS) as file:
        metadata, schema = file.metadata, file.schema_arrow
        texts = [
            leaf.path
            for leaf in (metadata.schema.column(i) for i in range(metadata.num_columns))
            if leaf.physical_type == "BYTE_ARRAY"
        ]
    if metadata.num_rows > MAX_ROWS:
        raise FolderError(f"The table has {metadata.num_rows:,} rows; {_at_most(MAX_ROWS)}")
    _check_types(schema)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        columns = [each for each in columns if each.path_in_schema.split(".")[0] in COLUMNS]
        if any(each.num_values > _TOP * group.num_rows for each in columns):
            raise FolderError(f"The table has rows with more than {_TOP} classes; {_WAY_OUT}")
        if sum(each.total_uncompressed_size for each in columns) > MAX_UNPACKED:
            raise FolderError(f"The table would unpack to more bytes; {_at_most(MAX_UNPACKED)}")
    with pq.ParquetFile(source, read_dictionary=texts, **_LIMITS) as file:
        return file.read(columns=list(COLUMNS), use_threads=False).select(list(COLUMNS))


def _check_types(schema: pa.Schema) -> None:
    missing = [name for name in COLUMNS if schema.get_field_index(name) < 0]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise FolderError(f"The table has no {columns} {', '.join(missing)}; {_WAY_OUT}")
    for name, (wanted, _) in COLUMNS.items():
        found = schema.field(name).type
        if not _fits(found, wanted):
            raise FolderError(
                f"The table's column {name} holds {str(found)[:60]} and not {wanted}; {_WAY_OUT}"
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


def _checked(found: pa.Table) -> pa.Table:
    """The table with the schema's own types, once its values have been looked at."""
    total = 0
    for name, (kind, _) in COLUMNS.items():
        if pa.types.is_list(kind):
            lengths = pc.list_value_length(found[name])
            if (pc.max(lengths).as_py() or 0) > _TOP:
                raise FolderError(f"The table has rows with more than {_TOP} classes; {_WAY_OUT}")
        values = pc.list_flatten(found[name]) if pa.types.is_list(kind) else found[name]
        for chunk in values.chunks if pa.types.is_dictionary(values.type) else ():
            lengths = pc.binary_length(chunk.dictionary)
            if (pc.max(lengths).as_py() or 0) > MAX_TEXT:
                raise FolderError(
                    f"The table's column {name} has texts of more than {MAX_TEXT:,} bytes; "
                    f"{_WAY_OUT}"
                )
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > MAX_UNPACKED:
        raise FolderError(f"The table would unpack to more bytes; {_at_most(MAX_UNPACKED)}")
    columns = [_numbers(found[name].cast(kind)) for name, (kind, _) in COLUMNS.items()]
    table = pa.table(columns, schema=SCHEMA).combine_chunks()
    if table["path"].null_count:
        raise FolderError(f"The table has rows without a path; {_WAY_OUT}")
    for name in ("label", "predicted"):
        if (pc.min(table[name]).as_py() or 0) < 0:
            raise FolderError(f"The table's column {name} has indices below 0; {_WAY_OUT}")
    for name in _SHARES:
        ends = pc.min_max(table[name]).as_py()
        if not ((ends["min"] or 0) >= 0 and (ends["max"] or 0) <= 1 + 1e-6):
            raise FolderError(f"The table's column {name} leaves the range 0 to 1; {_WAY_OUT}")
    table.validate(full=True)
    return table


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without NaN, which is neither small nor large: null."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _index(table: pa.Table) -> pa.Table:
    count = table.num_rows
    order = pc.sort_indices(table["path"])
    rank = pc.sort_indices(order).cast(pa.int32())  # where each row went
    column = table["top5_index"].combine_chunks()
    row, listed = pc.list_parent_indices(column), pc.list_flatten(column)
    labels = table["label"].combine_chunks()
    # Row numbers only of those that hold the label, which is among the five once.
    held = row.filter(pc.equal(listed, labels.take(row)))
    found = pc.is_in(pa.array(np.arange(count)), held.cast(pa.int64()))
    known = pc.and_(pc.is_valid(labels), pc.is_valid(table["predicted"].combine_chunks()))
    return pa.table(
        {
            "rank": rank,
            "lowered": pc.utf8_lower(table["path"]),
            "in_top5": pc.if_else(known, found, pa.scalar(None, pa.bool_())),
        }
    )
