"""The results of a folder, on disk: readable with pandas and NumPy, and without this package.

    OUT/results.parquet         one row for each picture, sorted by path
    OUT/maps/ab/abcd....npz     the maps of a picture, float32 (H, W) by method, and "manifest"
    OUT/manifest.json           what was asked, of which model, and what the columns mean
    OUT/parts/                  finished parts of a table that is not complete yet

Every file is written beside its place, flushed to the disk, and moved there at once: whoever is
killed leaves whole files.
"""

import contextlib
import errno
import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import FolderError
from core.files import open_regular
from core.results_schema import SCHEMA

TABLE, MANIFEST, MAPS, PARTS = "results.parquet", "manifest.json", "maps", "parts"
_UNFINISHED = ".writing"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RUN = b"where-it-looked run"

Row = dict[str, Any]


class DiskFullError(FolderError):
    """There is no room left for a result."""


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file that is there whole, or not at all, whatever happens meanwhile.

    Args:
        path: where it is to be; its folder is made.
        write: writes the content into the open file that it is given.

    Raises:
        DiskFullError: there is no room for it.
        FolderError: it cannot be written for another reason.
    """
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{_UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"There is no room for {path} ({error.strerror}).") from error
        raise FolderError(
            f"{path} cannot be written ({error.strerror}): choose another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Let the new name survive a power cut too, where folders can be flushed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def map_file(maps: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> bytes:
    """Maps by method, float32 (H, W), and their manifest, as a compressed ``.npz``.

    ``json.loads(bytes(numpy.load(file)["manifest"]))`` reads the manifest. The same maps give the
    same bytes.
    """
    text = json.dumps(manifest, ensure_ascii=False, sort_keys=True).encode()
    arrays = {**maps, "manifest": np.frombuffer(text, np.uint8)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def manifest_of(path: Path) -> dict[str, Any] | None:
    """The manifest in a file of maps; None if there is no such file, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = json.loads(bytes(arrays["manifest"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found if isinstance(found, dict) else None


class Results:
    """A folder of results, with one writer at a time."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not be there yet."""
        self.folder = folder
        self._metadata: dict[bytes, bytes] = {}
        self._parts = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes, and clear away what a killed one left unfinished.

        Raises:
            FolderError: another run writes here, or the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("wb")
        except OSError as error:
            raise FolderError(
                f"{self.folder} cannot be written to ({error.strerror}): choose another --out."
            ) from error
        with lock:
            _lock(lock, self.folder)
            for place in (self.folder, self.folder / PARTS, *self._map_folders()):
                for unfinished in place.glob(f"*{_UNFINISHED}"):
                    unfinished.unlink(missing_ok=True)
            yield

    def _map_folders(self) -> list[Path]:
        return [place for place in (self.folder / MAPS).glob("??") if place.is_dir()]

    def manifest(self) -> dict[str, Any] | None:
        """What was begun here, or None if nothing was.

        Raises:
            FolderError: there is something else.
        """
        path = self.folder / MANIFEST
        if not path.exists():
            foreign = [name for name in (TABLE, MAPS, PARTS) if (self.folder / name).exists()]
            if foreign:
                raise FolderError(
                    f"{self.folder} holds {foreign[0]} of something else: choose another --out."
                )
            return None
        try:
            found = json.loads(path.read_text("utf-8"))
            return {"settings": found["settings"], **found}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FolderError(f"{path} is not one of ours: choose another --out.") from error

    def begin(self, manifest: Mapping[str, Any], run: str, parts: int) -> None:
        """Write the manifest, and remember what the table says of itself.

        Args:
            manifest: JSON types.
            run: what tells this run from others with different settings or pictures.
            parts: how many the table is made of.
        """
        told = {name: manifest[name] for name in ("folder", "model", "weights_sha256", "settings")}
        self._metadata = {
            b"where-it-looked": _as_json(told),
            _RUN: run.encode(),
        }
        self._parts = parts
        self.write_manifest(manifest)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write what was asked, and what came of it."""
        text = _as_json(manifest, indent=2) + b"\n"
        write_whole(self.folder / MANIFEST, lambda file: file.write(text))

    def clear(self) -> None:
        """Remove the results of an earlier run, and nothing else."""
        for name in (TABLE, MANIFEST):
            (self.folder / name).unlink(missing_ok=True)
        for name in (PARTS, MAPS):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def write_part(self, number: int, rows: list[Row]) -> None:
        """Keep the rows of one part, sorted by path."""
        table = pa.Table.from_pylist(rows, SCHEMA.with_metadata(self._metadata))
        write_whole(self._part(number), lambda file: pq.write_table(table, file))

    def has_part(self, number: int) -> bool:
        """Whether a part of this run is there, whole."""
        try:
            with open_regular(self._part(number)) as file:
                metadata = pq.read_schema(file).metadata or {}
        except (OSError, pa.ArrowException):
            return False
        return metadata.get(_RUN) == self._metadata[_RUN]

    def _part(self, number: int) -> Path:
        return self.folder / PARTS / f"{number:07d}.parquet"

    def write_maps(self, name: str, data: bytes) -> None:
        """Keep a file of maps under its name, relative to the results."""
        write_whole(self.folder / name, lambda file: file.write(data))

    def merge(self) -> int:
        """Make the table of the parts that are there; returns the number of its rows.

        A part is held in memory at a time.
        """
        present = [number for number in range(self._parts) if self.has_part(number)]
        rows = 0

        def write(file: IO[bytes]) -> None:
            nonlocal rows
            with pq.ParquetWriter(file, SCHEMA.with_metadata(self._metadata)) as writer:
                waiting: list[pa.Table] = []
                for number in present:
                    with open_regular(self._part(number)) as part:
                        waiting.append(pq.read_table(part, schema=SCHEMA))
                    rows += waiting[-1].num_rows
                    if sum(table.num_rows for table in waiting) >= 65_536:
                        writer.write_table(_whole(waiting))
                        waiting = []
                if waiting:
                    writer.write_table(_whole(waiting))

        write_whole(self.folder / TABLE, write)
        return rows

    def drop_parts(self) -> None:
        """Remove the parts, once the table holds them all."""
        shutil.rmtree(self.folder / PARTS, ignore_errors=True)


def _as_json(values: Mapping[str, Any], **how: Any) -> bytes:
    """JSON as UTF-8; what is no Unicode, as the name of a folder may be, is escaped."""
    return json.dumps(values, ensure_ascii=False, **how).encode("utf-8", "backslashreplace")


def _whole(parts: list[pa.Table]) -> pa.Table:
    # In one piece: row groups must not depend on how many parts there were at the time.
    return pa.concat_tables(parts).replace_schema_metadata(None).combine_chunks()


def _lock(file: IO[bytes], folder: Path) -> None:
    """Hold a lock until the file is closed, which the system does for a killed process too."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise FolderError(
            f"Another run writes to {folder}: wait for it, or choose another --out."
        ) from error
