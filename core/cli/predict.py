"""The command ``predict``: the most probable classes of a picture."""

import argparse
from collections.abc import Sequence

from ..models.classifiers import ClassScore
from ..models.heads import Head
from .console import print_table, say
from .inputs import (
    begin,
    model_line,
)


def run(arguments: argparse.Namespace) -> int:
    """Print the most probable classes of a picture."""
    work = begin(arguments)
    ranking = work.ranking(arguments.top)
    say(model_line(work.classifier))
    head = work.classifier.head
    if not head.has_probabilities:
        unit = head.unit
        values = [(str(c.index), c.name, f"{c.logit:.3f}", unit) for c in ranking]
        print_table(("output", "name", "value", "unit"), values, words=("name", "unit"))
        return 0
    rows = [
        (str(rank), str(c.index), c.name, f"{100 * chance:.1f} %", f"{c.logit:.3f}")
        for rank, c in enumerate(ranking, 1)
        if (chance := c.probability) is not None
    ]
    header = ("rank", head.noun, "name", "probability", "logit")
    if head.kind == "sigmoid":
        print_table((*header, "threshold", "reached"), _judged(rows, ranking, head), ("name",))
        return 0
    print_table(header, rows, words=("name",))
    return 0


def _judged(
    rows: Sequence[tuple[str, ...]], ranking: Sequence[ClassScore], head: Head
) -> list[tuple[str, ...]]:
    """The rows of labels, each with its threshold and whether it is reached."""
    return [
        (
            *row,
            f"{100 * head.threshold(label.index):.1f} %",
            "yes" if head.holds(label.index, label.probability) else "no",
        )
        for row, label in zip(rows, ranking, strict=True)
    ]
