"""The pictures of a table as its run read them: a file that changed since is another picture.

A table says what a model saw of certain bytes. So whatever shows a picture beside its maps or its
answer opens it here, and nothing is read twice: the bytes that are opened are those compared.
"""

from collections.abc import Sequence

import pyarrow.compute as pc

from ..errors import ImageError
from ..pictures.images import digest
from ..pictures.picture import Picture, picture_from_bytes
from ..text import plain
from .results_table import ResultsTable
from .safe_files import read_below

_NAMED = 5  # pictures, in a sentence


class ReplacedError(ImageError):
    """The file of a picture is not the one that the run read."""


def file_of_run(results: ResultsTable, path: str, sha256: str | None) -> bytes:
    """The bytes of a picture of a table.

    Args:
        results: the table.
        path: of the picture, as the table has it.
        sha256: of its bytes, as the table has it; None if the run could not read them, which are
            then not compared.

    Raises:
        ReplacedError: the file is another one than the run read.
        ImageError: it cannot be read, or the table came without its pictures.
    """
    if results.address is None:
        raise ImageError("The table came without its pictures.")
    data = read_below(results.address, path)
    if sha256 not in (None, digest(data)):
        raise ReplacedError(
            "The file is not that of the run, as it changed since: bring that back, or run again."
        )
    return data


def picture_of_run(results: ResultsTable, path: str, sha256: str | None) -> Picture:
    """A picture of a table; see `file_of_run`.

    Raises:
        ReplacedError: the file is another one than the run read.
        ImageError: there is no such picture, or it cannot be used.
    """
    return picture_from_bytes(file_of_run(results, path, sha256), trusted=True)


def sha256_of(results: ResultsTable, path: str) -> str | None:
    """The digest of a picture's bytes, of the first row with that path; None if it has none."""
    row = pc.index(results.table["path"], path).as_py()
    found: str | None = None if row < 0 else results.table["sha256"][row].as_py()
    return found


def replaced_words(
    paths: Sequence[str], left: tuple[str, str] = ("it is left out", "they are left out")
) -> str:
    """That pictures are not those of the run, as a sentence; empty if there are none.

    Args:
        paths: of the pictures.
        left: what becomes of one, and of several.
    """
    if not paths:
        return ""
    one = len(paths) == 1
    who = "1 picture is not that" if one else f"{len(paths):,} pictures are not those"
    whose = "its file" if one else "their files"
    return f"{who} of the run: {whose} changed since ({few(paths)}); {left[not one]}."


def few(paths: Sequence[str]) -> str:
    """The first of some paths, for a sentence."""
    return ", ".join(map(plain, paths[:_NAMED])) + (", ..." if len(paths) > _NAMED else "")
