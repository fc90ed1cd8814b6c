"""`Line`: a first-come, first-served queue of computations."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POLL_SECONDS = 0.05


class Line:
    """A queue of computations: first come, first served, a few at a time."""

    def __init__(self, places: Callable[[], int] = lambda: 1) -> None:
        """Begin with nobody waiting.

        Args:
            places: says how many are computed at a time now; 0 for none yet.
        """
        self._places = places
        self._tickets: list[object] = []
        self._lock = threading.Lock()

    @contextmanager
    def admitted(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait until there is a place, then hold the place until the block is left.

        Args:
            waiting: called with the number of computations that must end before this one begins,
                about twenty times a second; 0 while there are no places yet. May raise, which
                gives the place up.
        """
        ticket = object()
        with self._lock:
            self._tickets.append(ticket)
        try:
            while (before := self._before(ticket, places := self._places())) or not places:
                waiting(before)
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            with self._lock:
                self._tickets.remove(ticket)

    def _before(self, ticket: object, places: int) -> int:
        with self._lock:
            return max(0, self._tickets.index(ticket) + 1 - places) if places else 0
