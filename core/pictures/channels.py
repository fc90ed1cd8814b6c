"""Pictures of other channels than a photo's, as arrays: what their values are, and what they show.

The pixels of such a picture are (H, W, N), uint8 or float32; 255 or 1 is white, and floating point
numbers may lie beyond.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from ..errors import ImageError
from .images import MAX_VALUES, check_size

MOST_CHANNELS = 512
PHOTOS = (1, 3)
"""How many channels a model takes that takes photos: grey, or red, green and blue."""

_WHITE = {"uint8": 255, "uint16": 65535}


def as_pixels(array: np.ndarray) -> np.ndarray:
    """An array as pixels.

    Args:
        array: (H, W, N) or, of one channel, (H, W); uint8, uint16 or floating point.

    Returns:
        (H, W, N), uint8 or float32; uint16 is divided by 65,535.

    Raises:
        ImageError: it has another shape or type, is over a limit, or holds NaN or infinity.
    """
    shape, kind = array.shape, array.dtype
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or (shape[0] in (1, 3, 4) and shape[0] < min(pixels.shape[1:])):
        raise ImageError(
            f"The array has shape {shape}: give (H, W, 3) or, of N channels, (H, W, N), rows by "
            "columns by channels."
        )
    if 0 in shape:
        raise ImageError(f"The array has shape {shape}: it holds no pixel.")
    if kind.name not in _WHITE and not np.issubdtype(kind, np.floating):
        raise ImageError(
            f"The array is of {kind}: give uint8, uint16 or floating point numbers, so that its "
            "white is known."
        )
    height, width, channels = pixels.shape
    check_size(width, height)
    if channels > MOST_CHANNELS or pixels.size > MAX_VALUES:
        raise ImageError(
            f"The array has shape {shape}, and at most {MOST_CHANNELS} channels and "
            f"{MAX_VALUES:,} numbers are allowed: make it smaller first."
        )
    if kind.name == "uint8":
        return np.ascontiguousarray(pixels)
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        values = pixels.astype(np.float32)
    if kind.name == "uint16":
        return values / np.float32(_WHITE["uint16"])
    if not np.isfinite(values).all():
        raise ImageError(
            "The array holds numbers that are not finite (NaN or infinity): replace them first."
        )
    return values


def white_of(kind: np.dtype[np.generic]) -> str:
    """What is taken as the value 1 in an array of this type, in words."""
    name = np.dtype(kind).name
    return f"{name}, {_WHITE.get(name, 1):,} is taken as 1"


def sha256_of(pixels: np.ndarray) -> str:
    """A hex digest of pixels with their shape and type."""
    found = hashlib.sha256(f"{pixels.shape} {pixels.dtype}".encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def view(pixels: np.ndarray, ends: tuple[float, float] | None = None) -> Image.Image:
    """What can be shown of pixels, RGB: the first three channels, of fewer the first as a grey.

    Args:
        pixels: (H, W, N), uint8 or floating point.
        ends: what becomes black and white; None for 0 and 255 of uint8, and for the lowest and the
            highest value that is shown of other numbers.
    """
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    if pixels.dtype != np.uint8:
        low, high = (float(shown.min()), float(shown.max())) if ends is None else ends
        share = (shown.astype(np.float64) - low) / ((high - low) or 1.0)
        shown = np.round(255 * share.clip(0, 1)).astype(np.uint8)
    return Image.fromarray(np.repeat(shown, 3 // shown.shape[2], axis=2))


def in_unit_range(pixels: np.ndarray) -> bool:
    """Whether black and white are the ends of what the pixels can be: all lie in 0..1."""
    return pixels.dtype == np.uint8 or (pixels.min() >= 0 and pixels.max() <= 1)


def each_channel(
    pixels: np.ndarray, change: Callable[[Image.Image, int], Image.Image]
) -> np.ndarray:
    """Change every channel as a picture of its own, of mode L or F; the second is its number.

    As Pillow does it for 8 bits, what was in 0..1 stays there.
    """
    made = [
        np.asarray(change(Image.fromarray(np.ascontiguousarray(pixels[..., number])), number))
        for number in range(pixels.shape[2])
    ]
    changed = np.stack(made, axis=2)
    if changed.dtype != np.uint8 and in_unit_range(pixels):
        changed = changed.clip(0, 1)
    return changed


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Pixels (H, W, N) smoothed by a Gaussian within the picture, float32, 1 is white."""
    values = pixels.astype(np.float64) / (255 if pixels.dtype == np.uint8 else 1)
    down, across = (_gaussian(side, sigma) for side in pixels.shape[:2])
    smooth = down @ values.transpose(2, 0, 1) @ across.T
    return smooth.transpose(1, 2, 0).astype(np.float32)


def _gaussian(side: int, sigma: float) -> np.ndarray:
    """The weights (side, side) of all pixels of a line in each; each row sums to 1."""
    places = np.arange(side)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return weights / weights.sum(1, keepdims=True)
