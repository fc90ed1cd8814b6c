"""Forecasts of the cost of a map: forward passes and seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Forecast:
    """The cost of a map.

    Attributes:
        passes: forward passes that are still to be made, at most.
        seconds: how long they will take on this machine; None before anything like it was measured.
        known: passes that need not be made again.
    """

    passes: int
    seconds: float | None
    known: int = 0
