"""How many maps of a table pass each trust check, with the means of its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .results_schema import judged_in

Check = Literal[
    "faithful", "complete", "low_infidelity", "depends_on_weights", "stable_under_noise"
]

CHECK_TITLES: dict[Check, tuple[str, str]] = {
    "faithful": ("Faithful", "deletion and insertion"),
    "complete": ("Complete", "completeness"),
    "low_infidelity": ("Low infidelity", "infidelity"),
    "depends_on_weights": ("Depends on the weights", "weight randomisation"),
    "stable_under_noise": ("Stable under noise", "noise stability"),
}
"""Of the checks, in their order: what a map is that passes, and the measure."""

_NUMBERS: dict[Check, tuple[str, ...]] = {
    "faithful": ("deletion", "insertion"),
    "complete": ("gap",),
    "low_infidelity": ("explained", "explained_by_size"),
    "depends_on_weights": ("weights",),
    "stable_under_noise": ("noise",),
}


@dataclass(frozen=True)
class CheckCount:
    """What the maps of a method did in a check.

    Attributes:
        passed: maps that pass.
        checked: maps that the check could be made of.
        means: of the columns that hold its numbers, by their measure, over the maps that have one;
            that of ``gap`` without its sign. None if none has.
    """

    passed: int
    checked: int
    means: Mapping[str, float | None]


def count_trust(table: pa.Table) -> dict[str, dict[Check, CheckCount]]:
    """The checks of each method's maps; methods without a judged map are left out.

    Args:
        table: of results; of labels and values each file of maps counts.
    """
    found = {
        method: {check: _count(table, method, check) for check in CHECK_TITLES}
        for method in judged_in(table.column_names)
    }
    return {
        method: checks
        for method, checks in found.items()
        if any(each.checked for each in checks.values())
    }


def fails(table: pa.Table, check: Check) -> pa.ChunkedArray:
    """The rows of which some map fails a check, bool."""
    failed = np.zeros(table.num_rows, bool)
    for method in judged_in(table.column_names):
        verdicts = table[f"{check}_{method}"].combine_chunks()
        rows = pa.array(np.arange(table.num_rows))
        if pa.types.is_list(verdicts.type):
            rows, verdicts = pc.list_parent_indices(verdicts), pc.list_flatten(verdicts)
        failed[rows.filter(pc.invert(verdicts)).to_numpy()] = True
    return pa.chunked_array([failed])


def _count(table: pa.Table, method: str, check: Check) -> CheckCount:
    verdicts = _flat(table[f"{check}_{method}"])
    return CheckCount(
        passed=pc.sum(verdicts).as_py() or 0,
        checked=len(verdicts) - verdicts.null_count,
        means={measure: _mean(table, method, measure) for measure in _NUMBERS[check]},
    )


def _mean(table: pa.Table, method: str, measure: str) -> float | None:
    values = _flat(table[f"{measure}_{method}"])
    values = values.filter(pc.is_finite(values))
    mean: float | None = pc.mean(pc.abs(values) if measure == "gap" else values).as_py()
    return mean


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A value for each file of maps."""
    return pc.list_flatten(column) if pa.types.is_list(column.type) else column
