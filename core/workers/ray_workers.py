"""Computes the page's maps and judgements on Ray, on this machine or on many.

Each worker is an actor that keeps the models it has loaded. It computes one part at a time, so that
cancelled work ends with the current part. Ray restarts a lost worker, whose work is resumed from
the parts that have come back.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import ray
import torch
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from ..engine.free_memory import memory_for
from ..errors import ResourceError, UserError
from ..files.cache import BoundedCache
from ..models import registry
from ..models.classifiers import Classifier
from ..models.registry import Offer
from .loading import load_as
from .ray_calls import Joined
from .ray_cluster import connect, first_line
from .tasks import Part, Task, parts_of

_MOST_WORKERS = 8
_MOST_THREADS = 4  # of a worker: more of them make a batch of one picture hardly faster
_STARTING_SECONDS = 600  # until the workers have loaded torch
_SILENCE_SECONDS = 120  # for one part, or for loading a model
_LOSSES = 4  # of workers, during one map
_LOOK_SECONDS = 0.2  # between two looks whether this process still belongs to another cluster
_ALONE = threading.Lock()  # a process belongs to one cluster at a time
_log = logging.getLogger(__name__)


class _LostWorkError(Exception):
    """It was begun by a worker that is lost; this one took its place."""


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        self._classifiers: BoundedCache[Classifier] = BoundedCache(2)
        self._doing: dict[int, Generator[Part, None, None]] = {}

    def ready(self) -> None:
        """Answer once this process is there."""

    def begin(self, number: int, task: Task, offered: Offer) -> None:
        asked = (task.model, task.device, task.weights_sha256)
        with memory_for("This model"):
            classifier = self._classifiers.get_or_make(asked, lambda: load_as(offered, *asked))
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
    """Workers on a Ray cluster, joined when they are first asked for; see `tasks.Workers`.

    Safe to share between threads.
    """

    def __init__(self, address: str) -> None:
        """Name the cluster, as for `core.workers.ray_cluster.connect`; nothing is joined yet."""
        self._address = address
        self._lock = threading.Lock()
        self._joined: Joined | None = None
        self._busy: Counter[Any] = Counter()
        self._numbers = count()

    @property
    def places(self) -> int:
        """How many maps are computed at a time: 0 while the cluster is being joined.

        And 1 where it cannot be joined: that computation says why.
        """
        workers = self._join().workers
        if not workers.done():
            return 0
        return 1 if workers.exception() else len(workers.result())

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
                actor = self._least_busy(joined.workers.result(_STARTING_SECONDS))
                # One that is being restarted, which on a busy machine takes a while, is waited for.
                ready = actor.ready.options(max_task_retries=-1)
                joined.answer(ready.remote, _STARTING_SECONDS)
                yield from self._on(joined, actor, task())
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
            joined.left.wait()

    def _on(self, joined: Joined, actor: Any, task: Task) -> Generator[Part, None, None]:
        number = next(self._numbers)
        with self._lock:
            self._busy[actor] += 1
        try:
            begin = partial(actor.begin.remote, number, task, registry.offer())
            joined.answer(begin, _SILENCE_SECONDS)
            advance = partial(actor.advance.remote, number)
            while (part := joined.answer(advance, _SILENCE_SECONDS)) is not None:
                yield part
        finally:
            with self._lock:
                self._busy[actor] -= 1
            with suppress(RayError):
                joined.tell(partial(actor.leave.remote, number))

    def _least_busy(self, actors: list[Any]) -> Any:
        with self._lock:
            return min(actors, key=lambda actor: self._busy[actor])

    def _join(self) -> Joined:
        """Begin to join the cluster, unless that was done."""
        with self._lock:
            if self._joined is None:
                self._joined = Joined()
                threading.Thread(
                    target=self._stay, args=(self._joined,), daemon=True, name="ray"
                ).start()
            return self._joined

    def _forget(self, joined: Joined, only_if_failed: bool = False) -> None:
        """Join anew when it is asked for next."""
        workers = joined.workers
        if only_if_failed and (not workers.done() or workers.exception() is None):
            return
        with self._lock:
            if self._joined is joined:
                joined.leaving.set()
                self._joined = None
                self._busy.clear()

    def _stay(self, joined: Joined) -> None:
        """Join the cluster and stay: on Linux, Ray's processes end with the thread that began them.

        The page's own threads do not live long enough for that.
        """
        failed: UserError | None = None
        try:
            while not _ALONE.acquire(timeout=_LOOK_SECONDS):
                if joined.leaving.is_set():
                    return
            try:
                failed = self._visit(joined)
            finally:
                _ALONE.release()
        finally:
            if not joined.workers.done():
                words = f"The cluster at {self._address} was left: move any control to try again."
                joined.workers.set_exception(failed or ResourceError(words))
            joined.left.set()

    def _visit(self, joined: Joined) -> UserError | None:
        """Join the cluster, and leave it when that is asked; returns why it gives no workers."""
        try:
            # By itself Ray ends this whole process when the cluster is silent for a minute.
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(365 * 86400))
            connect(self._address, os.cpu_count() or 1)
            joined.workers.set_result(_hired(self._address))
            joined.leaving.wait()
        except UserError as error:
            return error
        except Exception as error:  # noqa: BLE001 - told to whoever waits for it
            return ResourceError(
                f"The cluster at {self._address} gives no workers "
                f"({first_line(error).rstrip('.')}): see to it, then move any control to try again."
            )
        finally:
            joined.leave()
        return None


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
    hired = [actor.remote(threads) for _ in range(min(_MOST_WORKERS, room))]
    ray.get([each.ready.remote() for each in hired], timeout=_STARTING_SECONDS)
    return hired
