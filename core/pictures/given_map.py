"""Maps made elsewhere: from an array to values at the model's input."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from ..errors import ChannelsError, MapError
from ..text import plain
from .images import MAX_PIXELS
from .preprocessing import Box, Preprocessing, Size

Channels = Literal["sum", "absolute", "largest"]
CHANNELS: dict[Channels, str] = {
    "sum": "their sum",
    "absolute": "the sum of their sizes",
    "largest": "the largest of their sizes",
}
"""How the channels of a map become one, and what that is in words."""

_ROWS = 64  # that are in float64 with all their channels at a time
_ALIKE = 0.9  # correlation of neighbours from which a map is smooth


@dataclass(frozen=True, eq=False)
class GivenMap:
    """A map made elsewhere.

    Attributes:
        values: float32 (H, W), read-only, finite and not all zero.
        order_only: whether only the order of the values is known, as of a PNG, whose values are
            0..1 of its range.
        notes: sentences on how it was taken; often none.
        sha256: of the values.
    """

    values: np.ndarray = field(repr=False)
    order_only: bool = False
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """A hex digest of the values with their shape."""
        found = hashlib.sha256(f"{self.values.shape} {self.order_only}".encode())
        found.update(np.ascontiguousarray(self.values).data)
        return found.hexdigest()

    def seen(
        self,
        preprocessing: Preprocessing,
        size: tuple[int, int],
        region: Box | None = None,
        map_of: str | None = None,
    ) -> np.ndarray:
        """The map at the model's input, float32 (H, W).

        A map of the photo goes the photo's way, resampled bilinearly; outside the photo is 0. A
        grid is stretched over the input bilinearly, as the maps of a layer are.

        Args:
            preprocessing: of the model.
            size: (width, height) of the photo.
            region: its part that the model sees; None for the model's own crop.
            map_of: "input", "photo" or "grid"; None to tell the first two by the map's size.

        Raises:
            MapError: the map has another size, or could be either of the two; or nothing of it lies
                in the part of the photo that the model sees.
        """
        height, width = self.values.shape
        map_of = map_of or self.covers(preprocessing, size, region)
        wanted = preprocessing.size[::-1] if map_of == "input" else size
        if map_of != "grid" and (width, height) != wanted:
            raise MapError(
                f"The map is {width} × {height} pixels and the {_NAMES[map_of]} {wanted[0]} × "
                f"{wanted[1]}: give a map of that size."
            )
        if map_of == "input":
            return self.values
        if map_of == "grid":
            return _stretched(self.values, preprocessing.size)
        plainly = replace(
            preprocessing,
            interpolation="bilinear",
            fill=(0, 0, 0),
            channels=1,
            order="RGB",
            mean=(0.0,),
            std=(1.0,),
        )
        found = plainly.pixels(self.values[..., None], region)[..., 0]
        if not found.any():
            raise MapError(
                "The map is zero everywhere in the part of the photo that the model sees: choose "
                "another part, or another map."
            )
        return found.astype(np.float32)

    def covers(
        self, preprocessing: Preprocessing, size: tuple[int, int], region: Box | None
    ) -> Literal["input", "photo"]:
        """Whether the map is of the input or of the photo, going by its size.

        Args and raises are those of `seen`.
        """
        tall, wide = preprocessing.size
        height, width = self.values.shape
        as_input, as_photo = (width, height) == (wide, tall), (width, height) == size
        if as_input and as_photo and preprocessing.seen(size, region) != Box(0, 0, *size):
            raise MapError(
                f"The photo and the model's input are both {wide} × {tall} pixels, and the model "
                "sees a part of the photo: say whether the map is of the input or of the photo."
            )
        if as_input:
            return "input"
        if as_photo:
            return "photo"
        raise MapError(
            f"The map is {width} × {height} pixels: give one of the model's input, {wide} × {tall},"
            f" or of the photo, {size[0]} × {size[1]}, or say that it is a grid over the input."
        )


_NAMES = {"input": "model's input", "photo": "photo"}


def is_smooth(values: np.ndarray) -> bool:
    """Whether neighbouring pixels of a map (H, W) are alike, as where places share a value."""
    pairs = [(values[:, :-1], values[:, 1:]), (values[:-1], values[1:])]
    for one, other in pairs:
        first, second = (each.astype(np.float64).ravel() for each in (one, other))
        first, second = first - first.mean(), second - second.mean()
        power = float(np.sqrt((first**2).sum() * (second**2).sum()))
        if power and float((first * second).sum()) < _ALIKE * power:
            return False
    return True


def map_from_array(array: Any, channels: Channels | None = None) -> GivenMap:
    """Take an array as a map.

    Args:
        array: numbers (H, W), or with channels (C, H, W) or (H, W, C); axes of length 1 do not
            count. Anything that `numpy.asarray` takes.
        channels: how channels become one, a key of `CHANNELS`.

    Raises:
        MapError: it is no such array, lacks numbers or holds some that are not finite, or only
            zeros.
    """
    if np.ma.is_masked(array):
        raise MapError(
            f"{np.ma.count_masked(array):,} of the map's {np.size(array):,} values are masked: "
            "give a number for each."
        )
    try:
        numbers = np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise MapError("The map is no array: give height × width.") from error
    return GivenMap(one_channel(numbers, channels))


def one_channel(array: np.ndarray, way: Channels | None) -> np.ndarray:
    """An array of numbers as a map, float32 (H, W), read-only.

    Args and raises are those of `map_from_array`.
    """
    if array.dtype.kind not in "fiub":
        raise MapError(
            f"The map's values are of the type {plain(str(array.dtype))}: give real numbers."
        )
    shape = array.shape
    values = array.reshape(_without_ones(shape))
    if values.ndim == 3:
        values = _joined(values, way)
    if values.ndim != 2 or min(values.shape) < 2:
        raise MapError(f"The map is an array of {_times(shape)}: give height × width.")
    if values.size > MAX_PIXELS:
        raise MapError(f"The map has more than {MAX_PIXELS / 1e6:g} megapixels: make it smaller.")
    with np.errstate(over="ignore"):
        found = np.array(values, dtype=np.float32)  # a copy: nobody else can change it
    bad = int(found.size - np.isfinite(found).sum())
    if bad:
        raise MapError(
            f"{bad:,} of the map's {found.size:,} values are not finite (NaN, infinite or too "
            "large): give a number for each."
        )
    if not found.any():
        if values.any():
            raise MapError(
                "The map's values are too small for float32, in which they would all be zero: "
                "multiply them by a number that makes the largest about 1."
            )
        raise MapError("The map is zero everywhere, so there is nothing to judge: give another.")
    found.setflags(write=False)
    return found


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without axes of length 1 at its ends, as of a batch of one or a single channel."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _joined(values: np.ndarray, way: Channels | None) -> np.ndarray:
    """Channels as one, (H, W); they are the first or last axis, whichever is the shortest."""
    first, middle, last = values.shape
    if first < min(middle, last):
        axis = 0
    elif last < min(first, middle):
        axis = 2
    else:
        raise MapError(
            f"The map is an array of {_times(values.shape)}, and which axis holds its channels "
            "cannot be told: give height × width."
        )
    if way is None:
        choices = ", ".join(f"{name} ({words})" for name, words in CHANNELS.items())
        raise ChannelsError(
            f"The map has {values.shape[axis]} channels: say how they become one, by {choices}, or "
            "give height × width."
        )
    channels = np.moveaxis(values, axis, 0)
    joined = np.empty(channels.shape[1:])
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is counted later
        for top in range(0, len(joined), _ROWS):
            numbers = channels[:, top : top + _ROWS].astype(np.float64)
            if way != "sum":
                np.abs(numbers, out=numbers)
            joined[top : top + _ROWS] = numbers.max(0) if way == "largest" else numbers.sum(0)
    return joined


def _times(shape: Size | tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"


def _stretched(values: np.ndarray, size: Size) -> np.ndarray:
    """A grid over the whole input, bilinear; at the edges, the outermost value.

    Raises:
        MapError: the grid is finer than the input.
    """
    if values.shape[0] > size[0] or values.shape[1] > size[1]:
        raise MapError(
            f"The grid is {values.shape[1]} × {values.shape[0]} and the model's input {size[1]} × "
            f"{size[0]} pixels: give a grid that is coarser than the input."
        )
    large = Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(large)
