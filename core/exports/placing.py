"""Maps from the model's input back onto the photo, and the region that a map marks."""

import numpy as np

from ..pictures.preprocessing import Box


def on_photo(
    values: np.ndarray, seen: Box, photo: tuple[int, int], out: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lay what is on the model's input where it belongs on the photo.

    Each pixel takes the value of the input's pixel that its centre lies in; nothing is
    interpolated.

    Args:
        values: (H, W) on the model's input.
        seen: the part of the photo that fills the input, as `Preprocessing.seen` gives it; it may
            reach beyond the photo.
        photo: width and height of the photo.
        out: width and height of the result, which shows the whole photo; by default, the photo's.

    Returns:
        The values (h, w), zero where the model saw nothing; and whether it saw each pixel, bool.
    """
    wide, tall = out or photo
    rows = _places(tall, photo[1], seen.top, seen.bottom, values.shape[0])
    columns = _places(wide, photo[0], seen.left, seen.right, values.shape[1])
    inside = (rows >= 0)[:, None] & (columns >= 0)[None, :]
    placed = np.where(inside, values[np.ix_(np.maximum(rows, 0), np.maximum(columns, 0))], 0)
    return placed.astype(values.dtype), inside


def _places(count: int, length: int, low: float, high: float, cells: int) -> np.ndarray:
    """Which cell between ``low`` and ``high`` each of ``count`` centres lies in; -1 for none."""
    centres = (np.arange(count) + 0.5) * (length / count)
    found = np.floor((centres - low) * (cells / (high - low))).astype(int)
    return np.where((found >= 0) & (found < cells), found, -1)


def top_region(values: np.ndarray, share: float) -> np.ndarray:
    """The smallest region that holds a share of the evidence for what a map explains.

    Args:
        values: (H, W); positive values are evidence for it.
        share: of the sum of the positive values, over 0 and at most 1.

    Returns:
        bool (H, W): the pixels with the largest values, and all that equal the smallest of them;
        none where no value is positive.
    """
    sizes = np.sort(values[values > 0].astype(np.float64))[::-1]
    if not len(sizes):
        return np.zeros(values.shape, bool)
    sums = np.cumsum(sizes)
    last = min(int(np.searchsorted(sums, share * sums[-1])), len(sizes) - 1)
    return (values > 0) & (values >= sizes[last])
