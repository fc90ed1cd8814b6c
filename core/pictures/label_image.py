"""Label images: a picture's own regions, each a grey, an index or a colour of a PNG.

Black (value 0) and transparent pixels are background, which belongs to no region.
"""

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from ..errors import ImageError, SettingError
from ..files import isolated
from .images import MAX_BYTES, MAX_PIXELS
from .preprocessing import Box, Preprocessing

_MOST_LABELS = 1 << 16
_MOST_COLOURS = 1 << 24
_MOST_NAMES = 10_000
_MOST_NAME_BYTES = 1_000_000
_LONGEST_NAME = 100
_BASE = 200 * 1000 * 1000  # bytes of memory for Python and Pillow
_SECONDS = 12
LIMITS = isolated.Limits(_BASE + 24 * MAX_PIXELS, _SECONDS, 2 * MAX_PIXELS)
"""Of the process that decodes a PNG."""

_GREY = {"1", "L", "P", "I;16", "I"}
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class Region(NamedTuple):
    """What a region is called.

    Attributes:
        key: in its file: a value such as "3", or a colour such as "#ff0000".
        name: by people; its key where nobody has named it.
    """

    key: str
    name: str


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Regions of a photo.

    Attributes:
        sha256: of the file.
        labels: uint16 (H, W): 0 is background, n is ``keys[n - 1]``.
        keys: what the file calls each region: a value such as "3", or a colour such as "#ff0000".
        names: what people call them, by key.
    """

    sha256: str
    labels: np.ndarray = field(repr=False)
    keys: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def seen(
        self, preprocessing: Preprocessing, size: tuple[int, int], region: Box | None
    ) -> tuple[np.ndarray, tuple[Region, ...]]:
        """The regions as a model sees them: the photo's crop, by nearest neighbour.

        Args:
            preprocessing: of the model.
            size: (width, height) of the photo.
            region: its part that the model sees; None for the model's own crop.

        Returns:
            int64 (H, W) of the input's size, 0 for background and else numbered from 1 without
            gaps, and what the regions are called, in that order.

        Raises:
            SettingError: the label image has another size than the photo, or no region lies in the
                crop.
        """
        height, width = self.labels.shape
        if (width, height) != size:
            raise SettingError(
                f"The label image is {width} × {height} pixels and the photo {size[0]} × "
                f"{size[1]}: make both the same size."
            )
        found = numbers_seen(self.labels, preprocessing, region)
        numbers, patches = np.unique(found, return_inverse=True)
        patches = patches.reshape(found.shape) + (numbers[0] > 0)
        inside = numbers[numbers > 0]
        if not len(inside):
            raise SettingError(
                "No region of the label image lies in the part of the photo that the model sees: "
                "mark something there."
            )
        keys = [self.keys[number - 1] for number in inside.tolist()]
        return patches, tuple(Region(key, self.names.get(key, key)) for key in keys)

    def as_seen(self, preprocessing: Preprocessing, size: tuple[int, int]) -> "LabelImage":
        """The regions that `seen` finds in a photo's usual crop, for `Picture.as_seen`."""
        patches, regions = self.seen(preprocessing, size, None)
        keys = tuple(region.key for region in regions)
        return replace(self, labels=patches.astype(np.uint16), keys=keys)

    def named(self, table: bytes) -> "LabelImage":
        """The same regions with names from a CSV, and another digest.

        Args:
            table: lines of value or colour and name, such as ``3,beak`` or ``#ff0000,beak``, in
                UTF-8.

        Raises:
            SettingError: it is no such CSV, or names none of the regions.
        """
        sha256 = hashlib.sha256(bytes.fromhex(self.sha256) + table).hexdigest()
        return replace(self, sha256=sha256, names=_names(table, self.keys))


def numbers_seen(
    numbers: np.ndarray, preprocessing: Preprocessing, region: Box | None
) -> np.ndarray:
    """Numbers of a photo's pixels, uint16 (H, W), as a model sees them, by nearest neighbour.

    Args:
        numbers: 0 is what is padded with.
        preprocessing: of the model.
        region: part of the photo that the model sees; None for the model's own crop.

    Returns:
        int64 (H, W) of the input's size.
    """
    # Numbers as colours go the way of the photo; what is padded is black.
    low = (numbers & 255).astype(np.uint8)
    pixels = np.stack([low, (numbers >> 8).astype(np.uint8), np.zeros_like(low)], axis=2)
    nearest = replace(
        preprocessing,
        interpolation="nearest",
        fill=(0, 0, 0),
        channels=3,
        mean=(0.0,),
        std=(1.0,),
    )
    found = np.asarray(nearest.picture(Image.fromarray(pixels), region)).astype(np.int64)
    return found[..., 0] + 256 * found[..., 1]


def open_label_image(data: bytes, most: int, names: bytes | None = None) -> LabelImage:
    """Read a PNG of labels, in a process of its own, and a CSV of names.

    Args:
        data: the PNG: greys or indices of a palette, 8 or 16 bits, or colours.
        most: how many regions it may have.
        names: as in `LabelImage.named`.

    Raises:
        ImageError: it is no such PNG, or over a limit.
        SettingError: it has no region, or too many; or the CSV is not as described.
    """
    if len(data) > MAX_BYTES or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ImageError(
            f"The label image is no PNG of at most {MAX_BYTES:,} bytes: save it as one."
        )
    try:
        told, pixels = isolated.run(f"{__name__}:packed", data, LIMITS, most)
    except isolated.StoppedError as error:
        raise ImageError(
            "The label image is damaged or of an unusual kind: save it as a PNG of greys, indices "
            "or colours."
        ) from error
    width, height = told["size"]
    labels = np.frombuffer(pixels, np.uint16).reshape(height, width)
    keys = tuple(f"#{each:06x}" if told["colours"] else str(each) for each in told["regions"])
    found = LabelImage(hashlib.sha256(data).hexdigest(), labels, keys)
    return found if names is None else found.named(names)


def packed(file: IO[bytes], most: int) -> isolated.Parsed:
    """Decode a PNG into a number per pixel, uint16, 0 for background, for `open_label_image`."""
    png = PngImageFile(io.BytesIO(file.read()))
    if png.width * png.height > MAX_PIXELS:
        raise ImageError(
            f"The label image has more than {MAX_PIXELS / 1e6:g} megapixels: make it smaller."
        )
    values, colours = png_values(png)
    # By tables, which take no time and little memory: values are below 2**24.
    numbers = np.zeros(_MOST_COLOURS if colours else _MOST_LABELS, np.uint16)
    numbers[values] = 1
    numbers[0] = 0
    regions = np.flatnonzero(numbers)
    if not 1 <= len(regions) <= most:
        raise SettingError(
            f"The label image has {len(regions):,} regions: give 1 to {most}, each of one "
            "value or colour, without soft edges, on black."
        )
    numbers[regions] = np.arange(1, len(regions) + 1)
    labels = numbers[values]
    told = {"size": labels.shape[::-1], "colours": colours, "regions": regions.tolist()}
    return told, lambda out: out.write(labels.tobytes())


def png_values(png: PngImageFile) -> tuple[np.ndarray, bool]:
    """The value of each pixel of a PNG, upright, in the process that decodes it.

    Returns:
        uint32 (H, W): a grey, an index or 0xRRGGBB, and 0 where it is transparent; and whether
        values are colours.
    """
    isolated.allow(_BASE + 24 * png.width * png.height)
    png.load()
    image = ImageOps.exif_transpose(png)
    clear = image.convert("RGBA").getchannel("A").point(lambda value: 255 * (value == 0))
    colours = image.mode not in _GREY
    values = np.asarray(image.convert("RGB") if colours else image).astype(np.uint32)
    if colours:
        values = values @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    values[np.asarray(clear) > 0] = 0
    return values, colours


def _names(data: bytes, keys: tuple[str, ...]) -> dict[str, str]:
    """Names by key, from a CSV."""
    if len(data) > _MOST_NAME_BYTES:
        raise SettingError(
            f"The CSV of names has more than {_MOST_NAME_BYTES:,} bytes: give one line per region."
        )
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"The names of regions are no CSV in UTF-8 ({error}).") from error
    found: dict[str, str] = {}
    for row in rows[:_MOST_NAMES]:
        if len(row) < 2:
            continue
        key, name = row[0].strip().lower(), " ".join(row[1].split())[:_LONGEST_NAME]
        if (_COLOUR.fullmatch(key) or key.isdecimal()) and name:
            found[key] = name
    if not set(found) & set(keys):
        raise SettingError(f"The CSV names none of the regions: give lines such as {keys[0]},name.")
    return found
