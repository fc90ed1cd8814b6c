"""The digests of the files in a folder, kept in the form that ``sha256sum --check`` reads.

    # where-it-looked RUN
    DIGEST  maps/ab/abcd....npz

RUN tells what the files were made for. A digest is written down before its file appears, so that
there is no file of ours without one. Of two lines for a file the later one counts. A line that was
lost or damaged means that its file is made again.
"""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from .atomic import not_written, write_whole
from .io import open_own, open_regular

SUMS = "SHA256SUMS"
_HEADER = re.compile(rb"# where-it-looked ([0-9a-f]{64})\n")
_LINE = re.compile(rb"([0-9a-f]{64})  ([\w./-]+)\n")
_LONGEST_LINE = 512  # bytes; what is longer is none of ours


class Sums:
    """What was written into a folder, and whether it is still the same.

    Attributes:
        run: what the files were made for; None if that is not known.
    """

    def __init__(self, folder: Path, names: re.Pattern[str]) -> None:
        """Begin with no file.

        Args:
            folder: where the files and their digests are.
            names: what a file may be called, relative to the folder; other names are not believed.
        """
        self.run: str | None = None
        self._folder, self._names = folder, names
        self._digests: dict[str, bytes] = {}
        self._sound: set[str] = set()

    @property
    def names(self) -> Collection[str]:
        """The files that were written, whether or not they are there."""
        return self._digests.keys()

    def __contains__(self, name: str) -> bool:
        """Whether a file is there as it was written, as far as `check` has seen."""
        return name in self._sound

    def read(self) -> None:
        """Read the digests that were written down, if there are any; no file is compared yet."""
        self.run, self._digests, self._sound = None, {}, set()
        try:
            with open_regular(self._folder / SUMS) as file:
                while line := file.readline(_LONGEST_LINE):
                    if header := _HEADER.fullmatch(line):
                        self.run = header[1].decode()
                    elif (found := _LINE.fullmatch(line)) and self._names.fullmatch(
                        name := found[2].decode("ascii", "replace")
                    ):
                        self._digests[name] = bytes.fromhex(found[1].decode())
        except OSError:
            return  # then nothing is known of what is here

    def check(self, show: Callable[[str], object] = lambda _text: None) -> list[str]:
        """Compare all files with their digests.

        Args:
            show: is told how far it is.

        Returns:
            Those that are there and differ.
        """
        self._sound = set()
        for number, name in enumerate(self._digests, 1):
            show(f"Checking {number:,} of {len(self._digests):,} files")
            if self.agrees(name):
                self._sound.add(name)
        return [
            name
            for name in self._digests
            if name not in self._sound and os.path.lexists(self._folder / name)
        ]

    def agrees(self, name: str) -> bool:
        """Whether a file is at this moment what was written."""
        try:
            with open_regular(self._folder / name) as file:
                return hashlib.file_digest(file, "sha256").digest() == self._digests.get(name)
        except OSError:
            return False

    def note(self, name: str, digest: str) -> None:
        """Write down the digest, in hex, of a file that is about to appear.

        Raises:
            FolderError: that is not possible.
        """
        path = self._folder / SUMS
        try:
            with open_own(path) as file:  # not flushed to the disk: a lost line costs work only
                file.write(_line(name, digest))
        except OSError as error:
            raise not_written(path, error) from error
        self._sound.discard(name)
        self._digests[name] = bytes.fromhex(digest)

    def appeared(self, name: str) -> None:
        """Take a file for sound that was written just now."""
        self._sound.add(name)

    def begin(self, run: str) -> None:
        """Write down what files are made for from now on; those of before stay named."""
        self.run = run
        self._write()

    def keep(self, names: Iterable[str]) -> None:
        """Name only these files, in this order; a name may come again."""
        self._digests = {name: self._digests[name] for name in names}
        self._write()

    def _write(self) -> None:
        """Write all lines anew, unless they are there already."""
        path = self._folder / SUMS
        try:
            with open_regular(path) as file:
                if all(old == new for old, new in zip_longest(file, self._lines())):
                    return
        except OSError:
            pass  # none is there
        write_whole(path, lambda file: file.writelines(self._lines()))

    def _lines(self) -> Iterator[bytes]:
        yield f"# where-it-looked {self.run}\n".encode()
        for name, digest in self._digests.items():
            yield _line(name, digest.hex())


def _line(name: str, digest: str) -> bytes:
    return f"{digest}  {name}\n".encode()
