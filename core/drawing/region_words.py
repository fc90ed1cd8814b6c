"""Sentences about the regions that are enough for an answer, or whose covering changes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..methods.attribution import Attribution
from .sentences import percent


def regions_words(attribution: Attribution, class_names: Sequence[str]) -> str:
    """What the search for regions found, as a sentence without its end; empty for other methods.

    Such as "4 % of the picture, shown alone, is enough for king penguin, 49 %: the smallest region
    found". The smallest there is may be smaller.
    """
    found = attribution.found.get("regions", ())
    said = [_region_words(region, attribution, class_names) for region in found]
    if len(said) == 1:
        return f"{said[0]}: the smallest region found"
    return f"{'; '.join(said)}: separate regions, each the smallest found" if said else ""


def _region_words(
    region: Mapping[str, Any], attribution: Attribution, class_names: Sequence[str]
) -> str:
    question, target = attribution.question, class_names[attribution.target]
    part = f"{percent(region['share'])} of the picture"
    own = percent(region["target_probability"])
    contrast = None if question.contrast is None else class_names[question.contrast]
    if attribution.method == "enough":
        before = f", before {contrast}" if contrast else ""
        return f"{part}, shown alone, is enough for {target}, {own}{before}"
    if contrast:
        return f"covering {part} puts {contrast} before {target}, which is at {own}"
    if not question.head.exclusive:
        holds = question.head.holds(attribution.target, region["target_probability"])
        crossed = "over" if holds else "under"
        return f"covering {part} takes {target} {crossed} its threshold, to {own}"
    answer = class_names[region["answer"]]
    return f"covering {part} changes the answer to {answer}, {percent(region['probability'])}"
