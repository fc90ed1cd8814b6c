"""The grid of occlusion windows, and the map of pixels from a number per window."""

from dataclasses import dataclass

import numpy as np

from ..errors import SettingError

_SMALLEST_OTHER = 8  # pixels


@dataclass(frozen=True)
class WindowGrid:
    """The windows of an occlusion survey, laid as `captum.attr.Occlusion` lays them.

    Windows start at multiples of the stride; the last of a row or column may reach over the edge
    and is clipped there. Together they cover every pixel.

    Attributes:
        size: (height, width) of the input in pixels.
        window: (height, width) of a window.
        stride: (down, across) in pixels.
    """

    size: tuple[int, int]
    window: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: the window is not between 1 and the input's size, or the stride not
                between 1 and the window (pixels would stay uncovered).
        """
        for side, size, window, stride in zip(
            ("height", "width"), self.size, self.window, self.stride, strict=True
        ):
            if not 1 <= window <= size:
                raise SettingError(
                    f"Window {side}: {window} pixels; choose between 1 and {size}, "
                    "the size of the model's input."
                )
            # A window as large as the input has one position: its stride is never used.
            if stride < 1 or (stride > window and window < size):
                raise SettingError(
                    f"Stride for window {side}: {stride} pixels; choose between 1 and {window}, "
                    "the size of the window, so that every pixel is covered."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of windows (down, across)."""
        down, across = (
            -((window - size) // stride) + 1
            for size, window, stride in zip(self.size, self.window, self.stride, strict=True)
        )
        return down, across

    @property
    def count(self) -> int:
        """Number of windows: the forward passes of a survey without reuse."""
        down, across = self.shape
        return down * across

    @property
    def corners(self) -> np.ndarray:
        """Top left corners, int64 (count, 2) as (top, left), row by row."""
        down, across = self.shape
        tops, lefts = np.mgrid[0:down, 0:across]
        return np.stack([tops.ravel(), lefts.ravel()], axis=1) * np.array(self.stride)

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns, int64, where windows begin or end; between them a map is constant."""
        top, left = self.corners.T
        rows, columns = (
            np.unique(np.concatenate([begin, np.minimum(begin + window, size)]))
            for begin, window, size in zip((top, left), self.window, self.size, strict=True)
        )
        return rows, columns

    def spread(self, values: np.ndarray) -> np.ndarray:
        """A number per window (count,) -> float64 (H, W): the mean of the windows on each pixel."""
        sums = self._stacked(np.asarray(values, dtype=np.float64))
        return sums / self._stacked(np.ones(self.count))

    def _stacked(self, values: np.ndarray) -> np.ndarray:
        """Each window's value added to all its pixels.

        A window is written as four signed corners, and two running sums fill it: work that does not
        depend on the window's size.
        """
        height, width = self.size
        top, left = self.corners.T
        bottom = np.minimum(top + self.window[0], height)
        right = np.minimum(left + self.window[1], width)
        corners = np.zeros((height + 1, width + 1))
        for rows, columns, sign in (
            (top, left, 1), (bottom, left, -1), (top, right, -1), (bottom, right, 1)
        ):  # fmt: skip
            np.add.at(corners, (rows, columns), sign * values)
        return corners.cumsum(0).cumsum(1)[:height, :width]


def sizes_around(window: int, side: int) -> tuple[int, ...]:
    """A window among three others, halved and doubled, for an input ``side`` pixels wide; sorted.

    The others have at least 8 pixels: smaller ones take thousands of passes and show little.
    """
    around = (round(window * 2.0**power) for power in (-1, 1, 2, -2, 3, -3, 4, 5, 6, 7))
    others = [size for size in around if _SMALLEST_OTHER <= size <= side]
    return tuple(sorted([window, *others[:3]]))


def neighbours(window: int, stride: int, side: int) -> tuple[tuple[int, int], ...]:
    """A window and stride among others that are much like it: (window, stride) each, itself first.

    The window a quarter smaller and larger, and the stride half as long again.
    """
    smaller, larger = max(1, round(0.75 * window)), min(side, round(1.25 * window))
    around = (
        (window, stride),
        (smaller, min(stride, smaller)),
        (larger, stride),
        (window, min(window, round(1.5 * stride))),
    )
    return tuple(dict.fromkeys(around))
