"""Maps of methods without evidence against begin at zero; all others have zero in the middle."""

import numpy as np
import pytest

from core.drawing.method_display import display_of
from core.drawing.rendering import scale

POSITIVE = np.array([[0.0, 2.0]], np.float32)
BOTH = np.array([[-1.0, 2.0]], np.float32)


@pytest.mark.parametrize(
    ("method", "values", "ends"),
    [
        ("ig", POSITIVE, (-2, 2)),  # by chance it has nothing below zero here
        ("occlusion", BOTH, (-2, 2)),
        ("saliency", POSITIVE, (0, 2)),  # sizes
        ("grad_cam", POSITIVE, (0, 2)),  # only evidence for
        ("grad_cam", BOTH, (-2, 2)),  # by its option
        ("given", POSITIVE, (0, 2)),  # made elsewhere
        ("given", BOTH, (-2, 2)),
    ],
)
def test_ends(method, values, ends):
    assert scale([values], display_of(method, values)) == ends
