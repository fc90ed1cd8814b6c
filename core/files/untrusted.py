"""Reads zips, arrays and JSON of unknown origin, with limits on what they expand to.

What a zip or an array says of its sizes may be false, and a few bytes of deflate or of JSON can
become very many: it is bounded while it unfolds. What C code unfolds is bounded by
`core.files.isolated`.
"""

import io
import json
import math
import struct
import zipfile
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import UserError

_END = struct.Struct("<4s4H2LH")  # the last record of a zip
_END_64, _LOCATOR_BYTES = b"PK\6\7", 20  # before it, where sizes need 64 bits
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENTRY = 512  # bytes of an entry in a zip's directory: 46, its name, and what else is said of it
_LONGEST_HEADER = 1000  # of an array
_MOST_DIGITS = 19  # of an integer: 64 bits
_DEEPEST = 50  # lists and mappings in one another


class UnfoldingError(ValueError):
    """Damaged, or larger than it may be; the message is a part of a sentence that says which."""


def unzip(
    data: bytes,
    most_files: int,
    most_bytes: int,
    check: Callable[[zipfile.ZipInfo], object] = lambda _: None,
) -> dict[str, bytes]:
    """The files in a zip, by name.

    Args:
        data: the zip.
        most_files: how many files it may hold.
        most_bytes: how many bytes they may have, unpacked and together.
        check: is given each entry before any of them is read, and may raise a `UserError`.

    Raises:
        UnfoldingError: it is damaged, packed in another way than stored or deflated, encrypted, or
            too large, or holds a name twice.
    """
    count = _count(data, most_files)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > most_files:
                raise UnfoldingError(_too_many(f"{len(entries):,}", most_files))
            if len(entries) != count:  # one that is damaged may have swallowed others
                raise UnfoldingError("its list of files is damaged")
            for entry in entries:
                check(entry)
                if entry.flag_bits & 1 or entry.compress_type not in _PACKED:
                    raise UnfoldingError("its files are encrypted, or packed in an unusual way")
            if len({entry.filename for entry in entries}) < len(entries):
                raise UnfoldingError("it holds a file more than once")
            if sum(entry.file_size for entry in entries) > most_bytes:
                raise UnfoldingError(f"it would unpack to more than {most_bytes:,} bytes")
            return {entry.filename: _content(archive, entry) for entry in entries}
    except (UnfoldingError, UserError):
        raise
    except Exception as error:  # zipfile has many ways to fail, and so have zlib and its codecs
        raise UnfoldingError("it is not a zip that can be read") from error


def _count(data: bytes, most_files: int) -> int:
    """How many files are listed; the list may have no more bytes than so many files need."""
    end = data[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise UnfoldingError("it is not a zip, or is cut short")
    if data[-_END.size - _LOCATOR_BYTES :].startswith(_END_64):
        raise UnfoldingError("it is a zip of more than 4 GB or 65,535 files")
    *_, count, size, _, _ = _END.unpack(end)
    if size > _ENTRY * most_files:
        raise UnfoldingError(_too_many("far more", most_files))
    return int(count)


def _too_many(count: str, most: int) -> str:
    return f"it holds {count} files, and at most {most:,} are allowed"


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What an entry holds, if it has the size that it says it has.

    `ZipFile.read` would unfold up to 2 GB before it cuts them to that size.
    """
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)  # one more, so that its sum is looked at
    if len(content) != entry.file_size:
        raise UnfoldingError("it is not a zip that can be read")
    return content


def read_array(data: bytes) -> np.ndarray:
    """The content of a ``.npy`` file, as NumPy writes it; it cannot be written to.

    Raises:
        UnfoldingError: it is damaged, holds objects, or another number of bytes than it says.
    """
    file = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version")
        header = np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_HEADER)
        shape, by_column, dtype = header
        content = memoryview(data)[file.tell() :]
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content):
            raise ValueError(f"it says {header}")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")
    except Exception as error:  # a header is parsed as Python, and may say anything
        raise UnfoldingError("it is no array that can be read") from error


def read_json(data: bytes, most_bytes: int, *, file_names: bool = False) -> Any:
    """The value of a JSON text in UTF-8, made of what a writer of ours may have written.

    Args:
        data: the text.
        most_bytes: how many bytes it may have.
        file_names: whether a text may be the name of a file that is no Unicode: Python puts halves
            of characters in place of its bytes, which cannot be shown or written.

    Raises:
        UnfoldingError: it is no JSON, has more bytes or nests deeper than it may, or holds an
            integer of more than 64 bits, a number that is not finite, or half of a character where
            no name of a file may be.
    """
    if len(data) > most_bytes:
        raise UnfoldingError(f"it has more than {most_bytes:,} bytes")
    try:
        found = json.loads(
            data.decode("utf-8"),
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_number,
        )
        _check_values(found, "surrogateescape" if file_names else "strict")
    except UnfoldingError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnfoldingError("it is no JSON") from error
    return found


def _integer(text: str) -> int:
    return int(text) if len(text.lstrip("-")) <= _MOST_DIGITS else _no_number(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise UnfoldingError(f"it holds the number {text[:20]}, which is none of ours")


def _check_values(found: object, halves: str) -> None:
    """See that nothing nests too deep, and that each text is one: JSON can escape half of one."""
    level = [found]
    for _ in range(_DEEPEST):
        inner: list[object] = []
        for value in level:
            if isinstance(value, str):
                value.encode(errors=halves)
            elif isinstance(value, dict):
                inner += value
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return
        level = inner
    raise UnfoldingError(f"its values nest deeper than {_DEEPEST}")
