"""Opening files by name, and writing results: each file appears whole, or not at all.

Every file that is named by a person, a table or an address is opened here. A name may stand for a
pipe nobody writes to, or for a device without an end; opening one for reading as if it were a file
would wait, or read, for ever.
"""

import errno
import io
import os
import stat
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import SettingError
from core.panel import DPI


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; a link to one is followed.

    Raises:
        OSError: it cannot be opened, or is no regular file: a folder, a pipe, a device, a socket.
    """
    if "\0" in os.fsdecode(path):
        raise OSError(errno.EINVAL, "its name holds a NUL character")
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return os.fdopen(handle, "rb")


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    Raises:
        OSError: as by `open_regular`, or the file is larger.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", os.fspath(path))
    return data


def open_own(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file of one's own to add to it; it is made if there is none.

    What it holds stays, and a link is not followed: it could lead to anybody's file.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    if Path(
        path
    ).is_symlink():  # a sentence for people; the flag below is what keeps it from opening
        raise OSError(errno.ELOOP, "it is a link", os.fspath(path))
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return io.FileIO(handle, "r+")


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays by name, as a compressed ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def png(drawn: Image.Image) -> bytes:
    """A panel as a PNG file that says its resolution."""
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files by name; each appears, or replaces an older one, whole, once all are prepared.

    Raises:
        SettingError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="writing-") as place:
            for name, data in files.items():
                Path(place, name).write_bytes(data)
            return [Path(place, name).replace(folder / name) for name in files]
    except OSError as error:
        raise SettingError(
            f"The files cannot be written to {folder} ({error.strerror}): choose another folder."
        ) from error
