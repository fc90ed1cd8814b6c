"""Masks painted by hand: bits from the browser -> pixels of the model's input."""

import numpy as np

from core.errors import SettingError


def mask_from_bits(bits: bytes, side: int) -> np.ndarray:
    """Packed bits, row by row, the first pixel in the highest bit -> bool (side, side).

    Raises:
        SettingError: there are more or fewer bits than pixels.
    """
    if len(bits) != (side * side + 7) // 8:
        raise SettingError(
            f"The mask has {len(bits)} bytes: {side} × {side} pixels need {(side * side + 7) // 8}."
        )
    pixels = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=side * side)
    return pixels.astype(bool).reshape(side, side)
