"""Sentences on clusters of maps, for terminal, page and summary."""

import math

from ..folders.run_pictures import replaced_words
from ..methods.baselines import PICTURE
from ..text import counted
from .covering import MOST, Covered
from .finding import Cluster, Clusters
from .proportions import Difference, Share
from .spectral import LEAST_POINTS, LEAST_SILHOUETTE


def headline(found: Clusters) -> str:
    """How many clusters there are, in one sentence."""
    count, maps = len(found.clusters), counted(found.maps, "map")
    if count and found.setting.clusters is None:
        verb = "cluster stands" if count == 1 else "clusters stand"
        return f"{count} {verb} out among {maps}."
    if count:
        apart = counted(sum(each.stands_out for each in found.clusters), "stands", "stand")
        return f"{maps} in {counted(count, 'cluster')} as asked, of which {apart} out."
    if not found.maps:
        return "None of these pictures has a map of this method that can be read."
    if found.maps < LEAST_POINTS:
        few = counted(found.maps, "map is", "maps are")
        return f"{few} too few to look for clusters: {LEAST_POINTS} are needed."
    return f"No cluster stands out among {maps}: nothing is claimed."


def notes(found: Clusters) -> list[str]:
    """What is missing, and what a cluster had to reach, as sentences."""
    said = []
    missing = found.rows - found.maps - found.unreadable - found.empty - found.copies
    for count, words in (
        (missing, "without a map"),
        (found.unreadable, "whose maps could not be read"),
        (found.empty, "whose maps have no relevance of this sign"),
        (found.copies, "with the bytes and the map of another"),
    ):
        if count > 0:
            said.append(f"{counted(count, 'picture')} {words}: left out.")
    if found.unmasked:
        said.append(
            f"{counted(found.unmasked, 'picture')} of {found.maps:,} without a mask of the "
            "photo's size: not counted in the share outside of the masks."
        )
    if found.replaced:
        none = "not counted in the share outside of the masks"
        said.append(replaced_words(found.replaced, (none, none)))
    if not math.isnan(found.chance):
        said.append(
            f"A cluster stands out with a silhouette of at least {LEAST_SILHOUETTE}, above that "
            f"of surrogate data without clusters, {found.chance:.2f}, and a valley around it."
        )
    return said


def facts(cluster: Cluster, maps: int) -> list[str]:
    """What is to be said of a cluster, each a part of a line."""
    said = [f"{cluster.size:,} of {counted(maps, 'map')} ({percent(cluster.share)})"]
    if cluster.silhouette is not None:
        doubt = "" if cluster.stands_out else ", does not stand out"
        said.append(f"silhouette {cluster.silhouette:.2f}{doubt}")
    said.append(f"{percent(cluster.border)} of the relevance at the border")
    if cluster.outside is not None:
        said.append(f"{percent(cluster.outside)} outside of the mask")
    said.append(f"{cluster.unlike:.2f} unlike all maps (0 to 1)")
    return said


def accuracy(cluster: Cluster) -> str:
    """How often the model is right in a cluster, and elsewhere; empty where it is not known."""
    if cluster.right is None:
        return ""
    said = f"Right in {with_interval(cluster.right)}"
    if cluster.others_right is None or cluster.gap is None:
        return f"{said}."
    return f"{said}, the others in {with_interval(cluster.others_right)}: {_gap(cluster.gap)}."


def covered(found: Covered) -> str:
    """What becomes of the answers without a cluster's region."""
    if found.inside is None:
        return "None of its pictures could be read, so nothing was covered."
    drawn = " drawn pictures" if found.pictures > MOST else ""
    inside = f"{found.inside.part:,} of {found.inside.whole:,}{drawn}"
    one = found.inside.part == 1
    change = "gets another answer" if one else "get another answer"
    if found.answer is not None:
        change = f"{'is' if one else 'are'} no longer called {found.answer}"
    said = f"Without {the(found.place)}, {inside} {change}"
    controls = []
    if found.elsewhere is not None:
        where = "" if found.other_place == found.place else f" ({found.other_place})"
        controls.append(f"{_of(found.elsewhere)} with the same shape covered elsewhere{where}")
    if found.others is not None:
        controls.append(f"{_of(found.others)} other pictures without {the(found.place)}")
    return f"{said}; {', and '.join(controls)}." if controls else f"{said}."


def verdict(found: Covered) -> str:
    """Whether that makes the region a shortcut, in a sentence or two."""
    if found.inside is None or not any(found.gaps):
        return "There is nothing to compare this with, so it says nothing about a shortcut."
    if not found.depends:
        said = "That is no more than can be chance beside the controls: no shortcut is shown."
        if found.anywhere:
            said += " Maps were compared wherever they lie, and what they share may lie elsewhere."
        return said
    here, others = found.gaps
    more = "more than on another place" if here else ""
    if others:
        more += f"{', and ' if here else ''}more than the answers to other pictures do"
    said = f"The answers of this cluster hang on {the(found.place)}: {more}."
    if not here:
        said += " The same shape has no room elsewhere to be compared with."
    return said if others else f"{said} There are no other pictures to compare them with."


def cost(found: Covered) -> str:
    """What covering took, and what it left out."""
    other = found.baseline.startswith(f"{PICTURE}:")
    with_what = "another picture" if other else found.baseline
    said = f"{counted(found.passes, 'pass', 'passes')}, covered with {with_what}."
    if found.unreadable:
        said += f" {counted(found.unreadable, 'picture')} could not be read: left out."
    if found.replaced:
        said += f" {replaced_words(found.replaced)}"
    if found.otherwise:
        said += f" {counted(found.otherwise, 'picture')} had another answer in the table."
    return said


def the(place: str) -> str:
    """A place inside a sentence."""
    return "these parts" if place == "several parts" else f"the {place}"


def percent(share: float) -> str:
    """A share, 0 to 1, such as "33 %"."""
    return f"{100 * share:.0f} %"


def with_interval(found: Share) -> str:
    """A count with its confidence interval."""
    low, high = found.interval
    return (
        f"{_of(found)} ({percent(found.value)}, 95 % interval {100 * low:.0f} to {percent(high)})"
    )


def _gap(gap: Difference) -> str:
    low, value, high = (
        f"{round(100 * each):+d}".replace("-", "−").replace("+0", "0")
        for each in (gap.low, gap.value, gap.high)
    )
    return f"a difference of {value} points ({low} to {high})"


def _of(found: Share) -> str:
    return f"{found.part:,} of {found.whole:,}"
