"""Which rows' maps are clustered, said by names."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SettingError
from ..folders.label_selection import LabelFilters
from ..folders.results_table import ResultsTable
from ..folders.selection import Filters, select
from ..folders.value_selection import ValueFilters
from ..models.labels import class_named


@dataclass(frozen=True)
class Choice:
    """Rows and what they are.

    Attributes:
        rows: row numbers, uint64.
        output: index of the label or value that the maps are of; None for a table of classes.
        words: what the pictures are, such as "of swan", or "of swan called king penguin".
    """

    rows: pa.Array
    output: int | None
    words: str


def choose_rows(
    results: ResultsTable,
    names: Sequence[str],
    label: str | None = None,
    predicted: str | None = None,
) -> Choice:
    """The rows of a class, of a predicted class, of a confusion, or all of them.

    Args:
        results: the table.
        names: of the model's outputs.
        label: class that the pictures are said to show; of labels and values, the output that the
            maps explain.
        predicted: class that the model names.

    Raises:
        SettingError: there is no such class, or nothing is said of what the pictures show.
    """
    indices = [
        None if name is None else class_named(tuple(names), name) for name in (label, predicted)
    ]
    first, second = indices
    if results.kind == "classes":
        if first is not None and pc.count(results.table["label"]).as_py() == 0:
            raise SettingError(
                "The table does not say what the pictures show: choose a predicted class instead."
            )
        words = "" if first is None else f"of {names[first]}"
        if second is not None:
            words += f" called {names[second]}"
        rows = select(results, Filters(label=first, predicted=second))
        return Choice(rows, None, words.strip())
    if first is None and second is None and len(names) == 1:
        first = 0
    if second is not None or first is None:
        one = "label" if results.kind == "labels" else "value"
        raise SettingError(f"A table of {one}s has maps for each {one}: choose one as the class.")
    if results.kind == "labels":
        return Choice(select(results, LabelFilters(label=first)), first, f"with {names[first]}")
    return Choice(select(results, ValueFilters()), first, f"with {names[first]}")
