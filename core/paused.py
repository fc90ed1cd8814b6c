"""Computations that were broken off in the middle, kept so that they go on there.

A survey remembers its windows; a sum along a path has nothing of the kind, but its generator, left
standing between two batches, holds all there is.
"""

from collections.abc import Callable, Generator, Hashable

from core.attribution import Step
from core.cache import BoundedCache

Steps = Generator[Step, None, None]


class Paused:
    """A few broken-off computations, by key; safe to share between threads.

    Whoever goes on with one has it alone: another asking meanwhile begins anew.
    """

    def __init__(self, entries: int) -> None:
        """Begin empty; of more than ``entries`` the least recently used are given up."""
        self._left: BoundedCache[tuple[Step, Steps]] = BoundedCache(entries)

    def last(self, key: Hashable) -> Step | None:
        """The step at which a computation was left, if it was."""
        left = self._left.get(key)
        return None if left is None else left[0]

    def steps(self, key: Hashable, begin: Callable[[], Steps]) -> Steps:
        """Go on where it was left, with that step once more, or begin."""
        last, steps = self._left.pop(key) or (None, begin())
        try:
            if last is not None:
                yield last
            for step in steps:
                last = step
                yield step
        except GeneratorExit:
            if last is not None and last.done < last.total:
                self._left.put(key, (last, steps))
            raise
