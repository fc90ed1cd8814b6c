"""Clusters of maps as cases of a summary."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from ..clusters.finding import Cluster, Clusters, find_clusters
from ..clusters.proportions import Share
from ..clusters.reading import Source, methods_in
from ..drawing.sentences import percent
from ..folders.results_table import ResultsTable
from ..models.catalogue import ModelRecord
from ..text import plain
from .cases import Case, everything, groups, spread
from .titles import method_title

MOST_MAPS = 5000
"""Maps that are clustered; of a larger table, as many evenly over its rows."""

_SHOWN = 6  # clusters


@dataclass(frozen=True, eq=False)
class ClusterCases:
    """The clusters of a table: what was looked for, in a sentence, and what was found."""

    sentence: str
    cases: tuple[Case, ...]


def cluster_cases(
    results: ResultsTable,
    record: ModelRecord,
    show: Callable[[str], object] = lambda _words: None,
) -> ClusterCases | None:
    """Cluster the maps of a table's first method; None if it has no maps.

    Of labels and outputs it is that which most maps are of.

    Args:
        results: the table.
        record: the model that made it.
        show: is told what is done, in words.
    """
    group = everything(results) if results.kind == "classes" else next(groups(results), None)
    if group is None:
        return None
    rows = spread(results, group.rows, MOST_MAPS)
    methods = methods_in(results, record, rows)
    if not methods:
        return None
    found: Clusters | None = None
    source = Source(results, record, methods[0], output=group.output)
    for step in find_clusters(source, rows):
        show(f"clusters: {step.done:,} of {step.total:,} {step.what}")
        found = step.found or found
    if found is None:
        return None
    cases = tuple(_case(each, found) for each in found.clusters[:_SHOWN])
    of = "" if group.output is None else f" of {group.title}"
    return ClusterCases(_sentence(found, f"{method_title(methods[0])}{of}"), cases)


def _sentence(found: Clusters, what: str) -> str:
    maps = f"{found.maps:,} maps ({what})"
    if found.clusters:
        more = len(found.clusters) - _SHOWN
        shown = f"; the first {_SHOWN} are shown" if more > 0 else ""
        return (
            f"Of {maps}, the groups that are more alike than chance has it. Those come first that "
            f"differ most from the others and are right most often{shown}."
        )
    if math.isnan(found.chance):
        return f"{maps}: too few, or all alike, so that no groups were looked for."
    return f"No group of maps stands out of chance among {maps}."


def _case(cluster: Cluster, found: Clusters) -> Case:
    facts = [f"{cluster.size:,} of {found.maps:,} maps ({percent(cluster.share)})"]
    if cluster.right is not None:
        facts.append(f"{_counted(cluster.right)} right here")
    if cluster.others_right is not None:
        facts.append(f"{_counted(cluster.others_right)} elsewhere")
    if cluster.answers:
        name, count = cluster.answers[0]
        facts.append(f"called {plain(name)} most often ({count:,})")
    facts.append(f"{percent(cluster.border)} of the relevance at the border")
    return Case(
        f"Cluster {cluster.number}: {cluster.place}",
        f"{'; '.join(facts)}. The nearest to its middle first.",
        pa.array(cluster.rows),
        found.source.output,
    )


def _counted(share: Share) -> str:
    return f"{share.part:,} of {share.whole:,}"
