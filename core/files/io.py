"""Opens files safely by name, and writes results atomically.

Every file that is named by a user, a table or an address is opened here. A name may stand for a
pipe without a writer or for an endless device; reading one as a file would never end. Only regular
files are replaced: a device belongs to all programs, and a link may lead to another user's file.
"""

import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import SettingError

_ANOTHER_FOLDER = "choose another folder"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnsuitableError(OSError):
    """What a name stands for is no regular file, or one that is larger than allowed."""


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; a link to one is followed.

    Raises:
        UnsuitableError: it is no regular file, but a folder, a pipe, a device or a socket.
        OSError: it cannot be opened.
    """
    try:
        mode = Path(path).stat().st_mode  # opening a device may set it going
    except ValueError as error:
        odd = "a NUL character" if "\0" in os.fspath(path) else "half a character"
        raise OSError(errno.EINVAL, f"its name holds {odd}") from error
    if stat.S_ISREG(mode):
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(path, flags)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.fdopen(handle, "rb")
        os.close(handle)  # it was replaced since
    raise UnsuitableError(errno.EINVAL, "it is no regular file", os.fspath(path))


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    Raises:
        UnsuitableError: it is no regular file, or larger (then ``errno`` is ``EFBIG``).
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnsuitableError(errno.EFBIG, f"it has more than {limit:,} bytes", os.fspath(path))
    return data


def read_text(path: str | os.PathLike[str], limit: int, encoding: str = "utf-8") -> str:
    """The content of a text file of at most ``limit`` bytes; every line ends with a line feed.

    Raises:
        OSError: as by `read_bytes`.
        UnicodeDecodeError: it is not in this encoding.
    """
    text = read_bytes(path, limit).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def open_own(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file of one's own to add to it; it is made if there is none.

    What it holds stays, and a link is not followed: it could lead to anybody's file.

    Raises:
        UnsuitableError: it is no regular file, but a link, a folder, a pipe, a device or a socket.
        OSError: it cannot be opened.
    """
    kind = _kind(Path(path))  # opening a device may set it going
    if kind is None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(path, flags, 0o666)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return io.FileIO(handle, "r+")
        os.close(handle)  # it was replaced since
        kind = "no regular file"
    raise UnsuitableError(errno.EINVAL, f"it is {kind}", os.fspath(path))


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays by name, as a compressed ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def check_writable(folder: Path, names: Iterable[str] = (), way_out: str = _ANOTHER_FOLDER) -> None:
    """Find out, before anything is computed, whether `write` could do its work; nothing is written.

    Raises:
        SettingError: it could not; the sentence ends with ``way_out``.
    """
    try:
        place = _nearest(folder)
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "it is not writable")
        for name in names:
            found = _kind(place / name)  # fails for a name that is too long
            if place == folder:
                _refuse(folder / name, found)
    except OSError as error:
        raise _not_written(folder, error, way_out) from error


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files by name; each appears, or replaces an older one, whole, once all are prepared.

    Raises:
        SettingError: the folder cannot be written to, or something in it that is no regular file
            has one of the names.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="writing-") as place:
            for name, data in files.items():
                Path(place, name).write_bytes(data)
            for name in files:  # all of them, before the first is replaced
                check_replaceable(folder / name)
            return [Path(place, name).replace(folder / name) for name in files]
    except OSError as error:
        raise _not_written(folder, error) from error


def check_replaceable(path: Path) -> None:
    """Let a new file have a name only where there is nothing yet, or a regular file.

    Raises:
        UnsuitableError: there is something else, such as a link or a device.
        OSError: it cannot be found out.
    """
    _refuse(path, _kind(path))


def _refuse(path: Path, kind: str | None) -> None:
    if kind is not None:
        reason = f"{path.name} is {kind}, and only a regular file is replaced"
        raise UnsuitableError(errno.EEXIST, reason, os.fspath(path))


def _kind(path: Path) -> str | None:
    """What is there, in words; None if it is nothing, or a regular file."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    for place in (folder, *folder.parents):
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            if place.is_symlink():
                raise OSError(errno.ENOENT, f"{place} is a link that leads nowhere") from None
            continue
        if stat.S_ISDIR(mode):
            return place
        raise NotADirectoryError(errno.ENOTDIR, f"{place} is no folder")
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _not_written(folder: Path, error: OSError, way_out: str = _ANOTHER_FOLDER) -> SettingError:
    return SettingError(f"The files cannot be written to {folder} ({error.strerror}): {way_out}.")
