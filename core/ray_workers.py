"""Maps and judgements made on Ray: the page's heavy work, on this machine or many.

Each worker is an actor that keeps the models it has loaded. It is asked for one part after the
other, so that work that nobody wants any more ends with the part that is being done. A lost worker
is started again by Ray, and its work goes on there from what has come back.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from core import models
from core.cache import BoundedCache
from core.errors import ResourceError, UserError
from core.free_memory import memory_for
from core.models import Classifier
from core.ray_cluster import connect, first_line
from core.workers import Part, Task, parts_of

_MOST_WORKERS = 8
_MOST_THREADS = 4  # of a worker: more of them make a batch of one picture hardly faster
_STARTING_SECONDS = 600  # until the workers have loaded torch
_SILENCE_SECONDS = 120  # for one part, or for loading a model
_LOSSES = 4  # of workers, during one map
_log = logging.getLogger(__name__)


class _LostWorkError(Exception):
    """It was begun by a worker that is lost; this one took its place."""


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, threads: int, own_models: Path | None) -> None:
        torch.set_num_threads(threads)
        models.use_folder(own_models)
        self._classifiers: BoundedCache[Classifier] = BoundedCache(2)
        self._doing: dict[int, Generator[Part, None, None]] = {}

    def ready(self) -> None:
        """Answer once this process is there."""

    def begin(self, number: int, task: Task) -> None:
        with memory_for("This model"):
            classifier = self._classifiers.get_or_make(
                (task.model, task.device), lambda: models.load(task.model, task.device)
            )
        self._doing[number] = parts_of(task, classifier)

    def advance(self, number: int) -> Part | None:
        """The next part; None after the last one."""
        if number not in self._doing:
            raise _LostWorkError
        with memory_for("This map"):
            return next(self._doing[number], None)

    def leave(self, number: int) -> None:
        doing = self._doing.pop(number, None)
        if doing is not None:
            doing.close()


class RayWorkers:
    """Workers on a Ray cluster, joined when they are first asked for; see `core.workers.Workers`.

    Safe to share between threads.
    """

    def __init__(self, address: str) -> None:
        """Name the cluster, as for `core.ray_cluster.connect`; nothing is joined yet."""
        self._address = address
        self._lock = threading.Lock()
        self._alone = threading.Lock()  # a process belongs to one cluster at a time
        self._joined: Future[list[Any]] | None = None
        self._leaving = threading.Event()
        self._busy: Counter[Any] = Counter()
        self._numbers = count()

    @property
    def places(self) -> int:
        """How many maps are computed at a time: 0 while the cluster is being joined.

        And 1 where it cannot be joined: that computation says why.
        """
        joined = self._join()
        if not joined.done():
            return 0
        return 1 if joined.exception() else len(joined.result())

    def parts(self, task: Callable[[], Task]) -> Generator[Part, None, None]:
        """Compute a map part by part, on the worker that has least to do.

        Raises:
            ResourceError: the cluster cannot be joined or does not answer, or workers were lost
                again and again.
            UserError: a worker's own.
        """
        for _ in range(_LOSSES + 1):
            joined = self._join()
            try:
                actor = self._least_busy(joined.result(_STARTING_SECONDS))
                yield from self._on(actor, task())
            except UserError:
                self._forget(joined, only_if_failed=True)
                raise
            except RayActorError as error:
                _log.warning("a worker was lost: %s", first_line(error))
            except RayTaskError as error:
                if isinstance(error.cause, UserError):
                    raise error.cause from None
                if not isinstance(error.cause, _LostWorkError):
                    raise
            except (RayError, GetTimeoutError, TimeoutError) as error:
                self._forget(joined)
                raise ResourceError(
                    f"The cluster at {self._address} does not answer any more "
                    f"({first_line(error).rstrip('.')}): see to it, then move any control to try "
                    "again."
                ) from error
            else:
                return
        raise ResourceError(
            f"{_LOSSES + 1} workers were lost with this map: look into Ray's log, or choose a "
            "smaller model."
        )

    def leave(self) -> None:
        """Leave the cluster; one that was started for this is ended."""
        joined = self._joined
        if joined is not None:
            self._forget(joined)
            with self._alone:  # until it is left
                pass

    def _on(self, actor: Any, task: Task) -> Generator[Part, None, None]:
        number = next(self._numbers)
        with self._lock:
            self._busy[actor] += 1
        try:
            _answer(actor.begin.remote(number, task))
            while (part := _answer(actor.advance.remote(number))) is not None:
                yield part
        finally:
            with self._lock:
                self._busy[actor] -= 1
            with suppress(RayError):
                actor.leave.remote(number)

    def _least_busy(self, actors: list[Any]) -> Any:
        with self._lock:
            return min(actors, key=lambda actor: self._busy[actor])

    def _join(self) -> Future[list[Any]]:
        """Begin to join the cluster, unless that was done."""
        with self._lock:
            if self._joined is None:
                self._joined, self._leaving = Future(), threading.Event()
                threading.Thread(
                    target=self._stay, args=(self._joined, self._leaving), daemon=True, name="ray"
                ).start()
            return self._joined

    def _forget(self, joined: Future[list[Any]], only_if_failed: bool = False) -> None:
        """Join anew when it is asked for next."""
        if only_if_failed and (not joined.done() or joined.exception() is None):
            return
        with self._lock:
            if self._joined is joined:
                self._leaving.set()
                self._joined = None
                self._busy.clear()

    def _stay(self, joined: Future[list[Any]], leaving: threading.Event) -> None:
        """Join the cluster and stay: on Linux, Ray's processes end with the thread that began them.

        The page's own threads do not live long enough for that.
        """
        with self._alone:
            try:
                # By itself Ray ends this whole process when the cluster is silent for a minute.
                os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(365 * 86400))
                connect(self._address, os.cpu_count() or 1)
                joined.set_result(_hired(self._address))
                leaving.wait()
            except Exception as error:  # noqa: BLE001 - told to whoever waits for it
                if not isinstance(error, UserError):
                    error = ResourceError(
                        f"The cluster at {self._address} gives no workers "
                        f"({first_line(error).rstrip('.')}): see to it, then move any control to "
                        "try again."
                    )
                joined.set_exception(error)
            finally:
                ray.shutdown()


def _hired(address: str) -> list[Any]:
    """Workers on all machines of the cluster, once they answer."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    gpus = torch.cuda.is_available()
    if not cpus or (gpus and not ray.cluster_resources().get("GPU")):
        what = "GPU, which this machine computes on" if cpus else "CPU"
        raise ResourceError(f"The cluster at {address} has no {what}: add a machine to it.")
    threads = min(_MOST_THREADS, *cpus)
    room = sum(each // threads for each in cpus)
    if gpus:
        room = min(room, int(ray.cluster_resources()["GPU"]))
    actor: Any = ray.remote(num_cpus=threads, num_gpus=int(gpus), max_restarts=-1)(_Actor)
    own = models.own_folder()
    hired = [actor.remote(threads, own) for _ in range(min(_MOST_WORKERS, room))]
    ray.get([each.ready.remote() for each in hired], timeout=_STARTING_SECONDS)
    return hired


def _answer(reference: Any) -> Any:
    return ray.get(reference, timeout=_SILENCE_SECONDS)
