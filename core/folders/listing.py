"""Lists the pictures of a folder, CSV or bucket with their labels, and reads their bytes.

A folder is a path of this machine or any address that fsspec reads: ``s3://bucket/pictures``, with
the credentials of the environment. Labels come from

- sub-folders: the first below the folder, named by class name, WordNet id or class index;
- a CSV in place of the folder, with a column ``path`` and, if there are labels, ``label``, which
  `expected` reads; its paths are relative to the folder that it lies in.

Nothing is skipped silently: a sub-folder that cannot be listed is an entry with an error, and links
to folders, which are not followed, are reported.
"""

import csv
import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from ..errors import FolderError, ImageError
from ..files.io import read_bytes
from ..models.heads import SOFTMAX, Head
from ..models.labelling import labels_of
from ..pictures.images import MAX_BYTES
from ..pictures.picture import not_read
from ..text import as_text
from .expected import reader

_Kind = Literal["file", "folder", "link", "other"]
_Listing = Callable[[str], Iterable[tuple[str, _Kind]]]

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif"),  # as phones write them: a row that says why it cannot be read
)
ARRAYS = (".npy",)  # pictures only for models that take other channels than a photo's
MAX_LIST = 200 * 1000 * 1000  # bytes of a CSV


@dataclass(frozen=True)
class Entry:
    """A picture of a folder, or a sub-folder whose pictures cannot be listed.

    Attributes:
        path: relative to the folder, with ``/``; as the system gives it, which may be no Unicode.
        label: index of the class that it is said to show, or None.
        unlisted: why a sub-folder cannot be listed; empty for a picture.
        labels: of a model with independent labels, the indices of those that it is said to have,
            ascending; or None.
        values: of a model that gives values, those that are expected, one for each output; or None.
        shares_stem: whether another picture could have the same label image; see
            `core.folders.label_images`.
    """

    path: str
    label: int | None = None
    unlisted: str = ""
    labels: tuple[int, ...] | None = None
    values: tuple[float, ...] | None = None
    shares_stem: bool = False

    @property
    def expected(self) -> int | tuple[float, ...] | None:
        """What the picture is said to show, or None if nothing is said."""
        return next((e for e in (self.label, self.labels, self.values) if e is not None), None)

    @property
    def shown(self) -> str:
        """The path as Unicode."""
        return as_text(self.path)


@dataclass(frozen=True)
class Folder:
    """What is to be read.

    Attributes:
        address: the folder, as fsspec takes it; a path of this machine is absolute.
        entries: sorted by path.
        without_class: the sub-folders that name no class, where others do.
        links: links to folders, relative to the folder; they are not followed.
    """

    address: str
    entries: tuple[Entry, ...]
    without_class: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all paths and labels."""
        found = hashlib.sha256()
        for entry in self.entries:
            found.update(f"{entry.shown}\0{entry.expected}\0".encode())
        return found.hexdigest()


def list_folder(
    address: str, class_names: tuple[str, ...], head: Head = SOFTMAX, *, arrays: bool = False
) -> Folder:
    """The pictures of a folder, or of a CSV, with their labels; no picture is opened.

    Names of sub-folders are no values: what a model of values should give stands in a CSV.

    Args:
        address: of the folder, or of the CSV.
        class_names: of the model.
        head: what the model's outputs mean.
        arrays: whether files of arrays (.npy) in the folder are pictures too.

    Raises:
        FolderError: it cannot be read, holds no picture, or a label is not clear.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        if not system.exists(root):
            raise FolderError(f"There is no {address}: give a folder, or a CSV of path and label.")
        if system.isfile(root) and _is_picture(root.rpartition("/")[2], SUFFIXES + ARRAYS):
            raise FolderError(
                f"{address} is a picture: give the folder that it lies in, or a CSV of path and "
                "label."
            )
        if system.isfile(root) or not system.isdir(root):
            return _from_csv(system, root, address, reader(class_names, head))
        links: list[str] = []
        suffixes = SUFFIXES + ARRAYS if arrays else SUFFIXES
        found = sorted(_entries(system, root, links, suffixes), key=lambda entry: entry.shown)
    except FolderError:
        raise
    except UnicodeDecodeError as error:
        raise FolderError(
            f"{address} is neither a folder nor a CSV in UTF-8: give a folder, or a CSV of path "
            "and label."
        ) from error
    except Exception as error:  # each kind of address has a library with errors of its own
        raise _not_readable(address, error) from error
    paths = [entry.path for entry in found if not entry.unlisted]
    if not paths:
        why = "".join(f"; {entry.shown}: {entry.unlisted}" for entry in found[:1])
        raise FolderError(f"{address} holds no picture: looked for {', '.join(suffixes)}{why}.")
    folders = dict.fromkeys(path.split("/")[0] for path in paths if "/" in path)
    classes = {} if head.kind == "value" else labels_of(class_names, folders)
    return Folder(
        _absolute(system, root, address),
        tuple(
            _labelled(entry, classes.get(entry.path.split("/")[0]), head)
            if "/" in entry.path and not entry.unlisted
            else entry
            for entry in found
        ),
        tuple(folder for folder in folders if folder not in classes) if classes else (),
        tuple(sorted(map(as_text, links))),
    )


def _labelled(entry: Entry, label: int | None, head: Head) -> Entry:
    if head.exclusive:
        return replace(entry, label=label)
    return entry if label is None else replace(entry, labels=(label,))


def _reason(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return reason.rstrip(".")


def _entries(
    system: Any, root: str, links: list[str], suffixes: tuple[str, ...]
) -> Iterator[Entry]:
    """The pictures below a folder, and the folders that cannot be listed; nothing hidden.

    Args:
        system: of fsspec.
        root: the folder in it.
        links: is given the links to folders, as relative paths.
        suffixes: of pictures.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    if not isinstance(system, LocalFileSystem) and not _lists_by_folder(system):
        for path, info in system.find(root, detail=True).items():
            relative = _below(root, path)
            if info["type"] == "file" and _is_picture(relative, suffixes):
                yield Entry(relative)
        return
    listing: _Listing = _local if isinstance(system, LocalFileSystem) else partial(_listed, system)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            inside = list(listing(folder))
        except OSError as error:
            if folder == root:
                raise
            yield Entry(_below(root, folder), unlisted=_reason(error))
            continue
        for path, kind in inside:
            relative = _below(root, path)
            if kind == "folder" and not relative.split("/")[-1].startswith("."):
                waiting.append(path)
            elif kind in ("file", "link") and _is_picture(relative, suffixes):
                yield Entry(relative)
            elif kind == "link" and not _is_hidden(relative) and system.isdir(path):
                links.append(relative)


def _lists_by_folder(system: Any) -> bool:
    """Whether fsspec walks an address folder by folder; object stores list all of it at once."""
    how = type(system)._find if isinstance(system, AsyncFileSystem) else type(system).find
    return how in (AbstractFileSystem.find, AsyncFileSystem._find)


def _local(folder: str) -> Iterator[tuple[str, _Kind]]:
    """What lies in a folder of this machine; a device, a pipe and a socket are something other."""
    with os.scandir(folder) as found:
        for each in found:
            kind: _Kind = "other"
            if each.is_symlink():
                kind = "link"
            elif each.is_dir(follow_symlinks=False):
                kind = "folder"
            elif each.is_file(follow_symlinks=False):
                kind = "file"
            yield f"{folder.rstrip('/')}/{each.name}", kind


def _listed(system: Any, folder: str) -> Iterator[tuple[str, _Kind]]:
    """What lies in a folder elsewhere."""
    for info in system.ls(folder, detail=True):
        path = info["name"].rstrip("/")
        if path != folder.rstrip("/"):
            yield path, "folder" if info["type"] == "directory" else info["type"]


def _below(root: str, path: str) -> str:
    return path[len(root) :].lstrip("/") if path.startswith(root) else path


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _is_picture(path: str, suffixes: tuple[str, ...]) -> bool:
    return not _is_hidden(path) and PurePosixPath(path).suffix.lower() in suffixes


def _from_csv(
    system: Any, path: str, address: str, read: Callable[[str], dict[str, Any]]
) -> Folder:
    """The pictures of a CSV; the same path twice is a mistake."""
    text = io.TextIOWrapper(io.BytesIO(_read(system, path, MAX_LIST)), "utf-8-sig", newline="")
    reader = csv.DictReader(text, skipinitialspace=True)
    reader.fieldnames = columns = [name.strip().lower() for name in reader.fieldnames or ()]
    if "path" not in columns:
        raise FolderError(
            f"{address} has no column path: its first line must be path, or path,label."
        )
    for column in ("path", "label"):
        if columns.count(column) > 1:
            raise FolderError(f"{address} has several columns {column}: leave one.")
    entries: dict[str, Entry] = {}
    for row in reader:
        where = f"{address}, line {reader.line_num}"
        name = str(PurePosixPath((row["path"] or "").strip()))
        if name == "." or name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise FolderError(
                f'{where}: the path "{row["path"]}" is not one below the folder of the CSV: '
                "put the CSV there."
            )
        if name in entries:
            raise FolderError(f"{where}: {name} is there twice; leave one.")
        label = (row.get("label") or "").strip()
        try:
            entries[name] = Entry(name, **(read(label) if label else {}))
        except FolderError as error:
            raise FolderError(f"{where}: {error}") from None
    if not entries:
        raise FolderError(f"{address} names no picture: write one path in each line.")
    folder = path.rpartition("/")[0]
    return Folder(
        _absolute(system, folder, address),
        tuple(entries[name] for name in sorted(entries)),
    )


def find_folder(address: str) -> str | None:
    """A folder as fsspec takes it, a path of this machine absolute; None if there is none.

    Raises:
        FolderError: the address cannot be read.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        if not system.isdir(root):
            return None
    except Exception as error:  # each kind of address has a library with errors of its own
        raise _not_readable(address, error) from error
    return _absolute(system, root, address)


def _absolute(system: Any, root: str, address: str) -> str:
    return str(system.unstrip_protocol(root)) if "://" in address else root


def _not_readable(address: str, error: Exception) -> FolderError:
    extra = "; install requirements-cluster.txt" if isinstance(error, ImportError) else ""
    return FolderError(f"{address} cannot be read ({_reason(error)}){extra}.")


def read_entry(address: str, entry: Entry) -> bytes:
    """The bytes of a picture.

    Raises:
        ImageError: it cannot be read, or is over the limit.
    """
    if entry.unlisted:
        raise ImageError(
            f"{entry.shown} is a folder that cannot be listed ({entry.unlisted}), so that its "
            "pictures are missing: check its rights."
        )
    try:
        system, root = fsspec.core.url_to_fs(address)
        return _read(system, f"{root.rstrip('/')}/{entry.path}", MAX_BYTES)
    except Exception as error:  # as above
        raise not_read(entry.shown, error) from error


def folder_for(option: str, what: str, address: str) -> str:
    """The address of a folder of files that belong to pictures.

    Args:
        option: of the command line that takes it.
        what: the files are.
        address: of the folder; a path, or what else fsspec reads.

    Raises:
        FolderError: there is no such folder.
    """
    found = find_folder(address)
    if found is None:
        raise FolderError(f"There is no folder {address}: give one of {what} to {option}.")
    return found


def has_file(address: str, name: str) -> bool:
    """Whether a folder holds a file of this name.

    Raises:
        FolderError: it cannot be found out.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        return bool(system.isfile(f"{root.rstrip('/')}/{name}"))
    except Exception as error:  # as above
        raise _not_readable(address, error) from error


def read_file(address: str, name: str, limit: int) -> bytes:
    """The bytes of a file of a folder that is no picture.

    Raises:
        ImageError: it cannot be read, or is over the limit.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        return _read(system, f"{root.rstrip('/')}/{name}", limit)
    except Exception as error:  # as above
        raise not_read(as_text(name), error) from error


def _read(system: Any, path: str, limit: int) -> bytes:
    """The bytes of a file, on this machine of a regular one.

    Raises:
        Exception: it cannot be read; an OSError with ``EFBIG``: it has more than ``limit`` bytes.
    """
    if isinstance(system, LocalFileSystem):
        return read_bytes(path, limit)
    with system.open(path, "rb") as file:
        data: bytes = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", path)
    return data
