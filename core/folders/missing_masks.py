"""How many pictures of a table have no localisation because of their masks, and why."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from ..pictures.mask_image import EMPTY, OUTSIDE
from .masks import BAD_MASK, MASK_SHARE, NO_MASK

_REASONS = {
    f"{BAD_MASK} {re.escape(EMPTY)}": ("is empty", "are empty"),
    f"{BAD_MASK} {re.escape(OUTSIDE)}": (
        "marks nothing that the model sees",
        "mark nothing that the model sees",
    ),
    rf"{BAD_MASK} It is \d+ × \d+ pixels and the photo": (
        "has another size than its photo",
        "have another size than their photos",
    ),
    NO_MASK: ("is missing or cannot be read", "are missing or cannot be read"),
}
"""What a row's error says of a mask, as a regular expression; and that in words."""

_DAMAGED = "is damaged or no PNG", "are damaged or no PNGs"


def without_localisation(table: pa.Table) -> pa.Table:
    """The rows that have maps and no localisation although masks were given.

    Args:
        table: of results, or a piece of one, with the columns ``maps``, ``error`` and, if there
            were masks, `MASK_SHARE`.
    """
    if MASK_SHARE not in table.column_names:
        return table.slice(0, 0)
    explained = pc.and_(pc.is_valid(table["maps"]), pc.is_valid(table["error"]))
    return table.filter(pc.and_(explained, pc.is_null(table[MASK_SHARE])))


def missing_masks(table: pa.Table) -> str:
    """How many explained pictures have no localisation, and why, as a sentence; empty if all have.

    Args:
        table: as `without_localisation` takes it.
    """
    errors = without_localisation(table)["error"]
    if not len(errors):
        return ""
    counts = [
        (pc.sum(pc.match_substring_regex(errors, said)).as_py(), words)
        for said, words in _REASONS.items()
    ]
    rest = len(errors) - sum(count for count, _ in counts)
    why = ", ".join(
        f"{count:,} {'mask' if count == 1 else 'masks'} {words[count > 1]}"
        for count, words in (*counts, (rest, _DAMAGED))
        if count
    )
    explained = len(table) - table["maps"].null_count
    have = "has" if len(errors) == 1 else "have"
    return f"{len(errors):,} of {explained:,} explained pictures {have} no localisation: {why}."
