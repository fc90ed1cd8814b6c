"""Filters and errors of a table of values."""

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SettingError
from .results_table import ResultsTable
from .selection import Show, masks_of
from .trust_means import Check

_BANDS = 8  # at most so many, of a width that is easy to read
ValueOrder = Literal["path", "error", "value"]


@dataclass(frozen=True)
class ValueFilters:
    """What a row must have.

    Attributes:
        show: all rows, or those with an error that left them without a value.
        output: the output whose values and errors count; None for the mean error of all.
        lowest: of the absolute error, included; in the unit of the values.
        highest: of the absolute error, not included; None for no limit. A row without an expected
            value is left out as soon as one of them says something.
        text: part of the path, in any case.
        failed: a trust check that some map of the row fails, or None.
    """

    show: Show = "all"
    output: int | None = None
    lowest: float = 0.0
    highest: float | None = None
    text: str = ""
    failed: Check | None = None
    ORDERS: ClassVar[tuple[str, ...]] = get_args(ValueOrder)

    def masks(self, results: ResultsTable) -> list[pa.ChunkedArray]:
        """What is asked of the rows, each as a mask with null for no."""
        if self.show in ("wrong", "right"):
            raise SettingError("Values are not right or wrong: choose all or error.")
        masks = masks_of(results, self.show, self.text, self.failed)
        if self.lowest > 0:
            masks.append(pc.greater_equal(errors(results, self.output), self.lowest))
        if self.highest is not None:
            masks.append(pc.less(errors(results, self.output), self.highest))
        return masks

    def key(self, results: ResultsTable, order: str) -> pa.ChunkedArray:
        """What rows are ordered by."""
        if order == "error":
            return errors(results, self.output)
        return _listed(results, "value", self.output or 0)


@dataclass(frozen=True)
class Band:
    """Pictures whose absolute error is at least ``low`` and below ``high``, in the unit."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ValueSummary:
    """What some rows say together; errors are absolute, in the unit of the values.

    Attributes:
        pictures: rows.
        judged: those with an expected and a predicted value.
        mean, median, largest: of the errors; None without any.
        bias: mean of value less expected, of one output; None without any, or for all outputs.
        failed: rows with an error that left them without a value.
    """

    pictures: int
    judged: int
    mean: float | None
    median: float | None
    largest: float | None
    bias: float | None
    failed: int


@dataclass(frozen=True)
class ValueCard:
    """A row as a gallery shows it.

    Attributes:
        path: of the picture.
        outputs: of each output the name, the value and what is expected, or None.
        unit: of the values.
        off: the absolute error, mean of the outputs; None if it is not known.
        error: why something is missing.
    """

    path: str
    outputs: tuple[tuple[str, float | None, float | None], ...]
    unit: str
    off: float | None
    error: str | None


def errors(results: ResultsTable, output: int | None) -> pa.ChunkedArray:
    """The absolute error of each row, float64; null where it is not known.

    Args:
        results: a table of values.
        output: index of an output; None for the mean of all.
    """
    if output is None:
        return results.table["absolute_error"]
    value, expected = (_listed(results, name, output) for name in ("value", "expected"))
    return pc.abs(pc.subtract(value, expected))


def _listed(results: ResultsTable, column: str, output: int) -> pa.ChunkedArray:
    values = results.table[column]
    if output >= (pc.max(pc.list_value_length(values)).as_py() or 0):
        return pa.chunked_array([pa.nulls(len(values), pa.float64())])
    return pc.list_element(values, output)


def outputs(results: ResultsTable) -> tuple[str, ...]:
    """The names of the outputs, in order; no two alike."""
    first = results.table["output_name"].drop_null().slice(0, 1).to_pylist()
    names = first[0] if first else []
    return tuple(
        f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names)
    )


def unit(results: ResultsTable) -> str:
    """The unit of the values; empty for pure numbers."""
    found = results.table["unit"].drop_null().slice(0, 1).to_pylist()
    return found[0] if found else ""


def summary(results: ResultsTable, rows: pa.Array, output: int | None) -> ValueSummary:
    """What the rows of these numbers say together."""
    found = errors(results, output).take(rows).drop_null()
    values = np.asarray(found.to_numpy())
    only = 0 if len(outputs(results)) == 1 else output
    bias = None
    if only is not None:
        value, expected = (_listed(results, name, only) for name in ("value", "expected"))
        bias = pc.mean(pc.subtract(value, expected).take(rows)).as_py()
    return ValueSummary(
        pictures=len(rows),
        judged=len(values),
        mean=float(values.mean()) if len(values) else None,
        median=float(np.median(values)) if len(values) else None,
        largest=float(values.max()) if len(values) else None,
        bias=bias,
        failed=len(rows) - results.table["error"].take(rows).null_count,
    )


def bands(results: ResultsTable, output: int | None) -> tuple[Band, ...]:
    """All errors of a table in bands of one width, from 0 to the largest; largest errors first."""
    found = np.asarray(errors(results, output).drop_null().to_numpy())
    most = float(found.max()) if len(found) else 0.0
    width = _round_width(most / _BANDS)
    if not width:
        return ()
    edges = [0.0]
    while edges[-1] <= most:
        edges.append(float(f"{len(edges) * width:.12g}"))
    counted = [
        Band(low, high, int(((low <= found) & (found < high)).sum()))
        for low, high in itertools.pairwise(edges)
    ]
    return tuple(reversed(counted))


def _round_width(least: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not below ``least``."""
    if least <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))


def cards(results: ResultsTable, rows: pa.Array) -> tuple[ValueCard, ...]:
    """A few rows, for a gallery."""
    names = outputs(results)
    return tuple(_card(row, names) for row in results.table.take(rows).to_pylist())


def _card(row: dict[str, Any], names: tuple[str, ...]) -> ValueCard:
    nothing = [None] * len(names)
    listed = zip(names, row["value"] or nothing, row["expected"] or nothing, strict=True)
    return ValueCard(
        path=row["path"],
        outputs=tuple(listed),
        unit=row["unit"] or "",
        off=row["absolute_error"],
        error=row["error"],
    )
