"""Flip map: the windows that change the predicted class when covered, coloured by class."""

from dataclasses import dataclass

import numpy as np

from ..models.heads import SOFTMAX, Head
from .occlusion import Flip, OcclusionSurvey

# Distinct also to the colour-blind (Okabe and Ito 2008, without grey, black and yellow).
_PALETTE = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)


@dataclass(frozen=True, eq=False)
class FlipMap:
    """The windows that change the answer, as a picture with a legend.

    Attributes:
        rgba: uint8 (H, W, 4), transparent where no window changes the answer.
        legend: (class index, CSS colour, number of windows), most windows first.
        flips: the windows, strongest change first.
    """

    rgba: np.ndarray
    legend: tuple[tuple[int, str, int], ...]
    flips: tuple[Flip, ...]


def flip_map(survey: OcclusionSurvey, head: Head = SOFTMAX, target: int | None = None) -> FlipMap:
    """Colour every window whose covering changes the top-1 class by the class it becomes.

    Of independent labels, every window that takes the target over its threshold; see `flips` of the
    survey. Where windows overlap, the strongest change is on top. Classes beyond the palette
    share its last colour.
    """
    flips = survey.flips(head, target)
    counts: dict[int, int] = {}
    for flip in flips:
        counts[flip.index] = counts.get(flip.index, 0) + 1
    ranked = sorted(counts, key=lambda index: -counts[index])
    colours = {c: _PALETTE[min(i, len(_PALETTE) - 1)] for i, c in enumerate(ranked)}
    rgba = np.zeros((*survey.grid.size, 4), dtype=np.uint8)
    height, width = survey.grid.window
    for flip in reversed(flips):
        window = rgba[flip.top : flip.top + height, flip.left : flip.left + width]
        window[..., :3], window[..., 3] = colours[flip.index], 150
    legend = tuple((c, "rgb({},{},{})".format(*colours[c]), counts[c]) for c in ranked)
    return FlipMap(rgba, legend, tuple(flips))
