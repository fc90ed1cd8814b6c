"""How the maps of a method are shown where nobody has chosen it."""

import numpy as np

from ..methods.registry import METHOD_ALIASES, METHODS
from .rendering import Display


def display_of(method: str, values: np.ndarray) -> Display:
    """A scale around zero for maps that tell evidence against from evidence for; else from zero.

    Args:
        method: its name, or what a run calls it.
        values: (H, W), of one of its maps or a mean of them. Some methods have values of both signs
            by an option, and of maps made elsewhere only the values are known.
    """
    known = METHODS.get(METHOD_ALIASES.get(method, method))
    signed = known is not None and known.sign == "signed"
    return Display() if signed or values.min() < 0 else Display("positive")
