"""Read-outs under the pointer: a map's value and, for occlusion, the prediction when covered."""

import base64
from dataclasses import dataclass

import numpy as np
import torch

from ..methods.attribution import Attribution
from ..methods.occlusion import OcclusionSurvey
from .sentences import amount


@dataclass(frozen=True, eq=False)
class Readout:
    """A map in cells inside which it does not change.

    Attributes:
        rows, columns: edges of the cells in pixels of the model's input, int (cells + 1,).
        values: float32 (row cells, column cells), in the map's units.
        notes: uint16 (row cells, column cells), index into ``words``; None without a survey.
        words: what the model says with the window nearest to a cell covered.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    notes: np.ndarray | None = None
    words: tuple[str, ...] = ()


def readout(
    attribution: Attribution, survey: OcclusionSurvey | None, class_names: tuple[str, ...]
) -> Readout:
    """Prepare a finished map for reading; ``survey`` is what an occlusion map came from."""
    head, target = attribution.question.head, attribution.question.target
    if survey is None:
        rows, columns = (np.arange(side + 1) for side in attribution.values.shape)
        return Readout(rows, columns, attribution.values)
    rows, columns = survey.grid.edges
    values = attribution.values[np.ix_(rows[:-1], columns[:-1])]
    down, across = (
        _nearest((edges[1:] + edges[:-1]) / 2, count, window, stride, size)
        for edges, count, window, stride, size in zip(
            (rows, columns),
            survey.grid.shape,
            survey.grid.window,
            survey.grid.stride,
            survey.grid.size,
            strict=True,
        )
    )
    scores = head.probabilities(survey.scores) if head.has_probabilities else survey.scores
    if head.exclusive:
        best, index = scores.max(-1)
    else:  # what becomes of the label or value that is explained
        best, index = scores[:, target], torch.full((len(scores),), target)
    said = [
        f"covered: {class_names[i]} {amount(p, head)}"
        for i, p in zip(index.tolist(), best.tolist(), strict=True)
    ]
    words = tuple(dict.fromkeys(said))
    place = {word: number for number, word in enumerate(words)}
    by_window = np.array([place[word] for word in said], dtype=np.uint16)
    notes = by_window.reshape(survey.grid.shape)[np.ix_(down, across)]
    return Readout(rows, columns, values, notes, words)


def packed(cells: np.ndarray, factor: float = 1) -> str:
    """Cells for the browser: base64 of the little-endian values, multiplied by ``factor``."""
    scaled = (cells * factor).astype(cells.dtype.newbyteorder("<"))
    return base64.b64encode(scaled.tobytes()).decode("ascii")


def _nearest(centres: np.ndarray, count: int, window: int, stride: int, size: int) -> np.ndarray:
    """Along one side: the window that covers a cell and whose middle is nearest to it."""
    tops = np.arange(count) * stride
    ends = np.minimum(tops + window, size)
    distance = np.abs(centres[:, None] - ((tops + ends) / 2)[None])
    covers = (tops[None] <= centres[:, None]) & (centres[:, None] < ends[None])
    return np.where(covers, distance, np.inf).argmin(axis=1)
