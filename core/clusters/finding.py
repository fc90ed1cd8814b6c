"""Finds clusters of maps in rows of a table, and describes them.

    steps = find_clusters(Source(results, record, "ig"), rows)
    for step in steps:
        ...
    found = step.found

The score that orders clusters is ``unlike`` × ``success``: how far the mean map of the cluster is
from that of all maps, and how often the model is right there. A way of answering that differs
from the usual one and succeeds comes first: what a shortcut looks like.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SettingError
from ..folders.label_selection import LabelFilters, Role
from ..folders.results_table import ResultsTable
from ..folders.selection import select
from .grids import points_of, unlike
from .places import region_of, words_of
from .proportions import Difference, Share, difference, share
from .reading import Reduced, Source, read_reduced
from .spectral import MOST_CLUSTERS, Grouping, grouping

_LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class ClusterSetting:
    """How maps are clustered.

    Attributes:
        clusters: how many there are to be; None for those that stand out, which may be none.
        seed: of the sample, the surrogates and k-means.
        anywhere: whether maps are the same that differ by a shift alone.
    """

    clusters: int | None = None
    seed: int = 0
    anywhere: bool = False

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: a number is out of its range.
        """
        if self.clusters is not None and not 2 <= self.clusters <= MOST_CLUSTERS:
            raise SettingError(f"Clusters: {self.clusters}; choose between 2 and {MOST_CLUSTERS}.")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise SettingError(f"Seed: {self.seed}; choose between 0 and {_LARGEST_SEED:,}.")


@dataclass(frozen=True, eq=False)
class Cluster:
    """Maps that are alike; or, with the number 0, those that are in no cluster.

    Attributes:
        number: from 1 in the order of the clusters, 0 for the rest.
        rows: uint64 row numbers of the table, that nearest to the middle of the cluster first.
        share: of all maps that were clustered, 0 to 1.
        silhouette: mean, -1 to 1; None for the rest.
        stands_out: whether it is a cluster by the criterion of `core.clusters.spectral`.
        grid: float32 (SIDE, SIDE), the mean of its grids, which sums to 1.
        region: bool (SIDE, SIDE), the smallest set of cells with half of its relevance.
        place: the region in words.
        right: how many of the judged pictures are answered rightly, of labels as to the label that
            is explained; None if none is judged.
        others_right: the same of all other pictures that were clustered.
        gap: the first of these two shares less the second.
        border: mean share of relevance in the outer ring, 0 to 1.
        outside: mean share of relevance outside of the masks, 0 to 1; None without masks.
        unlike: distance of its mean grid from that of all maps, 0 to 1.
        success: the share of right answers; where nothing is judged, the mean probability of the
            class that is named, and 1 of labels and values.
        answers: the classes that the model names for its pictures, with their counts, the most
            frequent first; empty for labels and values.
    """

    number: int
    rows: np.ndarray
    share: float
    silhouette: float | None
    stands_out: bool
    grid: np.ndarray
    region: np.ndarray
    place: str
    right: Share | None
    others_right: Share | None
    gap: Difference | None
    border: float
    outside: float | None
    unlike: float
    success: float
    answers: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """How many maps."""
        return len(self.rows)

    @property
    def name(self) -> str:
        """What it is called: "Cluster 1", or "The rest"."""
        return f"Cluster {self.number}" if self.number else "The rest"

    @property
    def score(self) -> float:
        """``unlike`` × ``success``, 0 to 1."""
        return self.unlike * self.success

    @property
    def nearest(self) -> pa.Array:
        """Row numbers of the nine pictures nearest to its middle, or of all if there are fewer."""
        return pa.array(self.rows[:9])


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of some rows' maps.

    Attributes:
        source: where the maps come from.
        setting: how they were clustered.
        clusters: that with the highest score first; none if nothing stands out.
        rest: the maps in no cluster; None if all are in one.
        maps: how many maps were clustered.
        rows: how many rows were asked for.
        units: of the maps.
        chance: the silhouette that the best cluster of surrogate data does not reach in 95 % of
            them; NaN if there were too few maps to look for clusters, or all were equal.
        unreadable: maps that could not be read.
        empty: maps without relevance.
        copies: maps of pictures that are copies of others, which count once.
        unmasked: maps whose pictures have no mask that fits; 0 where no masks were given.
        replaced: paths of pictures that were to be compared with their masks, and whose files
            changed since the run.
    """

    source: Source
    setting: ClusterSetting
    clusters: tuple[Cluster, ...]
    rest: Cluster | None
    maps: int
    rows: int
    units: str
    chance: float
    unreadable: int
    empty: int
    copies: int
    unmasked: int
    replaced: tuple[str, ...]

    @property
    def groups(self) -> tuple[Cluster, ...]:
        """The clusters, and then the rest if there is one."""
        return self.clusters if self.rest is None else (*self.clusters, self.rest)


@dataclass(frozen=True)
class ClusterStep:
    """A point on the way: ``done`` of ``total``, of ``what``; ``found`` is there at last."""

    what: str
    done: int
    total: int
    found: Clusters | None = None


def find_clusters(
    source: Source, rows: pa.Array, setting: ClusterSetting | None = None
) -> Generator[ClusterStep, None, None]:
    """Cluster the maps of rows; the last step has the result.

    Args:
        source: which maps, of one method.
        rows: row numbers, uint64.
        setting: how; by default, those that stand out.
    """
    setting = setting or ClusterSetting()
    steps = read_reduced(source, rows)
    while True:
        try:
            yield ClusterStep("maps read", *next(steps))
        except StopIteration as end:
            reduced: Reduced = end.value
            break
    parts = grouping(points_of(reduced.grids, setting.anywhere), setting.clusters, setting.seed)
    while True:
        try:
            yield ClusterStep("surrogates clustered", *next(parts))
        except StopIteration as end:
            groups: Grouping = end.value
            break
    found = _described(source, setting, reduced, groups, len(rows))
    yield ClusterStep("surrogates clustered", 1, 1, found)


def with_column(results: ResultsTable, found: Clusters) -> pa.Table:
    """The table with a column ``cluster``: int32.

    It holds the number of the cluster, 0 for maps in none, and null for rows that were not
    clustered.
    """
    numbers = np.zeros(results.table.num_rows, np.int32)
    known = np.zeros(results.table.num_rows, bool)
    for cluster in found.groups:
        numbers[cluster.rows] = cluster.number
        known[cluster.rows] = True
    return results.table.append_column("cluster", pa.array(numbers, mask=~known))


def _described(
    source: Source, setting: ClusterSetting, reduced: Reduced, groups: Grouping, rows: int
) -> Clusters:
    facts = _Facts(source, reduced, groups) if len(reduced.rows) else None
    numbers = range(1, len(groups.silhouettes) + 1)
    described = [facts.cluster(number) for number in numbers] if facts else []
    described.sort(key=lambda each: (-each.score, -each.unlike, -each.size))
    masked = source.masks is not None
    unmasked = int(np.isnan(reduced.outside).sum()) - len(reduced.replaced) if masked else 0
    clusters = tuple(replace(each, number=place) for place, each in enumerate(described, 1))
    rest = facts.cluster(0) if facts and (groups.labels == 0).any() else None
    return Clusters(
        source=source,
        setting=setting,
        clusters=clusters,
        rest=rest,
        maps=len(reduced.rows),
        rows=rows,
        units=reduced.units,
        chance=groups.chance,
        unreadable=reduced.unreadable,
        empty=reduced.empty,
        copies=reduced.copies,
        unmasked=unmasked,
        replaced=reduced.replaced,
    )


class _Facts:
    """What is said of groups of rows."""

    def __init__(self, source: Source, reduced: Reduced, groups: Grouping) -> None:
        results = source.results
        self.reduced, self.groups, self.kind = reduced, groups, results.kind
        self.usual = reduced.grids.mean(0, dtype=np.float64)
        self.table = results.table.take(pa.array(reduced.rows))
        self.correct = self._correct(source)

    def cluster(self, number: int) -> Cluster:
        groups, reduced = self.groups, self.reduced
        mine = groups.labels == number
        grid = reduced.grids[mine].mean(0, dtype=np.float64).astype(np.float32)
        right, others_right = self._right(mine), self._right(~mine)
        region = region_of(grid)
        outside = reduced.outside[mine]
        masked = outside[~np.isnan(outside)]
        order = np.argsort(groups.distances[mine], kind="stable")
        return Cluster(
            number=number,
            rows=reduced.rows[mine][order],
            share=float(mine.mean()),
            silhouette=groups.silhouettes[number - 1] if number else None,
            stands_out=bool(number) and groups.stands_out[number - 1],
            grid=grid,
            region=region,
            place=words_of(region),
            right=right,
            others_right=others_right,
            gap=difference(right, others_right),
            border=float(np.nanmean(reduced.border[mine])),
            outside=float(masked.mean()) if len(masked) else None,
            unlike=unlike(grid, self.usual),
            success=self._success(mine, right),
            answers=self._answers(mine),
        )

    def _correct(self, source: Source) -> pa.Array | None:
        """Whether each row is answered rightly, null where that is not known; None for values."""
        if self.kind == "values":
            return None
        correct = self.table["correct"].combine_chunks()
        if self.kind == "classes":
            return correct
        # Of labels that column is about all at once, and a cluster's maps are of one.
        roles: tuple[Role, ...] = ("missed", "false")
        wrong = [
            select(source.results, LabelFilters(label=source.output, role=role)).to_numpy()
            for role in roles
        ]
        right = ~np.isin(self.reduced.rows, np.concatenate(wrong))
        return pa.array(right, mask=correct.is_null().to_numpy(zero_copy_only=False))

    def _right(self, mine: np.ndarray) -> Share | None:
        if self.correct is None:
            return None
        correct = self.correct.filter(pa.array(mine))
        return share(pc.sum(correct).as_py() or 0, len(correct) - correct.null_count)

    def _success(self, mine: np.ndarray, right: Share | None) -> float:
        if right is not None:
            return right.value
        if self.kind != "classes":
            return 1.0
        mean = pc.mean(self.table["probability"].filter(pa.array(mine))).as_py()
        return 0.0 if mean is None else float(mean)

    def _answers(self, mine: np.ndarray) -> tuple[tuple[str, int], ...]:
        if self.kind != "classes":
            return ()
        names = self.table["predicted_name"].filter(pa.array(mine)).drop_null().combine_chunks()
        counted = pc.value_counts(names)
        pairs = [(each["values"].as_py(), each["counts"].as_py()) for each in counted]
        return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
