"""Shares of small counts, with 95 % confidence intervals.

Wilson's score interval (JASA 1927) for one share, and for the difference of two Newcombe's hybrid
of two of them, for separate pictures (Statistics in Medicine 17, 1998, 873-890, method 10) and for
the same ones (2635-2650, method 10). All hold for small counts and for shares near 0 and 1.
"""

import math
from dataclasses import dataclass

_Z = 1.959963984540054  # the 97.5th percentile of the normal distribution


@dataclass(frozen=True)
class Share:
    """So many of so many.

    Attributes:
        part: how many.
        whole: of how many, at least 1.
    """

    part: int
    whole: int

    @property
    def value(self) -> float:
        """0 to 1."""
        return self.part / self.whole

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval, 0 to 1."""
        squared = _Z**2
        middle = (self.part + squared / 2) / (self.whole + squared)
        spread = self.value * (1 - self.value) * self.whole + squared / 4
        half = _Z * spread**0.5 / (self.whole + squared)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Difference:
    """One share less another, -1 to 1, with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def share(part: int, whole: int) -> Share | None:
    """A share; None of nothing."""
    return Share(part, whole) if whole else None


def difference(first: Share | None, second: Share | None) -> Difference | None:
    """The first less the second; None where one of them is not known."""
    return None if first is None or second is None else _difference(first, second, 0.0)


def paired_difference(first: Share | None, second: Share | None, both: int) -> Difference | None:
    """The first less the second, where both are shares of the same pictures.

    Args:
        first, second: shares of as many; None where one is not known.
        both: how many are counted in both.
    """
    if first is None or second is None:
        return None
    count = first.whole
    neither = count - first.part - second.part + both
    together: float = both * neither - (first.part - both) * (second.part - both)
    if together > 0:
        together = max(together - count / 2, 0.0)
    parts = (first.part, second.part)
    spread = math.prod(part * (count - part) for part in parts) ** 0.5
    return _difference(first, second, together / spread if spread else 0.0)


def _difference(first: Share, second: Share, correlation: float) -> Difference:
    value = first.value - second.value
    (low, high), (other_low, other_high) = first.interval, second.interval
    below = _joined(first.value - low, other_high - second.value, correlation)
    above = _joined(high - first.value, second.value - other_low, correlation)
    return Difference(value, max(-1.0, value - below), min(1.0, value + above))


def _joined(one: float, other: float, correlation: float) -> float:
    """How far a difference may be off, from how far its two parts may be."""
    return max(0.0, one**2 - 2 * correlation * one * other + other**2) ** 0.5
