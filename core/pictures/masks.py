"""Masks painted by hand: from the browser's bits to pixels of the model's input."""

import numpy as np

from ..errors import SettingError


def mask_from_bits(bits: bytes, size: tuple[int, int]) -> np.ndarray:
    """Packed bits, row by row, the first pixel in the highest bit -> bool (H, W).

    Raises:
        SettingError: there are more or fewer bits than pixels.
    """
    height, width = size
    needed = (height * width + 7) // 8
    if len(bits) != needed:
        raise SettingError(
            f"The mask has {len(bits)} bytes: {width} × {height} pixels need {needed}."
        )
    pixels = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=height * width)
    return pixels.astype(bool).reshape(size)
