"""Localisation: how much of a map lies on an object that a mask marks.

Pointing game: Zhang et al., "Top-Down Neural Attention by Excitation Backprop", IJCV 2018.
Relevance mass and rank accuracy: Arras, Osman, Samek, "CLEVR-XAI: A benchmark dataset for the
ground truth evaluation of neural network explanations", Information Fusion 2022. Top-k
intersection: Theiner, Müller-Budack, Ewerth, "Interpretable Semantic Photo Geolocalization", WACV
2022.

They say where the evidence lies, not whether the map is right: a model may look beside the object.
"""

from typing import NamedTuple

import numpy as np

TOP_K = 1000  # pixels, as Quantus takes by default


class Localisation(NamedTuple):
    """How much of a map lies on an object, 0..1, higher is better; None for what cannot be said.

    A map that is uniform, or has nothing to do with the object, reaches the share of the input that
    the object covers in ``mass``, ``rank`` and ``top_k``.

    Attributes:
        pointing: 1 if a pixel of the largest value is on the object, 0 if none is; None for a map
            of a single value.
        mass: share of the positive values that is on the object; None without positive values, or
            where they are not known.
        rank: of as many pixels as the object has, the largest first, the share on the object.
        top_k: the same of the `TOP_K` largest; None for a smaller input.
        area: share of the input that the object covers.
    """

    pointing: float | None
    mass: float | None
    rank: float | None
    top_k: float | None
    area: float


def localisation(
    values: np.ndarray, marked: np.ndarray, *, order_only: bool = False
) -> Localisation:
    """Compare a map with an object.

    Values are compared with their sign. Where pixels of one value are only partly among the
    largest, each counts with the chance that it is among them in a random order.

    Args:
        values: the map, (H, W).
        marked: bool (H, W), True on the object; where no pixel is, nothing can be said.
        order_only: whether only the order of the values is known, as of a map from a PNG; then
            there is no ``mass``.
    """
    values, marked = values.astype(np.float64).ravel(), marked.ravel()
    if not marked.any():
        return Localisation(None, None, None, None, 0.0)
    largest, positive = values.max(), np.clip(values, 0, None)
    total = float(positive.sum())
    return Localisation(
        None if largest == values.min() else float(marked[values == largest].any()),
        float(positive[marked].sum()) / total if total and not order_only else None,
        _among(values, marked, int(marked.sum())),
        None if values.size <= TOP_K else _among(values, marked, TOP_K),
        float(marked.mean()),
    )


def _among(values: np.ndarray, marked: np.ndarray, count: int) -> float:
    """The share of the ``count`` largest values that is marked, the mean over orders of ties."""
    last = np.partition(values, -count)[-count]
    above, equal = values > last, values == last
    rest = (count - int(above.sum())) / int(equal.sum())
    return float((marked[above].sum() + rest * marked[equal].sum()) / count)
