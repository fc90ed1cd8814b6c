"""The trust measures of a folder's maps as cells of its table: a group of them for each map."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ..trust.badges import adds_up, badges
from ..trust.judgement import Judgement
from .results_schema import TRUST_MEASURES


def numbers_of(judgement: Judgement) -> dict[str, float | int | None]:
    """The numbers and verdicts of a judgement, by measure."""
    taken = [badge for badge in badges(judgement) if badge.taken]
    curves = [each for each in judgement.curves or () if each.ordered]
    ahead = {each.direction: each.advantage for each in curves}
    made, sums = judgement.attribution, judgement.infidelity
    random, noise = judgement.randomisation, judgement.sensitivity
    if random is not None and not random.stages:
        random = None
    return {
        "passed": sum(badge.good is True for badge in taken),
        "checks": len(taken),
        "faithful": all(each.better and each.beats_centre for each in curves) if curves else None,
        "deletion": ahead.get("deletion"),
        "insertion": ahead.get("insertion"),
        "complete": adds_up(made),
        "gap": made.gap / made.change if made.change and made.gap is not None else None,
        "low_infidelity": None if sums is None else sums.better,
        "explained": None if sums is None else sums.explained,
        "explained_by_size": None if sums is None else sums.flat,
        "depends_on_weights": None if random is None else random.changes,
        "weights": None if random is None else random.spearman,
        "stable_under_noise": None if noise is None else noise.steady,
        "noise": None if noise is None else noise.spearman,
    }


def told_in(found: Sequence[Mapping[str, Any]], exclusive: bool) -> dict[str, Any]:
    """The columns of a row.

    Args:
        found: for each file of maps of the row, what its manifest says of them, by name.
        exclusive: whether a row has one file, and a column one number.
    """
    row: dict[str, Any] = {}
    for name in dict.fromkeys(chain(*found)):
        for measure in TRUST_MEASURES:
            values = [maps[name]["trust"][measure] if name in maps else None for maps in found]
            row[f"{measure}_{name}"] = values[0] if exclusive else values
    return row
