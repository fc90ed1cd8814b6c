"""Measured times of forward passes on this machine, for forecasts."""

import threading
import time
from collections.abc import Generator, Hashable
from contextlib import closing

from ..methods.attribution import Step

_MEMORY = 0.5  # share of the old measurement that is kept when a new one of the same size arrives


class Pace:
    """Seconds per pass, by kind of work; safe to share between threads."""

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self._measured: dict[Hashable, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def note(self, kind: Hashable, passes: int, seconds: float) -> None:
        """Remember that so many passes took so long; recent measurements count for more."""
        if passes <= 0:
            return
        with self._lock:
            old_passes, old_seconds = self._measured.get(kind, (0.0, 0.0))
            self._measured[kind] = (
                _MEMORY * old_passes + passes,
                _MEMORY * old_seconds + seconds,
            )

    def seconds(self, kind: Hashable, passes: int) -> float | None:
        """How long so many passes will take, or None if there is no measurement of this kind."""
        with self._lock:
            measured = self._measured.get(kind)
        return None if measured is None else measured[1] / measured[0] * passes

    def timed(
        self, steps: Generator[Step, None, None], kind: Hashable
    ) -> Generator[Step, None, None]:
        """Pass steps on, noting how long the passes between two of them took."""
        with closing(steps):
            before, started = None, time.perf_counter()
            for step in steps:
                if before is not None:
                    self.note(kind, step.done - before, time.perf_counter() - started)
                yield step
                before, started = step.done, time.perf_counter()
