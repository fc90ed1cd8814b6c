"""Means of where maps lie, of a whole table or class by class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..files.io import open_regular
from ..text import counted
from ..trust.localisation import TOP_K
from .masks import MASK_SHARE, MEASURES
from .missing_masks import missing_masks
from .results_schema import Kind, kind_of_table, located_in

LOCALISATION_TITLES = {
    "pointing": "Pointing game",
    "mass": "Relevance mass",
    "rank": "Relevance rank",
    "top_k": f"Top {TOP_K:,}",
}
"""Of the measures, in their order."""

_CLASS = "class"
_TOLD = 10  # classes, in the lines for a terminal


@dataclass(frozen=True)
class LocalisationMeans:
    """Means of the maps of a class, or of all.

    Attributes:
        name: of the class; None for all maps.
        maps: files of maps that were compared with a mask; a method may lack in some.
        counts: by method, its maps among them.
        mask_share: of the input that the object covers, 0..1.
        measures: by method, each measure's mean over the maps that have it, 0..1; None if none
            has.
    """

    name: str | None
    maps: int
    mask_share: float
    counts: Mapping[str, int]
    measures: Mapping[str, Mapping[str, float | None]]

    @property
    def equal(self) -> bool:
        """Whether each method has a map in every file."""
        return all(count == self.maps for count in self.counts.values())

    @property
    def counted(self) -> str:
        """How many maps the means are of, in words."""
        of_each = " of each method" if len(self.counts) > 1 else ""
        if self.equal:
            return f"{_maps(self.maps)}{of_each}"
        return f"at most {_maps(max(self.counts.values()))}{of_each}"


def mean_localisation(table: pa.Table) -> LocalisationMeans | None:
    """The means of all maps of a table of results that were compared with a mask, if any were."""
    found = _means(_flat(table), located_in(table.column_names), ())
    return found[0] if found else None


def mean_localisation_by_class(table: pa.Table) -> list[LocalisationMeans]:
    """The same for each class: of what a map explains, or of exclusive classes the label.

    Where no label is given, the predicted class stands in its place.

    Returns:
        The class with most maps first.
    """
    found = _means(_flat(table), located_in(table.column_names), (_CLASS,))
    return sorted(found, key=lambda each: (-each.maps, each.name or ""))


def localisation_lines(path: Path) -> list[str]:
    """What to say of the table of a run in a terminal; nothing if no map was compared."""
    with open_regular(path) as opened, pq.ParquetFile(opened) as file:
        names = file.schema_arrow.names
        methods = located_in(names)
        if not methods:
            return []
        own = [f"{measure}_{method}" for method in methods for measure in MEASURES]
        kind = kind_of_table(names)
        columns = [*_naming(kind), "maps", "error", MASK_SHARE, *own]
        table = file.read(columns=columns, use_threads=False)
    whole, missing = mean_localisation(table), missing_masks(table)
    without = [f"{missing} The column error names them."] if missing else []
    if whole is None:
        return ["No map was compared with a mask.", *without]
    classes = mean_localisation_by_class(table)
    lines = [
        f"Localisation: means of {whole.counted}; the object covers "
        f"{_percent(whole.mask_share)} of the input, what a map reaches by chance.",
        *(_words(whole, method) for method in methods),
    ]
    if len(classes) > 1:
        for each in classes[:_TOLD]:
            lines.append(f"{each.name}, {each.counted}, object {_percent(each.mask_share)}")
            lines += [_words(each, method) for method in methods]
        if len(classes) > _TOLD:
            more = counted(len(classes) - _TOLD, "more class is", "more classes are")
            lines.append(f"{more} in the table.")
    return [*lines, *without]


def _naming(kind: Kind) -> tuple[str, ...]:
    """The columns that name what a map is of, and the kind of table."""
    indexed = ("maps_index", "expected_index", "expected_name", "held_index", "held_name")
    return {
        "classes": ("label_name", "predicted_name"),
        "labels": (*indexed, "predicted", "predicted_name"),
        "values": ("maps_index", "output_name", "absolute_error"),
    }[kind]


def _one_each(measured: pa.Array, files: pa.Array) -> pa.Array:
    """A number for each file of maps; NaN where a row has none of a method."""
    if not measured.null_count:
        return pc.list_flatten(measured)
    rows = zip(measured.to_pylist(), files.to_pylist(), strict=True)
    numbers = chain.from_iterable(
        [math.nan] * len(of) if each is None else each for each, of in rows
    )
    return pa.array(numbers, pa.float64())


def _flat(table: pa.Table) -> pa.Table:
    """A row for each file of maps that was compared with a mask: class, share and measures.

    And for each method, whether it has a map in that file: then some measure is known of it.
    """
    methods, kind = located_in(table.column_names), kind_of_table(table.column_names)
    names = [f"{measure}_{method}" for method in methods for measure in MEASURES]
    if not methods:
        return pa.table({})
    table = table.filter(pc.and_(table[MASK_SHARE].is_valid(), table["maps"].is_valid()))
    if kind == "classes":
        named = pc.coalesce(table["label_name"], table["predicted_name"])
        columns = [named, table[MASK_SHARE], *(table[name] for name in names)]
    else:
        table = table.combine_chunks()
        rows = pc.list_parent_indices(table["maps_index"])
        columns = [
            _names(table, kind),
            table[MASK_SHARE].take(rows),
            *(_one_each(table[name], table["maps_index"]) for name in names),
        ]
    columns[2:] = [
        pc.if_else(pc.is_nan(each), pa.nulls(1, pa.float64())[0], each) for each in columns[2:]
    ]
    flat = pa.table(columns, names=[_CLASS, MASK_SHARE, *names])
    for method in methods:
        known = [pc.is_valid(flat[f"{measure}_{method}"]) for measure in MEASURES]
        flat = flat.append_column(method, pc.cast(reduce(pc.or_, known), pa.int64()))
    return flat


def _names(table: pa.Table, kind: Kind) -> pa.Array:
    """What each file of maps is of, by the names that the rows give to their outputs."""
    indices = pc.list_flatten(table["maps_index"]).to_pylist()
    found: dict[int, str] = {}
    if kind == "values":
        if table.num_rows:  # the names are the same in each row
            found = dict(enumerate(table["output_name"][0].as_py()))
    else:
        for column in ("expected", "held"):
            pairs = (pc.list_flatten(table[f"{column}_{part}"]) for part in ("index", "name"))
            found |= dict(zip(*(each.to_pylist() for each in pairs), strict=True))
        own = (table["predicted"].to_pylist(), table["predicted_name"].to_pylist())
        found |= dict(zip(*own, strict=True))
    return pa.array([found.get(index, str(index)) for index in indices], pa.string())


def _means(flat: pa.Table, methods: Sequence[str], by: Sequence[str]) -> list[LocalisationMeans]:
    """The means of rows of `_flat`, grouped by columns."""
    if not flat.num_rows:
        return []
    wanted = [(MASK_SHARE, "count"), *((method, "sum") for method in methods)]
    wanted += [(name, "mean") for name in flat.column_names[1:] if name not in methods]
    groups = flat.group_by(list(by), use_threads=False).aggregate(wanted).to_pylist()
    return [
        LocalisationMeans(
            group.get(_CLASS),
            group[f"{MASK_SHARE}_count"],
            group[f"{MASK_SHARE}_mean"],
            {method: group[f"{method}_sum"] for method in methods},
            {
                method: {measure: group[f"{measure}_{method}_mean"] for measure in MEASURES}
                for method in methods
            },
        )
        for group in groups
    ]


def _words(means: LocalisationMeans, method: str) -> str:
    """A line on a method, with the number of its maps if not all have as many."""
    count = means.counts[method]
    if not count:
        return f"  {method}, no map"
    numbers = (
        f"{title.lower()} {_percent(means.measures[method][measure])}"
        for measure, title in LOCALISATION_TITLES.items()
    )
    own = "" if means.equal else f", {_maps(count)}"
    return f"  {method}{own}: {', '.join(numbers)}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f} %"


def _maps(count: int) -> str:
    return "1 map" if count == 1 else f"{count:,} maps"
