"""Atomic writes: a file appears complete or not at all."""

import contextlib
import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..errors import FolderError
from .io import check_replaceable

UNFINISHED = re.compile(r"(.+)\.[0-9a-f]{8}\.writing")
"""Name of a file that is being written, with the name it is to have."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFullError(FolderError):
    """There is no room left for a result."""


def write_whole(
    path: Path,
    write: Callable[[IO[bytes]], object],
    announce: Callable[[str], object] = lambda _digest: None,
) -> None:
    """Write a file beside its place, flush it to the disk, and move it there at once.

    Args:
        path: where it is to be; its folder is made.
        write: writes the content into the open file that it is given.
        announce: is given the content's SHA-256 in hex, just before the file appears.

    Raises:
        DiskFullError: there is no room for it.
        FolderError: it cannot be written for another reason, such as a link in its place.
    """
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(path)
        with unfinished.open("x+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            announce(hashlib.file_digest(file, "sha256").hexdigest())
        unfinished.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def not_written(path: Path, error: OSError) -> FolderError:
    """Why a file could not be written, as a sentence."""
    if error.errno in _FULL:
        return DiskFullError(f"There is no room for {path} ({error.strerror}).")
    return FolderError(f"{path} cannot be written ({error.strerror}): choose another folder.")


def _flush_folder(folder: Path) -> None:
    """Let the new name survive a power cut too, where folders can be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
