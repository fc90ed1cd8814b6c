"""Filters and counts of a table of independent labels: which are found, missed, or wrongly said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SettingError
from .results_table import ResultsTable
from .selection import Show, masks_of, within
from .trust_means import Check

Role = Literal["any", "found", "missed", "false"]
ROLES: tuple[Role, ...] = get_args(Role)
LabelOrder = Literal["path", "probability", "margin", "loss"]


@dataclass(frozen=True)
class LabelFilters:
    """What a row must have.

    Attributes:
        show: all rows; those whose labels are wrong, or exactly right; or those with an error.
        label: index of a label, or None for any.
        role: what the label is in the row: expected or held (``any``); both (``found``); expected
            only (``missed``, a false negative); held only (``false``, a false positive). Without an
            expectation a label is nothing but held.
        lowest, highest: of the most probable label's probability, 0 to 1, both included.
        text: part of the path, in any case.
        failed: a trust check that some map of the row fails, or None.
    """

    show: Show = "all"
    label: int | None = None
    role: Role = "any"
    lowest: float = 0.0
    highest: float = 1.0
    text: str = ""
    failed: Check | None = None
    ORDERS: ClassVar[tuple[str, ...]] = get_args(LabelOrder)

    def masks(self, results: ResultsTable) -> list[pa.ChunkedArray]:
        """What is asked of the rows, each as a mask with null for no."""
        if self.role not in ROLES:
            raise SettingError(f"There is no role {self.role}: choose one of {', '.join(ROLES)}.")
        table = results.table
        masks = masks_of(results, self.show, self.text, self.failed)
        masks += within(table, self.lowest, self.highest)
        if self.label is not None:
            masks.append(_of_label(table, self.label, self.role))
        elif self.role != "any":
            masks.append(_of_any(table, self.role))
        return masks

    def key(self, results: ResultsTable, order: str) -> pa.ChunkedArray:
        """What rows are ordered by."""
        return results.table[order]


class _Counts:
    """Labels found, missed and wrongly said: of one label, or of all together (micro average)."""

    found: int
    missed: int
    false: int

    @property
    def precision(self) -> float | None:
        """The share of the labels said that are expected; None if none is said."""
        return _share(self.found, self.false)

    @property
    def recall(self) -> float | None:
        """The share of the expected labels that are said; None if none is expected."""
        return _share(self.found, self.missed)


@dataclass(frozen=True)
class LabelSummary(_Counts):
    """What some rows say together.

    Attributes:
        pictures: rows.
        judged: those with expected labels and a prediction.
        right: of these, those of which exactly the expected labels hold.
        found, missed, false: labels of the judged, as `LabelFilters.role` counts them.
        errors: rows with an error.
    """

    pictures: int
    judged: int
    right: int
    found: int
    missed: int
    false: int
    errors: int

    @property
    def wrong(self) -> int:
        """How many of the judged miss a label, or have one that is not expected."""
        return self.judged - self.right


@dataclass(frozen=True)
class LabelCount(_Counts):
    """How often a label is found, missed, wrongly said, and rightly not said, of judged rows.

    These are true positives, false negatives, false positives and true negatives.
    """

    label: int
    found: int
    missed: int
    false: int
    absent: int


@dataclass(frozen=True)
class LabelMistake:
    """A label missed in ``count`` of ``total`` pictures with it, or said of so many without it."""

    label: int
    role: Literal["missed", "false"]
    count: int
    total: int


@dataclass(frozen=True)
class LabelCard:
    """A row as a gallery shows it; labels by name, with their probability where it is known.

    Attributes:
        path: of the picture.
        expected: None if nothing is said.
        held: most probable first; None without a prediction.
        predicted: the most probable label, whether it holds or not.
        correct: whether both are the same; None if it is not known.
        error: why something is missing.
    """

    path: str
    expected: tuple[tuple[str, float | None], ...] | None
    held: tuple[tuple[str, float | None], ...] | None
    predicted: tuple[str, float | None] | None
    correct: bool | None
    error: str | None

    @property
    def missed(self) -> tuple[tuple[str, float | None], ...]:
        """Expected labels that do not hold."""
        if self.expected is None or self.held is None:
            return ()
        names = {name for name, _ in self.held}
        return tuple(each for each in self.expected if each[0] not in names)

    @property
    def false(self) -> tuple[str, ...]:
        """Names of labels that hold and are not expected."""
        if self.expected is None or self.held is None:
            return ()
        names = {name for name, _ in self.expected}
        return tuple(name for name, _ in self.held if name not in names)


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def _has(table: pa.Table, column: str, label: int) -> pa.Array:
    """Whether the lists of a column hold a label; false where there is no list."""
    lists = table[column].combine_chunks()
    rows = pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), label))
    found = np.zeros(table.num_rows, bool)
    found[rows.to_numpy()] = True
    return pa.array(found)


def _of_label(table: pa.Table, label: int, role: Role) -> pa.ChunkedArray:
    expected, held = _has(table, "expected_index", label), _has(table, "held_index", label)
    judged = pc.is_valid(table["correct"])
    match role:
        case "any":
            return pa.chunked_array([pc.or_(expected, held)])
        case "found":
            return pc.and_(judged, pc.and_(expected, held))
        case "missed":
            return pc.and_(judged, pc.and_not(expected, held))
        case _:
            return pc.and_(judged, pc.and_not(held, expected))


def _of_any(table: pa.Table, role: Role) -> pa.ChunkedArray:
    match role:
        case "missed":
            return pc.greater(table["missed"], 0)
        case "false":
            return pc.greater(table["false_positives"], 0)
        case _:
            expected = pc.list_value_length(table["expected_index"])
            return pc.greater(pc.subtract(expected, table["missed"]), 0)


def summary(results: ResultsTable, rows: pa.Array) -> LabelSummary:
    """What the rows of these numbers say together."""
    columns = ["correct", "missed", "false_positives", "expected_index", "error"]
    table = results.table.select(columns).take(rows)
    judged = table.filter(pc.is_valid(table["correct"]))
    expected = pc.sum(pc.list_value_length(judged["expected_index"])).as_py() or 0
    missed = pc.sum(judged["missed"]).as_py() or 0
    return LabelSummary(
        pictures=len(rows),
        judged=judged.num_rows,
        right=pc.sum(judged["correct"]).as_py() or 0,
        found=expected - missed,
        missed=missed,
        false=pc.sum(judged["false_positives"]).as_py() or 0,
        errors=len(rows) - table["error"].null_count,
    )


def counts(results: ResultsTable) -> tuple[LabelCount, ...]:
    """Of each label that is expected or held anywhere, in the order of the labels."""
    table = results.table.select(["correct", "expected_index", "held_index"])
    table = table.filter(pc.is_valid(table["correct"])).combine_chunks()
    expected, held = _pairs(table, "expected_index"), _pairs(table, "held_index")
    has, says, both = (_tally(each) for each in (expected, held, expected & held))
    found = []
    for label in sorted({*has, *says}):
        right = both.get(label, 0)
        missed, false = has.get(label, 0) - right, says.get(label, 0) - right
        found.append(
            LabelCount(label, right, missed, false, table.num_rows - right - missed - false)
        )
    return tuple(found)


def _pairs(table: pa.Table, column: str) -> set[tuple[int, int]]:
    """All (row, label) of a column of lists."""
    lists = table[column].combine_chunks()
    rows = pc.list_parent_indices(lists).to_pylist()
    return set(zip(rows, pc.list_flatten(lists).to_pylist(), strict=True))


def _tally(pairs: set[tuple[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for _, label in pairs:
        found[label] = found.get(label, 0) + 1
    return found


def mistakes(counted: Sequence[LabelCount]) -> tuple[LabelMistake, ...]:
    """All mistakes, the most frequent first, then by their share, then by index."""
    found = []
    for each in counted:
        if each.missed:
            found.append(LabelMistake(each.label, "missed", each.missed, each.missed + each.found))
        if each.false:
            found.append(LabelMistake(each.label, "false", each.false, each.false + each.absent))
    return tuple(sorted(found, key=lambda m: (-m.count, -m.count / m.total, m.label, m.role)))


def label_names(results: ResultsTable) -> dict[int, str]:
    """What the labels that occur are called, by index; no two alike, sorted by name."""
    names: dict[int, str] = {}
    for column in ("expected", "held"):
        table = results.table
        indices, texts = (
            pc.list_flatten(table[f"{column}_{part}"]).to_pylist() for part in ("index", "name")
        )
        names |= dict(zip(indices, texts, strict=False))
    seen: dict[str, int] = {}
    for name in names.values():
        seen[name] = seen.get(name, 0) + 1
    told = {i: f"{name} ({i})" if seen[name] > 1 else name for i, name in names.items()}
    return dict(sorted(told.items(), key=lambda item: (item[1].lower(), item[0])))


def cards(results: ResultsTable, rows: pa.Array) -> tuple[LabelCard, ...]:
    """A few rows, for a gallery."""
    return tuple(map(_card, results.table.take(rows).to_pylist()))


def _card(row: dict[str, Any]) -> LabelCard:
    predicted = row["predicted_name"]
    return LabelCard(
        path=row["path"],
        expected=_named(row, "expected"),
        held=_named(row, "held"),
        predicted=None if predicted is None else (predicted, row["probability"]),
        correct=row["correct"],
        error=row["error"],
    )


def _named(row: dict[str, Any], column: str) -> tuple[tuple[str, float | None], ...] | None:
    names = row[f"{column}_name"]
    if names is None:
        return None
    return tuple(zip(names, row[f"{column}_probability"] or [None] * len(names), strict=False))
