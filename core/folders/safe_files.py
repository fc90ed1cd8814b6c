"""Reads files named by a table: only pictures, and only below the folder of the run.

A table may come from anywhere; what it says of paths is not trusted.
"""

from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ..errors import ImageError
from ..files.io import UnsuitableError, read_bytes
from ..pictures.images import MAX_BYTES
from .listing import ARRAYS, SUFFIXES, Entry, read_entry


def read_below(address: str, path: str) -> bytes:
    """The bytes of a picture file below a folder.

    Args:
        address: the folder, as fsspec takes it.
        path: relative to it, with ``/``.

    Raises:
        ImageError: the path leaves the folder, by its name or by a link, or is not that of a
            picture; or the file is not there, or too large.
    """
    if not stays_below(path):
        raise ImageError("The path of this picture is not one below the folder of the table.")
    suffixes = (*SUFFIXES, *ARRAYS)
    if PurePosixPath(path).suffix.lower() not in suffixes:
        raise ImageError(f"The name of this picture does not end in {', '.join(suffixes)}.")
    try:
        system, root = fsspec.core.url_to_fs(address)
    except Exception as error:  # each kind of address has a library with errors of its own
        raise ImageError("The folder of the pictures cannot be reached from here.") from error
    if not isinstance(system, LocalFileSystem):
        return read_entry(address, Entry(path))
    return read_inside(Path(root), path, MAX_BYTES)


def stays_below(path: str) -> bool:
    """Whether a path with ``/`` leads to no hidden file, and not out of the folder it is below."""
    pure = PurePosixPath(path)
    odd = "\0" in path or "\\" in path or pure.is_absolute() or str(pure) != path
    return not odd and not any(part.startswith(".") for part in pure.parts)


def read_inside(folder: Path, path: str, limit: int) -> bytes:
    """The bytes of an ordinary file inside a folder of this machine; links must not lead out.

    Raises:
        ImageError: there is no such file, or it is larger than ``limit`` bytes.
    """
    try:
        root = folder.resolve(strict=True)
        file = (root / path).resolve(strict=True)
        if not file.is_relative_to(root):
            raise ImageError("The path of this file leads out of the folder of the table.")
        return read_bytes(file, limit)
    except FileNotFoundError as error:
        raise ImageError("The file is not there any more.") from error
    except UnsuitableError as error:  # says nothing of where it lies
        raise ImageError(f"The file cannot be read: {error.strerror}.") from error
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError("The file cannot be read.") from error
