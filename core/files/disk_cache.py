"""A bounded cache of arrays on disk that survives restarts; every entry is checked when read.

An entry is one file: a line with format, key and the content's SHA-256, then NumPy's ``.npz``,
which is read without pickle. A file that is cut off, altered, of another format or under another
name counts as not there, and is removed. The digest guards against damage, not against a forger who
can write into the folder; but even a forged entry is only numbers.
"""

import hashlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from .io import UnsuitableError, check_replaceable, read_bytes
from .untrusted import UnfoldingError, read_array, unzip

LIMIT_BYTES = 512 << 20
FOLDER_VARIABLE = "WHERE_IT_LOOKED_CACHE"

_FORMAT = b"where-it-looked cache 1"
_SUFFIX, _UNFINISHED = ".entry", ".writing"
_MOST_ARRAYS = 1000  # of an entry
_ABANDONED_SECONDS = 3600  # nobody writes one entry for an hour
_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Where this system keeps caches of a user, unless the environment names another folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("where-it-looked", appauthor=False)


class DiskCache:
    """Arrays by key, in a folder of at most so many bytes; the least recently used go first.

    Safe to share between threads and processes. What goes wrong with the disk is logged, and
    nothing more: the value is then not kept, or not found.

    Attributes:
        folder: where the entries are.
        problem: why the last value that was lost could not be kept; empty if none was.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        """Use a folder, which is made when the first entry is; ``limit_bytes`` bounds it."""
        self.folder = folder
        self.problem = ""
        self._limit = limit_bytes

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays under a key (hexadecimal digits), by name; None if there are none."""
        path = self._path(key)
        try:
            found = _unpacked(read_bytes(path, self._limit), key)
            os.utime(path)  # now the most recently used
        except FileNotFoundError:
            return None
        except (UnsuitableError, _DamagedError) as error:
            _log.warning("cache entry %s is not used: %s", path, error)
            self.remove(key)
            return None
        except OSError as error:
            _log.warning("the cache cannot be read: %s", error)
            return None
        return found

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays under a key; they appear whole or not at all."""
        entry = _packed(arrays, key)
        if len(entry) > self._limit:
            return
        unfinished: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(entry))
            with tempfile.NamedTemporaryFile(
                suffix=_UNFINISHED, dir=self.folder, delete=False
            ) as file:
                unfinished = Path(file.name)
                file.write(entry)
            check_replaceable(self._path(key))
            unfinished.replace(self._path(key))
        except OSError as error:
            self.problem = error.strerror or str(error)
            _log.warning("nothing is kept in the cache %s: %s", self.folder, error)
            if unfinished is not None:
                _remove(unfinished)

    def remove(self, key: str) -> None:
        """Forget what is under a key."""
        _remove(self._path(key))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _make_room(self, needed: int) -> None:
        """Remove the least recently used until so many bytes more stay within the limit."""
        entries = []
        for path in self.folder.iterdir():
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue  # another process was here
            if path.suffix == _SUFFIX:
                entries.append((status.st_mtime_ns, status.st_size, path))
            elif path.suffix == _UNFINISHED and status.st_mtime < time.time() - _ABANDONED_SECONDS:
                _remove(path)
        room = self._limit - needed - sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if room >= 0:
                break
            _remove(path)
            room += size


class _DamagedError(ValueError):
    """A file that is not an entry of this cache, or no longer."""


def _packed(arrays: Mapping[str, np.ndarray], key: str) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return _header(key, buffer.getvalue()) + buffer.getvalue()


def _unpacked(entry: bytes, key: str) -> dict[str, np.ndarray]:
    header, newline, content = entry.partition(b"\n")
    if header + newline != _header(key, content):
        raise _DamagedError("its first line does not fit its name and content")
    try:  # packed without compression
        files = unzip(content, _MOST_ARRAYS, len(content))
        arrays = {name: read_array(data).copy() for name, data in files.items()}
    except UnfoldingError as error:
        raise _DamagedError(f"its content cannot be read, {error}") from error
    if not arrays:
        raise _DamagedError("its content is something else")
    return {name.removesuffix(".npy"): array for name, array in arrays.items()}


def _header(key: str, content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return b"%s %s %s\n" % (_FORMAT, key.encode(), digest.encode())


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s cannot be removed from the cache: %s", path, error)
