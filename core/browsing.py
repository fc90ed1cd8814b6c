"""Which rows of a table of results are wanted, in which order, and what they say together.

All of it works on whole columns, so that 50,000 rows are filtered in a few milliseconds.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import SettingError
from core.results_table import ResultsTable

Show = Literal["all", "wrong", "right", "error"]
SHOWS: tuple[Show, ...] = get_args(Show)
Order = Literal["path", "probability", "margin", "entropy", "loss"]
ORDERS: tuple[Order, ...] = get_args(Order)


@dataclass(frozen=True)
class Filters:
    """What a row must have; a pair of classes is a ``label`` and a ``predicted``.

    Attributes:
        show: all rows; those whose answer is wrong, or right, going by their label; or those with
            an error.
        label: index of the true class, or None for any.
        predicted: index of the predicted class, or None for any.
        lowest, highest: of the predicted class's probability, 0 to 1, both included. A row without
            a prediction is left out as soon as one of them says something.
        text: part of the path, in any case.
    """

    show: Show = "all"
    label: int | None = None
    predicted: int | None = None
    lowest: float = 0.0
    highest: float = 1.0
    text: str = ""


@dataclass(frozen=True)
class Summary:
    """What some rows say together.

    Attributes:
        pictures: rows.
        judged: those with a label and a prediction.
        top1, top5: how many of the judged have their label first, or among the first five.
        errors: rows with an error.
        probability: mean of the predicted classes' probability, 0 to 1; None without a prediction.
    """

    pictures: int
    judged: int
    top1: int
    top5: int
    errors: int
    probability: float | None

    @property
    def wrong(self) -> int:
        """How many of the judged have another class first than their label."""
        return self.judged - self.top1


@dataclass(frozen=True)
class Pair:
    """A mistake: ``count`` of the ``total`` pictures of a class that were judged."""

    label: int
    predicted: int
    count: int
    total: int


@dataclass(frozen=True)
class Card:
    """A row as a gallery shows it."""

    path: str
    label: str | None
    predicted: str | None
    probability: float | None
    correct: bool | None
    error: str | None


def select(
    results: ResultsTable, filters: Filters, order: Order = "path", descending: bool = False
) -> pa.Array:
    """The rows that are wanted, uint64 row numbers in the order that is wanted.

    Rows that have nothing to be ordered by come last; equal ones are in the order of their paths.

    Raises:
        SettingError: there is no such filter or order.
    """
    if filters.show not in SHOWS or order not in ORDERS:
        raise SettingError(
            f"There is no filter {filters.show} or order {order}: choose of {', '.join(SHOWS)} and "
            f"of {', '.join(ORDERS)}."
        )
    table, wanted = results.table, _wanted(results, filters)
    rows = (
        pa.array(np.arange(table.num_rows, dtype=np.uint64)) if wanted is None else _where(wanted)
    )
    key = results.index["rank"] if order == "path" else table[order]
    columns = {"key": key.take(rows), "rank": results.index["rank"].take(rows)}
    direction = "descending" if descending else "ascending"
    keys = [("key", direction, "at_end"), ("rank", "ascending", "at_end")]
    return rows.take(pc.sort_indices(pa.table(columns), keys))


def _where(mask: pa.ChunkedArray) -> pa.Array:
    return pc.indices_nonzero(mask.combine_chunks())


def _wanted(results: ResultsTable, filters: Filters) -> pa.ChunkedArray | None:
    """A mask of the rows, null for no; None for all of them."""
    table, masks = results.table, []
    match filters.show:
        case "wrong":
            masks.append(pc.invert(table["correct"]))
        case "right":
            masks.append(table["correct"])
        case "error":
            masks.append(pc.is_valid(table["error"]))
    for name, index in (("label", filters.label), ("predicted", filters.predicted)):
        if index is not None:
            masks.append(pc.equal(table[name], index))
    if filters.lowest > 0:
        masks.append(pc.greater_equal(table["probability"], filters.lowest))
    if filters.highest < 1:
        masks.append(pc.less_equal(table["probability"], filters.highest))
    if filters.text:
        part = pc.utf8_lower(pa.scalar(filters.text)).as_py()
        masks.append(pc.match_substring(results.index["lowered"], part))
    if not masks:
        return None
    whole = masks[0]
    for mask in masks[1:]:
        whole = pc.and_(whole, mask)
    return whole


def summary(results: ResultsTable, rows: pa.Array) -> Summary:
    """What the rows of these numbers say together."""
    table = results.table.select(["correct", "error", "probability"]).take(rows)
    in_top5 = results.index["in_top5"].take(rows)
    judged = pc.is_valid(table["correct"])
    return Summary(
        pictures=len(rows),
        judged=pc.sum(judged).as_py() or 0,
        top1=pc.sum(table["correct"]).as_py() or 0,
        top5=pc.sum(pc.and_(judged, in_top5)).as_py() or 0,
        errors=len(rows) - table["error"].null_count,
        probability=pc.mean(table["probability"]).as_py(),
    )


def pairs(results: ResultsTable) -> tuple[Pair, ...]:
    """All mistakes of a table, the most frequent first, then by their share, then by index."""
    judged = results.table.select(["label", "predicted", "correct"])
    judged = judged.filter(pc.is_valid(judged["correct"]))
    totals = judged.group_by("label").aggregate([([], "count_all")])
    wrong = judged.filter(pc.invert(judged["correct"])).group_by(["label", "predicted"])
    counted = wrong.aggregate([([], "count_all")]).drop_null()
    total = dict(zip(totals["label"].to_pylist(), totals["count_all"].to_pylist(), strict=True))
    found = [
        Pair(row["label"], row["predicted"], row["count_all"], total[row["label"]])
        for row in counted.to_pylist()
    ]
    return tuple(sorted(found, key=lambda p: (-p.count, -p.count / p.total, p.label, p.predicted)))


def class_names(results: ResultsTable, column: Literal["label", "predicted"]) -> dict[int, str]:
    """What the classes of a column are called, by index; no two alike, sorted by name."""
    table = results.table.select([column, f"{column}_name"])
    named = table.group_by(column).aggregate([(f"{column}_name", "min")])
    rows = zip(named[column].to_pylist(), named[f"{column}_name_min"].to_pylist(), strict=True)
    names = {index: name or f"class {index}" for index, name in rows if index is not None}
    known = _all_names(results)
    return dict(sorted(((i, known[i]) for i in names), key=lambda item: (item[1].lower(), item[0])))


def _all_names(results: ResultsTable) -> dict[int, str]:
    """Names of labels and predictions by index, with the index where a name occurs twice."""
    names: dict[int, str] = {}
    for column in ("label", "predicted"):
        table = results.table.select([column, f"{column}_name"])
        found = table.group_by(column).aggregate([(f"{column}_name", "min")])
        for index, name in zip(*(each.to_pylist() for each in found.columns), strict=True):
            if index is not None and (name or index not in names):
                names[index] = name or f"class {index}"
    seen: dict[str, int] = {}
    for name in names.values():
        seen[name] = seen.get(name, 0) + 1
    return {i: f"{name} ({i})" if seen[name] > 1 else name for i, name in names.items()}


def cards(results: ResultsTable, rows: pa.Array) -> tuple[Card, ...]:
    """A few rows, for a gallery."""
    columns = ["path", "label_name", "predicted_name", "probability", "correct", "error"]
    found = results.table.select(columns).take(rows)
    return tuple(
        Card(*values) for values in zip(*(each.to_pylist() for each in found.columns), strict=True)
    )


def card_of(results: ResultsTable, path: str) -> Card | None:
    """The first row with a path, or None."""
    row = pc.index(results.table["path"], path).as_py()
    return None if row < 0 else cards(results, pa.array([row], pa.uint64()))[0]
