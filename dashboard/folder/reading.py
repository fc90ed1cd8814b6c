"""What the Folder page needs to know of a table, whatever its rows are about."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from core.folders.label_selection import LabelCard
from core.folders.selection import Card
from core.folders.value_selection import ValueCard

AnyCard = Card | LabelCard | ValueCard


@dataclass(frozen=True)
class Reading:
    """A table as its filters leave it, and the parts of the page that depend on its kind.

    Attributes:
        rows: the numbers of the rows that are left, in order.
        sentence: the headline.
        facts: the numbers under it.
        beside: draws the list beside the gallery.
        means: draws mean maps where the filters ask for some; returns what fills them in.
        below: draws what stands below the gallery.
        cards: the cards of rows.
        press: does what an entry of the list beside is for.
        titles: values of the controls, each with what the page calls it.
        output: index of the label or value that is chosen; None for classes, and where none is.
    """

    rows: pa.Array
    sentence: str
    facts: Sequence[str]
    beside: Callable[[], None]
    means: Callable[[], partial[None] | None]
    cards: Callable[[pa.Array], Sequence[AnyCard]]
    press: Callable[[list[str]], None]
    below: Callable[[], None] = lambda: None
    titles: Collection[tuple[str, str]] = field(default_factory=tuple)
    output: int | None = None


def pictures(count: int) -> str:
    """So many pictures, in words."""
    return "1 picture" if count == 1 else f"{count:,} pictures"
