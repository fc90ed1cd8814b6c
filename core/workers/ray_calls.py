"""Calls to Ray's workers that are safe beside the thread that leaves their cluster.

Ray ends the whole process, without an exception, where a thread calls it, or drops the last
reference to an answer, while another thread is in ``ray.shutdown()``. So that waits for the calls,
and references that failed calls leave in their tracebacks are kept.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from time import monotonic
from typing import Any

import ray
from ray.exceptions import RayError

_MOST_KEPT = 1000  # references; the tracebacks of older ones are gone
_LEFT_SENTENCE = "it was left"
_left: list[Any] = []
"""References and handles of clusters that were left. They may not be dropped while another one is
left, and somebody's traceback may hold them too; so they stay."""


class Joined:
    """A cluster that is being joined, is joined, or was left.

    Attributes:
        workers: the handles of its workers, or why there are none.
        leaving: set when it is to be left.
        left: set when it was.
    """

    def __init__(self) -> None:
        """Nothing is called yet."""
        self.workers: Future[list[Any]] = Future()
        self.leaving, self.left = threading.Event(), threading.Event()
        self._change = threading.Condition()
        self._open, self._calls = True, 0
        self._kept: dict[int, Any] = {}

    def answer(self, call: Callable[[], Any], seconds: float) -> Any:
        """What a worker answers.

        Args:
            call: calls it, and returns Ray's reference to the answer.
            seconds: to wait at most.

        Raises:
            RayError: it cannot answer, or the cluster was left; `GetTimeoutError` after
                ``seconds``, and `RayTaskError` for an error of its own.
        """
        end = monotonic() + seconds
        with self._call():
            reference = call()
            key = id(reference)
            self._keep(key, reference)
            while not ray.wait([reference], timeout=min(1, max(0, end - monotonic())))[0]:
                if not self._open:
                    raise RayError(_LEFT_SENTENCE)
                if monotonic() >= end:
                    break
            found = ray.get(reference, timeout=max(1, end - monotonic()))
            self._kept.pop(key, None)
            del reference
            return found

    def _keep(self, key: int, reference: Any) -> None:
        with self._change:
            self._kept[key] = reference
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]

    def tell(self, call: Callable[[], Any]) -> None:
        """Call a worker, and do not wait for it.

        Raises:
            RayError: the cluster was left.
        """
        with self._call():
            call()

    def leave(self) -> None:
        """Leave the cluster, once the calls that are under way have ended."""
        with self._change:
            self._open = False
            self._change.wait_for(lambda: not self._calls)
        ray.shutdown()
        _left.append((self._kept, self.workers))

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._change:
            if not self._open:
                raise RayError(_LEFT_SENTENCE)
            self._calls += 1
        try:
            yield
        finally:
            with self._change:
                self._calls -= 1
                self._change.notify_all()
