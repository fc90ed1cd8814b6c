"""What a model says of pictures, as columns of a table of results."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..models.heads import Head
from .listing import Entry

Row = dict[str, Any]
_TOP = 5


def expected_of(entry: Entry, names: Sequence[str], head: Head) -> Row:
    """What a picture is expected to show: known without a prediction."""
    if head.kind == "value":
        return {
            "output_name": list(names),
            "unit": head.unit,
            "expected": None if entry.values is None else list(entry.values),
        }
    if head.kind == "sigmoid":
        labels = None if entry.labels is None else list(entry.labels)
        return {"expected_index": labels, "expected_name": _named(names, labels)}
    label = entry.label
    return {"label": label, "label_name": None if label is None else names[label]}


def answers(
    logits: Tensor, entries: Sequence[Entry], names: Sequence[str], head: Head
) -> list[Row]:
    """What the model says of each picture.

    Args:
        logits: finite, float64 (pictures, outputs).
        entries: the pictures.
        names: of the outputs.
        head: what they mean.
    """
    of_head: dict[str, Callable[[Tensor, Sequence[Entry], Sequence[str], Head], list[Row]]]
    of_head = {"sigmoid": _labels, "value": _values}
    return of_head.get(head.kind, _classes)(logits, entries, names, head)


def _classes(
    logits: Tensor, entries: Sequence[Entry], names: Sequence[str], head: Head
) -> list[Row]:
    logs = head.log_probabilities(logits)
    chances = logs.exp()
    top = chances.argsort(descending=True, stable=True)[:, :_TOP]
    best = chances.gather(1, top)
    entropy = torch.special.entr(chances).sum(-1).tolist()
    rows: list[Row] = []
    for n, (entry, indices, likely) in enumerate(
        zip(entries, top.tolist(), best.tolist(), strict=True)
    ):
        label = entry.label
        rows.append(
            {
                "predicted": indices[0],
                "predicted_name": names[indices[0]],
                "probability": likely[0],
                "top5_index": indices,
                "top5_name": _named(names, indices),
                "top5_probability": likely,
                "correct": None if label is None else indices[0] == label,
                "margin": likely[0] - likely[1] if len(likely) > 1 else likely[0],
                "entropy": entropy[n],
                "loss": None if label is None else -float(logs[n, label]),
            }
        )
    return rows


def _labels(
    logits: Tensor, entries: Sequence[Entry], names: Sequence[str], head: Head
) -> list[Row]:
    chances = head.probabilities(logits)
    thresholds = chances.new_tensor([head.threshold(index) for index in range(len(names))])
    margins = (chances - thresholds).abs().amin(-1).tolist()
    order = chances.argsort(descending=True, stable=True)
    yes, no = head.log_probabilities(logits), head.log_probabilities(-logits)
    rows: list[Row] = []
    for n, entry in enumerate(entries):
        likely, ranked = chances[n].tolist(), order[n].tolist()
        held = [index for index in ranked if head.holds(index, likely[index])]
        row: Row = {
            "held_index": held,
            "held_name": _named(names, held),
            "held_probability": [likely[index] for index in held],
            "predicted": ranked[0],
            "predicted_name": names[ranked[0]],
            "probability": likely[ranked[0]],
            "margin": margins[n],
        }
        if entry.labels is not None:
            expected = set(entry.labels)
            has = torch.zeros(len(names), dtype=torch.bool)
            has[list(entry.labels)] = True
            row |= {
                "expected_probability": [likely[index] for index in entry.labels],
                "correct": set(held) == expected,
                "missed": len(expected.difference(held)),
                "false_positives": len(set(held) - expected),
                "loss": -float(torch.where(has, yes[n], no[n]).mean()),
            }
        rows.append(row)
    return rows


def _values(
    logits: Tensor, entries: Sequence[Entry], _names: Sequence[str], _head: Head
) -> list[Row]:
    rows: list[Row] = []
    for entry, values in zip(entries, logits.tolist(), strict=True):
        row: Row = {"value": values}
        if entry.values is not None:
            errors = [abs(value - each) for value, each in zip(values, entry.values, strict=True)]
            row["absolute_error"] = sum(errors) / len(errors)
        rows.append(row)
    return rows


def _named(names: Sequence[str], indices: Sequence[int] | None) -> list[str] | None:
    return None if indices is None else [names[index] for index in indices]
