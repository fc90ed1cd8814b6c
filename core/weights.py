"""Weight files: where they lie, how they come here, and whether they are what they should be."""

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
from typing import NamedTuple

import torch

from core.errors import ModelError
from core.files import check_replaceable, open_regular
from core.state_dicts import read_state

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 20
_log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """Bytes received so far, and bytes to receive in all."""

    done: int
    total: int


@dataclass(frozen=True)
class WeightsFile:
    """A weight file on disk, or one that can be downloaded to where it should be.

    Attributes:
        path: where the file lies, or will lie (torch's usual cache for downloads).
        sha256_prefix: the first hex digits of the file's sha256, as torch puts them in file names;
            empty where no file in particular is expected.
        megabytes: size of the file in millions of bytes.
        url: where it comes from; None if it was installed with a package, or is one's own.
    """

    path: Path
    sha256_prefix: str
    megabytes: float
    url: str | None = None

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
            _log.warning("download of %s failed", self.url, exc_info=error)
            raise ModelError(
                f"The weights {self.path.name} ({self.megabytes:.0f} MB) could not be downloaded "
                f"({_reason(error)}): check the network and try again, or choose a model that is "
                "already on this machine."
            ) from error

    def load(self) -> tuple[dict[str, torch.Tensor], str]:
        """The state dict, and the file's sha256 in hex.

        Raises:
            ModelError: the file is missing, damaged, or not the one that was asked for.
        """
        if not self.present:
            raise ModelError(f"The weights {self.path.name} are not on this machine.")
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


def _reason(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError | TimeoutError):
        return "the server cannot be reached"
    if isinstance(error, http.client.HTTPException):
        return "the server's answer makes no sense"
    return (error.strerror or str(error)).lower()
