"""Masks of the objects of photos: a PNG whose pixels are zero or something else.

Black (value 0) and transparent pixels are background, all others the object.
"""

import io
from typing import IO

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from ..errors import ImageError, SettingError
from ..files import isolated
from .images import MAX_BYTES, MAX_PIXELS
from .label_image import LIMITS, numbers_seen, png_values
from .preprocessing import Preprocessing

EMPTY = "It marks nothing: all of its pixels are black or transparent."
OUTSIDE = "It marks nothing in the part of the photo that the model sees."
"""Why a mask cannot be used."""


def open_mask(data: bytes) -> np.ndarray:
    """Read the PNG of a mask, in a process of its own: bool (H, W), True on the object.

    Raises:
        ImageError: it is no such PNG, or over a limit.
    """
    if len(data) > MAX_BYTES or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ImageError(f"The mask is no PNG of at most {MAX_BYTES:,} bytes: save it as one.")
    try:
        (width, height), bits = isolated.run(f"{__name__}:packed", data, LIMITS)
    except isolated.StoppedError as error:
        raise ImageError(
            "The mask is damaged or of an unusual kind: save it as a PNG of greys, indices or "
            "colours."
        ) from error
    return np.frombuffer(bits, np.uint8).astype(bool).reshape(height, width)


def packed(file: IO[bytes]) -> isolated.Parsed:
    """Decode a PNG into a byte per pixel, 0 for background, for `open_mask`."""
    png = PngImageFile(io.BytesIO(file.read()))
    if png.width * png.height > MAX_PIXELS:
        raise ImageError(
            f"The mask has more than {MAX_PIXELS / 1e6:g} megapixels: make it smaller."
        )
    values, _ = png_values(png)
    marked = (values > 0).astype(np.uint8)
    return marked.shape[::-1], lambda out: out.write(marked.tobytes())


def mask_seen(mask: np.ndarray, preprocessing: Preprocessing, size: tuple[int, int]) -> np.ndarray:
    """A mask as a model sees it: the photo's crop, by nearest neighbour.

    Args:
        mask: bool (H, W) of the photo, upright.
        preprocessing: of the model.
        size: (width, height) of the photo.

    Returns:
        Bool (H, W) of the input's size.

    Raises:
        SettingError: the mask has another size than the photo, or marks nothing in the crop.
    """
    height, width = mask.shape
    if (width, height) != size:
        raise SettingError(
            f"It is {width} × {height} pixels and the photo {size[0]} × {size[1]}: make "
            "both the same size."
        )
    if not mask.any():
        raise SettingError(EMPTY)
    seen = numbers_seen(mask.astype(np.uint16), preprocessing, None) > 0
    if not seen.any():
        raise SettingError(OUTSIDE)
    return seen
