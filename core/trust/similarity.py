"""Similarity of maps: rank correlation, SSIM, overlap."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_TAIL = 99  # percentile of the sizes that becomes 1, so that single pixels do not set the scale
_TOP = 10  # a tenth


class Likeness(NamedTuple):
    """Similarity of two maps; 1 if they are equal, about 0 if they are unrelated.

    Attributes:
        spearman: rank correlation, -1..1.
        ssim: mean structural similarity of the maps, each scaled to -1..1. It asks where something
            is rather than with which sign: a map and its negative are about 0.5. Wang et al.,
            "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """

    spearman: float
    ssim: float


def likeness(first: np.ndarray, second: np.ndarray) -> Likeness:
    """Compare two maps (H, W) of at least 7 x 7 pixels, whatever their units."""
    from skimage.metrics import structural_similarity  # takes a while to load

    correlation, _ = agreement([first, second])
    similarity = structural_similarity(_scaled(first), _scaled(second), data_range=2.0)
    return Likeness(float(correlation[0, 1]), float(similarity))


def agreement(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How far maps (H, W) agree, as two symmetric matrices (maps, maps).

    Returns:
        Spearman's rank correlation, -1..1, higher is more alike; and the overlap of the strongest
        tenth of the pixels, 0..1: shared pixels as a share of a tenth. Unrelated maps share 0.1.
    """
    from scipy.stats import rankdata  # takes a while to load

    ranks = np.array([rankdata(values) for values in maps])
    with np.errstate(invalid="ignore", divide="ignore"):  # a flat map correlates with nothing
        correlation = np.nan_to_num(np.corrcoef(ranks))
    size = math.ceil(ranks.shape[1] / _TOP)
    strongest = [set(np.argsort(-each, kind="stable")[:size].tolist()) for each in ranks]
    overlap = np.array([[len(a & b) / size for b in strongest] for a in strongest])
    return correlation, overlap


def _scaled(values: np.ndarray) -> np.ndarray:
    """The map in units of its largest values, -1..1."""
    values = values.astype(np.float64)
    end = np.percentile(np.abs(values), _TAIL) or np.abs(values).max() or 1.0
    return np.clip(values / end, -1, 1)
