"""Interrupted computations, kept so that they can be resumed.

A survey keeps its windows. An integral along a path keeps nothing, but its generator, suspended
between two batches, holds the whole state. The generator runs on a thread of its own, where a batch
that has begun is finished, so the caller can leave at any time.
"""

from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

from ..engine.teams import awaited, nothing_ahead
from ..files.cache import BoundedCache
from ..methods.attribution import Step

Steps = Generator[Step, None, None]

_MOST = 32  # computations that may be under way at a time


class _Walk:
    """A computation that is under way.

    Attributes:
        last: its last step.
        broken_off: whether there is more of it.
    """

    def __init__(self, steps: Steps) -> None:
        self.last: Step | None = None
        self._steps = steps
        self._following: Future[Step | None] | None = None

    @property
    def broken_off(self) -> bool:
        if self.last is None:
            return self._following is not None
        return self.last.done < self.last.total

    def step(self, threads: ThreadPoolExecutor) -> Step | None:
        """The next step; None after the last."""
        if self._following is None:
            self._following = threads.submit(next, self._steps, None)
        step = awaited(self._following)
        self._following = None
        self.last = step or self.last
        return step


class Paused:
    """A few broken-off computations, by key; safe to share between threads.

    Whoever goes on with one has it alone: another asking meanwhile begins anew.
    """

    def __init__(self, entries: int) -> None:
        """Begin empty; of more than ``entries`` the least recently used are given up."""
        self._left: BoundedCache[_Walk] = BoundedCache(entries)
        self._threads = ThreadPoolExecutor(_MOST, "paused", nothing_ahead)

    def last(self, key: Hashable) -> Step | None:
        """The step at which a computation was left, if it was."""
        left = self._left.get(key)
        return None if left is None else left.last

    def steps(self, key: Hashable, begin: Callable[[], Steps]) -> Steps:
        """Go on where it was left, with that step once more, or begin.

        Left between two steps, or by `core.engine.teams.heed` before one, it is kept.
        """
        walk = self._left.pop(key) or _Walk(begin())
        try:
            if walk.last is not None:
                yield walk.last
            while (step := walk.step(self._threads)) is not None:
                yield step
        except Exception:  # its own: there is nothing to go on with
            raise
        except BaseException:
            if walk.broken_off:
                self._left.put(key, walk)
            raise
