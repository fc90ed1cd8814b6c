"""Whose turn it is to compute.

Torch starts as many threads as there are cores for each Python thread that calls it. Two surveys at
once would have twice as many threads as cores and both be slower than in turn, so heavy work takes
`turn` for one batch at a time, and people wait in a `Line` for one another's whole computations.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

turn = threading.Lock()

_POLL_SECONDS = 0.05


class Line:
    """A queue of computations: first come, first served, one at a time."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._tickets: list[object] = []
        self._lock = threading.Lock()

    @contextmanager
    def admitted(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait until nobody is before, then hold the place until the block is left.

        Args:
            waiting: called with the number of computations before this one, about twenty times a
                second. May raise, which gives the place up.
        """
        ticket = object()
        with self._lock:
            self._tickets.append(ticket)
        try:
            while before := self._before(ticket):
                waiting(before)
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            with self._lock:
                self._tickets.remove(ticket)

    def _before(self, ticket: object) -> int:
        with self._lock:
            return self._tickets.index(ticket)
