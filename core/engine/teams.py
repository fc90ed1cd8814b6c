"""Worker threads for forward passes that can be cancelled between two layers.

A user may move on while a pass through a network runs. So the pass runs on a thread of its own and
checks between two layers whether it is still wanted; the waiting thread checks every few
milliseconds. Batches can therefore have the fastest size.

On a CPU several batches run side by side, each with a single one of torch's threads: threads that
share a batch wait for one another after each layer, and where another program has one of the cores,
they wait for that.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")

_POLL_SECONDS = 0.02


class Left(BaseException):
    """The work is no longer wanted."""


class _Here(threading.local):
    """What is true on one thread."""

    check: Callable[[], None] | None = None
    worker = False
    ahead = 1  # batches that lie ready for each worker, so that none idles while results are drawn


_here = _Here()


def heed() -> None:
    """Go on, if the work is still wanted; called between two layers, or more often.

    Raises:
        BaseException: whatever `heeding` was given raises.
    """
    if _here.check is not None:
        _here.check()


@contextmanager
def heeding(check: Callable[[], None]) -> Iterator[None]:
    """Let ``check`` cancel the work of this thread in the block, by raising an exception."""
    before, _here.check = _here.check, check
    try:
        yield
    finally:
        _here.check = before


def alone(work: Callable[[], Result]) -> Result:
    """Do what all of torch's threads share, one such work at a time, and wait for it.

    Raises:
        BaseException: what the work raises, or `heed`.
    """
    ((_, result),) = side_by_side(lambda _: work(), [None], 1)
    return result


def side_by_side(
    work: Callable[[Part], Result], parts: Iterable[Part], teams: int
) -> Generator[tuple[Part, Result], None, None]:
    """Do the same work with many parts, ``teams`` of them at a time, and yield in their order.

    Closed, or ended by `heed`, it leaves what is being done.

    Args:
        work: gives the result of a part; it runs on another thread.
        parts: are asked for shortly before they are worked on.
        teams: from `teams_for`.

    Raises:
        BaseException: what the work raises, or `heed`.
    """
    if _here.worker:  # it would wait for itself
        yield from ((part, work(part)) for part in parts)
        return
    unwanted = threading.Event()

    def run(part: Part) -> Result:
        with heeding(partial(_leave_if, unwanted)):
            heed()
            return work(part)

    pool, rest = _pool(teams, torch.get_num_threads()), iter(parts)
    pending: deque[tuple[Part, Future[Result]]] = deque()
    try:
        while True:
            for part in itertools.islice(rest, teams * (1 + _here.ahead) - len(pending)):
                pending.append((part, pool.submit(run, part)))
            if not pending:
                return
            part, future = pending[0]
            result = awaited(future)
            pending.popleft()
            yield part, result
    finally:
        unwanted.set()
        for _, future in pending:
            future.cancel()


def teams_for(device: torch.device) -> int:
    """How many batches a device computes best at a time: on a CPU, one for each torch thread."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def nothing_ahead() -> None:
    """Begin no batch before its turn for this thread, which may be left while others come."""
    _here.ahead = 0


def awaited(future: Future[Result]) -> Result:
    """The result of work that goes on if this thread leaves it.

    Raises:
        BaseException: what the work raises, or `heed`.
    """
    while wait([future], _POLL_SECONDS).not_done:
        heed()
    return future.result()


def _leave_if(unwanted: threading.Event) -> None:
    if unwanted.is_set():
        raise Left


@cache
def _pool(count: int, threads: int) -> ThreadPoolExecutor:
    """So many workers; one has all of torch's threads, several have one each."""
    return ThreadPoolExecutor(count, "team", partial(_begin, count, threads))


def _begin(count: int, threads: int) -> None:
    _here.worker = True
    torch.get_num_threads()  # else this thread is new to torch after the next line, too
    torch.set_num_threads(threads if count == 1 else 1)
    # That is also what threads begin with that are new to torch: put it back.
    other = threading.Thread(target=torch.set_num_threads, args=(threads,))
    other.start()
    other.join()
