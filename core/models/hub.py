"""Files from the Hugging Face hub, in its usual cache: with progress, each failure a sentence.

A file that is here is not asked for again. huggingface_hub is imported only where it is needed.
"""

import logging
import queue
import re
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ModelError
from ..text import quoted
from .extras import need
from .weights import Progress

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?", re.ASCII)
_log = logging.getLogger(__name__)


class AbsentError(ModelError):
    """The repository is there, and has no such file."""


@dataclass(frozen=True)
class Repository:
    """A repository of the hub.

    Attributes:
        name: owner and name.
        revision: a branch, tag or commit.
    """

    name: str
    revision: str = "main"

    @classmethod
    def named(cls, text: str) -> "Repository":
        """A repository by what people type: ``ORG/NAME`` or ``ORG/NAME@REVISION``.

        Raises:
            ModelError: no repository is called so.
        """
        if not _NAME.fullmatch(text) or ".." in text:
            raise ModelError(
                f"{quoted(text)} is neither a folder here nor the name of a repository: give "
                "ORG/NAME, or the path of a folder."
            )
        name, _, revision = text.partition("@")
        return cls(name, revision or "main")

    def cached(self, file: str) -> Path | None:
        """Where a file lies in the cache, or None; no network is asked."""
        found = _hub().try_to_load_from_cache(self.name, file, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def fetch(self, file: str) -> Generator[Progress, None, Path]:
        """Bring a file into the cache, yielding progress; returns where it lies.

        Raises:
            AbsentError: the repository has no such file.
            ModelError: it is not available.
        """
        if (there := self.cached(file)) is not None:
            return there
        hub = _hub()
        events: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
        stop = threading.Event()
        done: list[Any] = []

        def receive() -> None:
            try:
                # Asked once, since hf_hub_download asks a hub that is out of reach six times.
                hub.get_hf_file_metadata(hub.hf_hub_url(self.name, file, revision=self.revision))
                done.append(
                    hub.hf_hub_download(
                        self.name, file, revision=self.revision, tqdm_class=_counter(events, stop)
                    )
                )
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                done.append(error)
            events.put(None)

        thread = threading.Thread(target=receive, name=f"hub {self.name}", daemon=True)
        thread.start()
        try:
            while (progress := events.get()) is not None:
                yield progress
        finally:
            stop.set()  # the download ends at its next piece
        (result,) = done
        if isinstance(result, BaseException):
            _log.info("%s of %s could not be fetched", file, self.name, exc_info=result)
            raise self._refused(file, result) from result
        return Path(result)

    def get(self, file: str) -> Path:
        """The same for a small file, without progress."""
        fetching = self.fetch(file)
        while True:
            try:
                next(fetching)
            except StopIteration as ended:
                return ended.value

    def at(self, path: Path) -> "Repository":
        """The commit that a cached file is of."""
        return Repository(self.name, path.parent.name)

    def _refused(self, file: str, error: BaseException) -> ModelError:
        """What is said of a download that failed."""
        errors = need("huggingface_hub").errors
        if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
            error = error.__cause__  # which says more
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return ModelError(
                f"The model {self.name} is given only to those who accepted its terms: accept them "
                f"at huggingface.co/{self.name}, and log in with `hf auth login`."
            )
        if isinstance(error, errors.RepositoryNotFoundError) or status == 401:
            return ModelError(
                f"There is no model {self.name} on the hub, or it is private: check the name, or "
                "log in with `hf auth login`."
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return ModelError(
                f"The model {self.name} has no revision {self.revision}: leave it out, or give one "
                "that the hub lists."
            )
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return AbsentError(f"{self.name} has no file {file}: choose another model.")
        if isinstance(error, OSError) and error.errno == 28:
            return ModelError(
                f"{file} of {self.name} does not fit on the disk: make room in the cache of the "
                "hub, or set HF_HOME to a folder on another disk."
            )
        if isinstance(error, PermissionError):
            return ModelError(
                f"{file} of {self.name} cannot be written ({error.strerror}): set HF_HOME to a "
                "folder of yours."
            )
        if isinstance(error, errors.HfHubHTTPError) and status is not None:
            return ModelError(
                f"{file} of {self.name} could not be downloaded (the hub answered {status}): try "
                "again later, or choose a model that is already on this machine."
            )
        return ModelError(
            f"{file} of {self.name} is not on this machine, and the hub cannot be reached: check "
            "the network and try again, or choose a model that is already on this machine."
        )


class _StoppedError(BaseException):
    """Nobody waits for the download any more; no handler of errors is to retry it."""


def _hub() -> ModuleType:
    hub = need("huggingface_hub")
    hub.utils.disable_progress_bars()
    return hub


def _counter(events: "queue.SimpleQueue[Progress | None]", stop: threading.Event) -> type:
    """What huggingface_hub takes for a progress bar."""

    class Counter:
        def __init__(self, *_: Any, total: int | None = None, initial: int = 0, **__: Any) -> None:
            self.total, self.n = total, initial

        def update(self, n: float | None = 1) -> None:
            if stop.is_set():
                raise _StoppedError
            self.n += int(n or 0)
            events.put(Progress(self.n, max(self.n, int(self.total or 0))))

        def __enter__(self) -> "Counter":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def __getattr__(self, _: str) -> Any:
            return lambda *_, **__: None  # a bar can do more, which nobody sees

    return Counter
