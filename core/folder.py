"""Which pictures a folder holds, what they are labelled, and their bytes.

A folder is a path of this machine or any address that fsspec reads: ``s3://bucket/pictures``, with
the credentials of the environment. Labels come from

- sub-folders: the first below the folder, named by class name, WordNet id or class index;
- a CSV in place of the folder, with a column ``path`` and, if there are labels, ``label``; its
  paths are relative to the folder that it lies in.
"""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Any

import fsspec

from core.errors import FolderError, ImageError
from core.images import MAX_BYTES
from core.labelling import label_of, labels_of

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif"),  # as phones write them: a row that says why it cannot be read
)


@dataclass(frozen=True)
class Entry:
    """A picture of a folder.

    Attributes:
        path: relative to the folder, with ``/``.
        label: index of the class that it is said to show, or None.
    """

    path: str
    label: int | None = None


@dataclass(frozen=True)
class Folder:
    """What is to be read.

    Attributes:
        address: the folder, as fsspec takes it; a path of this machine is absolute.
        entries: sorted by path.
        without_class: the sub-folders that name no class, where others do.
    """

    address: str
    entries: tuple[Entry, ...]
    without_class: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of all paths and labels."""
        found = hashlib.sha256()
        for entry in self.entries:
            found.update(f"{entry.path}\0{entry.label}\0".encode())
        return found.hexdigest()


def list_folder(address: str, class_names: tuple[str, ...]) -> Folder:
    """The pictures of a folder, or of a CSV, with their labels; no picture is opened.

    Raises:
        FolderError: it cannot be read, holds no picture, or a label is not clear.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        if not system.exists(root):
            raise FolderError(f"There is no {address}: give a folder, or a CSV of path and label.")
        if system.isfile(root):
            return _from_csv(system, root, address, class_names)
        paths = sorted(_pictures(system, root))
    except FolderError:
        raise
    except Exception as error:  # each kind of address has a library with errors of its own
        extra = "; install requirements-cluster.txt" if isinstance(error, ImportError) else ""
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise FolderError(f"{address} cannot be read ({reason}){extra}.") from error
    if not paths:
        raise FolderError(f"{address} holds no picture: looked for {', '.join(SUFFIXES)}.")
    folders = dict.fromkeys(path.split("/")[0] for path in paths if "/" in path)
    classes = labels_of(class_names, folders)
    return Folder(
        system.unstrip_protocol(root) if "://" in address else root,
        tuple(
            Entry(path, classes.get(path.split("/")[0]) if "/" in path else None) for path in paths
        ),
        tuple(folder for folder in folders if folder not in classes) if classes else (),
    )


def _pictures(system: Any, root: str) -> Iterator[str]:
    """Relative paths of the pictures below a folder; nothing hidden, no device, no pipe."""
    for found, info in system.find(root, detail=True).items():
        path = found[len(root) :].lstrip("/") if found.startswith(root) else found
        hidden = any(part.startswith(".") for part in path.split("/"))
        if hidden or PurePosixPath(path).suffix.lower() not in SUFFIXES:
            continue
        if info["type"] == "file" or info.get("islink"):
            yield path.encode("utf-8", "backslashreplace").decode()  # a name may be no Unicode


def _from_csv(system: Any, path: str, address: str, class_names: tuple[str, ...]) -> Folder:
    """The pictures of a CSV; the same path twice is a mistake."""
    known = cache(partial(label_of, class_names))  # a list has many pictures of each class
    with system.open(path, "rb") as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        reader = csv.DictReader(text)
        if "path" not in (reader.fieldnames or ()):
            raise FolderError(
                f"{address} has no column path: its first line must be path, or path,label."
            )
        labels: dict[str, int | None] = {}
        for row in reader:
            where = f"{address}, line {reader.line_num}"
            name = str(PurePosixPath((row["path"] or "").strip()))
            if name == "." or name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise FolderError(
                    f'{where}: the path "{row["path"]}" is not one below the folder of the CSV: '
                    "put the CSV there."
                )
            if name in labels:
                raise FolderError(f"{where}: {name} is there twice; leave one.")
            label = (row.get("label") or "").strip()
            try:
                labels[name] = known(label) if label else None
            except FolderError as error:
                raise FolderError(f"{where}: {error}") from None
    if not labels:
        raise FolderError(f"{address} names no picture: write one path in each line.")
    folder = path.rpartition("/")[0]
    return Folder(
        system.unstrip_protocol(folder) if "://" in address else folder,
        tuple(Entry(name, labels[name]) for name in sorted(labels)),
    )


def read_entry(address: str, entry: Entry) -> bytes:
    """The bytes of a picture.

    Raises:
        ImageError: it cannot be read, or is over the limit.
    """
    try:
        system, root = fsspec.core.url_to_fs(address)
        with system.open(f"{root.rstrip('/')}/{entry.path}", "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except Exception as error:  # as above
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"{entry.path} cannot be read ({reason}): check the path.") from error
    if len(data) > MAX_BYTES:
        raise ImageError(
            f"The file has more than the {MAX_BYTES:,} bytes that are allowed; "
            "make the picture smaller or save it with stronger compression."
        )
    return data
