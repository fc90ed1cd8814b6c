"""A map as arrays by name, as an ``.npz`` file holds them."""

import numpy as np

from .attribution import Attribution
from .occlusion import OcclusionSurvey


def arrays_of(
    attribution: Attribution, survey: OcclusionSurvey | None = None
) -> dict[str, np.ndarray]:
    """The numbers of a map.

    Args:
        attribution: the map.
        survey: the finished survey that an occlusion map comes from; None for another method.

    Returns:
        ``values``, float32 (H, W); for random surveys also ``errors``, their standard errors,
        likewise. With a survey also ``scores``, the logits with each window
        covered, float32 (windows, classes); ``corners``, the windows' top left corners, int64
        (windows, 2) as (top, left), in the same order; ``clean``, the logits of the whole picture,
        float32 (classes,).
    """
    arrays = {"values": attribution.values}
    if attribution.errors is not None:
        arrays["errors"] = attribution.errors
    if survey is not None:
        arrays |= {
            "scores": survey.scores.numpy(),
            "corners": survey.grid.corners,
            "clean": survey.clean.numpy(),
        }
    return arrays
