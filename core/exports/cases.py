"""What a summary shows of a table: its worst mistakes, and groups of pictures with mean maps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..drawing.sentences import number
from ..folders import label_selection, selection, value_selection
from ..folders.label_selection import LabelFilters, mistakes
from ..folders.results_table import ResultsTable
from ..folders.selection import Filters
from ..folders.value_selection import ValueFilters
from ..text import plain

CASES = 6
"""Mistakes that are shown."""

_GROUPS = 4  # labels or outputs whose mean maps are shown
_MEAN_OF = 60  # maps in a mean


@dataclass(frozen=True, eq=False)
class Case:
    """Some pictures of a table that belong together.

    Attributes:
        title: what they have in common.
        facts: how many they are, in words.
        rows: all of them, those to be shown first.
        output: index of the label or output whose maps are meant; None in a table of classes.
    """

    title: str
    facts: str
    rows: pa.Array
    output: int | None = None


def worst(results: ResultsTable) -> Iterator[Case]:
    """The most frequent mistakes of a table; of values, the largest errors."""
    yield from {"classes": _pairs, "labels": _mistakes, "values": _errors}[results.kind](results)


def groups(results: ResultsTable) -> Iterator[Case]:
    """Pictures that are explained, in groups whose mean maps say something together."""
    yield from {"classes": _judged, "labels": _by_label, "values": _by_output}[results.kind](
        results
    )


def is_judged(results: ResultsTable) -> bool:
    """Whether anything is expected of a picture that has an answer."""
    column = "absolute_error" if results.kind == "values" else "correct"
    return results.table[column].null_count < results.table.num_rows


def spread(results: ResultsTable, rows: pa.Array, most: int = _MEAN_OF) -> pa.Array:
    """At most so many of the rows that have maps, evenly over their order."""
    having = rows.filter(pc.is_valid(results.table["maps"]).combine_chunks().take(rows))
    if len(having) <= most:
        return having
    chosen = np.linspace(0, len(having) - 1, most).round().astype(np.int64)
    return having.take(pa.array(chosen))


def _pairs(results: ResultsTable) -> Iterator[Case]:
    if not is_judged(results):
        yield from _uncertain(results)
        return
    labels, said = (selection.class_names(results, each) for each in ("label", "predicted"))
    names = labels | said
    for pair in selection.pairs(results)[:CASES]:
        label, predicted = plain(names[pair.label]), plain(names[pair.predicted])
        filters = Filters(label=pair.label, predicted=pair.predicted)
        rows = selection.select(results, filters, "probability", descending=True)
        facts = f"{pair.count:,} of {pair.total:,} pictures of {label}. The most probable first."
        yield Case(f"{label}, called {predicted}", facts, rows)


def _uncertain(results: ResultsTable) -> Iterator[Case]:
    """Without labels nobody knows what is wrong, but the model itself says where it hesitates."""
    rows = selection.select(results, Filters(), "margin")
    margins = results.table["margin"].take(rows)
    known = rows.slice(0, len(margins) - margins.null_count)
    if len(known):
        yield Case("The smallest margins", "The least certain answers of all first.", known)


def _mistakes(results: ResultsTable) -> Iterator[Case]:
    names = label_selection.label_names(results)
    for each in mistakes(label_selection.counts(results))[:CASES]:
        name, of = plain(names[each.label]), f"{each.count:,} of {each.total:,}"
        filters = LabelFilters(label=each.label, role=each.role)
        rows = selection.select(results, filters, "probability", descending=True)
        if each.role == "missed":
            yield Case(f"{name}, missed", f"In {of} pictures with it.", rows, each.label)
        else:
            yield Case(
                f"{name}, a false positive", f"In {of} pictures without it.", rows, each.label
            )


def _errors(results: ResultsTable) -> Iterator[Case]:
    names, unit = value_selection.outputs(results), value_selection.unit(results)
    for output, name in list(enumerate(names))[:_GROUPS]:
        rows = selection.select(results, ValueFilters(output=output), "error", descending=True)
        known = value_selection.errors(results, output).take(rows).drop_null()
        if not len(known):
            continue
        title = "The largest errors" if len(names) == 1 else f"{plain(name)}: the largest errors"
        facts = f"The largest is {number(known[0].as_py())} {plain(unit)}".rstrip()
        yield Case(title, f"{facts}.", rows.slice(0, len(known)), output)


def _judged(results: ResultsTable) -> Iterator[Case]:
    right, wrong = (selection.select(results, Filters(show=each)) for each in ("right", "wrong"))
    if len(right) and len(wrong):
        yield Case("Right answers", _pictures(right), right)
        yield Case("Wrong answers", _pictures(wrong), wrong)
    else:
        yield everything(results)


def everything(results: ResultsTable) -> Case:
    """All pictures of a table of classes."""
    rows = selection.select(results, Filters())
    return Case("All pictures", _pictures(rows), rows)


def _by_label(results: ResultsTable) -> Iterator[Case]:
    names = label_selection.label_names(results)
    listed = results.table["maps_index"].combine_chunks()
    counts = pc.value_counts(pc.list_flatten(listed)).to_pylist()
    often = sorted(counts, key=lambda each: (-each["counts"], each["values"]))[:_GROUPS]
    for label in (each["values"] for each in often):
        # All rows whose file of this label exists, whatever their labels turned out to be.
        held = pc.list_parent_indices(listed).filter(pc.equal(pc.list_flatten(listed), label))
        name = plain(names.get(label, f"label {label}"))
        rows = held.cast(pa.uint64())
        yield Case(name, _pictures(rows), rows, label)


def _by_output(results: ResultsTable) -> Iterator[Case]:
    rows = selection.select(results, ValueFilters())
    names = value_selection.outputs(results)
    for output, name in list(enumerate(names))[:_GROUPS]:
        title = "All pictures" if len(names) == 1 else plain(name)
        yield Case(title, _pictures(rows), rows, output)


def _pictures(rows: pa.Array) -> str:
    return "1 picture." if len(rows) == 1 else f"{len(rows):,} pictures."
