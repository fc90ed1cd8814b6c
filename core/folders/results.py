"""The results of a folder, on disk: readable with pandas and NumPy, and without this package.

    OUT/results.parquet         one row for each picture, sorted by path
    OUT/maps/ab/abcd....npz     the maps of a picture, float32 (H, W) by method, and "manifest"
    OUT/manifest.json           what was asked, of which model, and what the columns mean
    OUT/parts/                  finished parts of a table that is not complete yet

    OUT/SHA256SUMS              the digests of all of these

Every file is written atomically, so a killed run leaves complete files. Later damage is detected by
their digests.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import FolderError
from ..files.atomic import UNFINISHED, write_whole
from ..files.checksums import SUMS, Sums
from ..files.io import open_own, open_regular, read_bytes
from ..files.untrusted import read_json
from ..text import as_json
from .answers import Row
from .map_files import MAP_NAME, MAPS, MAX_MAPS, manifest_of
from .results_schema import SCHEMA

TABLE, MANIFEST, PARTS = "results.parquet", "manifest.json", "parts"
MAX_MANIFEST = 10 * 1000 * 1000  # bytes
DECIDING = ("address", "model", "weights_sha256", "settings", "pictures_sha256", "versions")
"""What of a manifest tells one run from another."""

_NAMES = re.compile(rf"{MANIFEST}|{TABLE}|{PARTS}/\d{{7,9}}\.parquet|{MAP_NAME.pattern}")
_RUN = b"where-it-looked run"


def run_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of what decides the results of a run."""
    run = {key: manifest[key] for key in DECIDING}
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


class Results:
    """A folder of results, with one writer at a time."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not be there yet."""
        self.folder = folder
        self._sums = Sums(folder, _NAMES)
        self._schema = SCHEMA
        self._metadata: dict[bytes, bytes] = {}
        self._parts = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes, and read what is known of the files that are here.

        Raises:
            FolderError: another run writes here, or the folder cannot be made.
        """
        path = self.folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            path /= ".lock"
            lock = open_own(path)
        except OSError as error:
            raise FolderError(
                f"{path} cannot be written to ({error.strerror}): choose another --out."
            ) from error
        with lock:
            _lock(lock, self.folder)
            self._sums.read()
            yield

    @property
    def run(self) -> str | None:
        """`run_of` what was begun here, as the digests have it; None if they do not say so."""
        return self._sums.run

    def manifest(self) -> dict[str, Any] | None:
        """What was begun here; None if nothing was, or its manifest was lost but not its digests.

        Raises:
            FolderError: there is something else.
        """
        try:
            data = read_bytes(self.folder / MANIFEST, MAX_MANIFEST)
            found = read_json(data, MAX_MANIFEST, file_names=True)
            if found["run"] == run_of(found):
                return found
        except (OSError, ValueError, KeyError, TypeError):
            pass  # whatever it is, it is none of ours
        if self.run is None:
            for name in (MANIFEST, SUMS, TABLE, MAPS, PARTS):
                if os.path.lexists(self.folder / name):
                    raise FolderError(
                        f"{self.folder} holds {name} of something else, of an earlier version of "
                        "this program, or damaged beyond use: choose another --out."
                    )
        return None

    def clear(self) -> bool:
        """Remove the files that an earlier run wrote, and nothing else.

        Returns:
            Whether that was all, so that no maps or parts of something else are left.

        Raises:
            FolderError: one of them cannot be removed.
        """
        for name in (*self._sums.names, MANIFEST, SUMS):  # the last one says what the others are
            self._remove(name)
        self._remove_empty_folders()
        self._sums.read()
        return not any((self.folder / name).exists() for name in (MAPS, PARTS))

    def _remove(self, name: str) -> None:
        path = self.folder / name
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # then it is not there
        except OSError as error:
            raise FolderError(
                f"{path} cannot be removed ({error.strerror}): choose another --out."
            ) from error

    def _remove_empty_folders(self) -> None:
        for place in (*self._map_folders(), self.folder / MAPS, self.folder / PARTS):
            with suppress(OSError):  # it is not empty, or not there
                place.rmdir()

    def _map_folders(self) -> list[Path]:
        return [place for place in (self.folder / MAPS).glob("??") if place.is_dir()]

    def check(self, show: Callable[[str], object]) -> list[str]:
        """Compare what is here with its digests; what differs does not count, and is named."""
        return self._sums.check(show)

    def expect(self, manifest: Mapping[str, Any], parts: int, schema: pa.Schema = SCHEMA) -> None:
        """Say which run this is: only what was made for it counts.

        Args:
            manifest: JSON types; with what `run_of` says of it under ``run``.
            parts: how many the table is made of.
            schema: of the table.
        """
        self._schema = schema
        told = {name: manifest[name] for name in ("folder", "model", "weights_sha256", "settings")}
        self._metadata = {b"where-it-looked": as_json(told), _RUN: manifest["run"].encode()}
        self._parts = parts

    def is_complete(self, rows: int) -> bool:
        """Whether the table of this run is here with all its rows, and all files that it names."""
        return self._is_sound(TABLE, rows)

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write what is asked, and clear away what a killed run left unfinished."""
        for place in (self.folder, self.folder / PARTS, *self._map_folders()):
            for path in place.glob("*.writing"):
                found = UNFINISHED.fullmatch(path.relative_to(self.folder).as_posix())
                if found and (found[1] == SUMS or _NAMES.fullmatch(found[1])):
                    path.unlink(missing_ok=True)
        self._sums.begin(manifest["run"])
        self._write_manifest(manifest)

    def end(self, manifest: Mapping[str, Any]) -> None:
        """Write what came of it, and remove what the table holds or does not name."""
        self._write_manifest(manifest)
        with open_regular(self.folder / TABLE) as file, pq.ParquetFile(file) as table:
            kept = dict.fromkeys(chain((MANIFEST, TABLE), _maps_of(table)))
        parts = map(_part, range(self._parts))  # all of them: the line of one may have been lost
        for name in (*parts, *(name for name in self._sums.names if name not in kept)):
            self._remove(name)
        self._remove_empty_folders()
        self._sums.keep(kept)

    def _write_manifest(self, manifest: Mapping[str, Any]) -> None:
        text = as_json(manifest, indent=2) + b"\n"
        with suppress(OSError):
            if read_bytes(self.folder / MANIFEST, MAX_MANIFEST) == text and MANIFEST in self._sums:
                return
        self._write(MANIFEST, lambda file: file.write(text))

    def _write(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        """Write a file whose digest is known before it appears."""
        write_whole(self.folder / name, write, lambda digest: self._sums.note(name, digest))
        self._sums.appeared(name)

    def write_part(self, number: int, rows: list[Row]) -> None:
        """Keep the rows of one part, sorted by path."""
        self._write_part(number, pa.Table.from_pylist(rows, self._schema))

    def _write_part(self, number: int, table: pa.Table) -> None:
        told = table.cast(self._schema.with_metadata(self._metadata))
        self._write(_part(number), lambda file: pq.write_table(told, file))

    def has_part(self, number: int) -> bool:
        """Whether a part of this run is here with its maps, all as they were written."""
        return self._is_sound(_part(number))

    def _is_sound(self, name: str, rows: int | None = None, with_maps: bool = True) -> bool:
        """Whether a table of this run is here as it was written: its rows, and what it names."""
        if name not in self._sums:
            return False
        try:
            with open_regular(self.folder / name) as file, pq.ParquetFile(file) as table:
                metadata = table.schema_arrow.metadata or {}
                return (
                    metadata.get(_RUN) == self._metadata[_RUN]
                    and rows in (None, table.metadata.num_rows)
                    and (not with_maps or all(maps in self._sums for maps in _maps_of(table)))
                )
        except Exception:  # noqa: BLE001 - the digest may be that of anything, and so may be the error
            return False

    def take_apart(self, rows: int, size: int) -> None:
        """Make parts of a whole table, if there is one: damaged maps cost no other predictions.

        Args:
            rows: of the whole table.
            size: of a part; a row group holds whole parts.
        """
        if not self._is_sound(TABLE, rows, with_maps=False):
            return
        with open_regular(self.folder / TABLE) as file, pq.ParquetFile(file) as table:
            for number, piece in enumerate(table.iter_batches(batch_size=size)):
                if not self.has_part(number):
                    self._write_part(number, pa.Table.from_batches([piece]))

    def write_maps(self, name: str, data: bytes) -> None:
        """Keep a file of maps under its name, relative to the results."""
        self._write(name, lambda file: file.write(data))

    def known_maps(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest of a file of maps that is here as it was written, and of what is asked."""
        if name not in self._sums:
            return None
        found = manifest_of(read_bytes(self.folder / name, MAX_MAPS))
        if found is None or {key: found.get(key) for key in asked} != asked:
            return None
        return found

    def merge(self) -> int:
        """Make the table of the parts that are here; returns the number of its rows.

        A part is held in memory at a time.
        """
        numbers = range(self._parts)
        present = [n for n in numbers if self.has_part(n) and self._sums.agrees(_part(n))]
        rows = 0

        def write(file: IO[bytes]) -> None:
            nonlocal rows
            with pq.ParquetWriter(file, self._schema.with_metadata(self._metadata)) as writer:
                waiting: list[pa.Table] = []
                for number in present:
                    with open_regular(self.folder / _part(number)) as part:
                        waiting.append(pq.read_table(part, schema=self._schema))
                    rows += waiting[-1].num_rows
                    if sum(table.num_rows for table in waiting) >= 65_536:
                        writer.write_table(_whole(waiting))
                        waiting = []
                if waiting:
                    writer.write_table(_whole(waiting))

        self._write(TABLE, write)
        return rows


def _part(number: int) -> str:
    return f"{PARTS}/{number:07d}.parquet"


def _maps_of(table: pq.ParquetFile) -> Iterator[str]:
    """The files of maps that a table names."""
    for piece in table.iter_batches(columns=["maps"]):
        files = piece["maps"]
        files = pc.list_flatten(files) if pa.types.is_list(files.type) else files
        yield from files.drop_null().to_pylist()


def _whole(parts: list[pa.Table]) -> pa.Table:
    # In one piece: row groups must not depend on how many parts there were at the time.
    return pa.concat_tables(parts).replace_schema_metadata(None).combine_chunks()


def _lock(file: FileIO, folder: Path) -> None:
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
