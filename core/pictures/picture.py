"""`Picture`: an opened photo with its digest and the region that the model sees."""

import errno
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from ..errors import ImageError, SettingError
from ..files.io import read_bytes
from ..files.untrusted import UnfoldingError, read_array
from . import channels
from .images import DEEP, MAX_BYTES, SEVERAL, digest, format_of, open_image, shown
from .pages import open_pages
from .preprocessing import Box, Content, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor  # no picture is kept waiting for torch

_SMALLEST_REGION = 16  # pixels of the photo
_NPY = b"\x93NUMPY"


@dataclass(frozen=True)
class Picture:
    """A photo that was opened safely, and the part of it that the model is to see.

    Pictures are equal when their bytes and their regions are.

    Attributes:
        sha256: hex digest of the bytes; of the pixels, or of the tensor, where there was no file.
        region: a part of the photo, in its pixels; None for what the model takes by itself.
        image: RGB, upright.
        notes: sentences on what was changed on opening it (first frame of an animation, ...).
        from_file: whether it is a file of this machine; what belongs to an upload is kept in memory
            only.
        inputs: the model's input (1, C, H, W), where it was given in place of a photo.
        pixels: of a picture that has other channels than a photo's, all of them, as
            `core.pictures.channels` describes them.
        is_photo: whether the image is more than what can be shown of the pixels: models that take
            photos are given it.
    """

    sha256: str
    image: Image.Image = field(compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    region: Box | None = None
    from_file: bool = field(default=False, compare=False)
    inputs: "Tensor | None" = field(default=None, compare=False, repr=False)
    pixels: np.ndarray | None = field(default=None, compare=False, repr=False)
    is_photo: bool = field(default=True, compare=False)

    @property
    def key(self) -> tuple[str, Box | None]:
        """What tells this picture from others, without its pixels: for caches."""
        return self.sha256, self.region

    def content(self, channels_taken: int) -> Content:
        """What a model that takes so many channels is given: the photo, or the pixels."""
        photo = self.is_photo and channels_taken in channels.PHOTOS
        return self.image if self.pixels is None or photo else self.pixels

    def as_seen(self, preprocessing: Preprocessing) -> "Picture":
        """What a model sees of it, as a picture all of which it sees, unchanged.

        Raises:
            ImageError: it has not the channels that the model takes.
        """
        content = self.content(preprocessing.channels)
        seen = preprocessing.picture(self.image, self.region)
        pixels = None
        if isinstance(content, np.ndarray):
            pixels = preprocessing.pixels(content, self.region)
        return replace(self, image=seen, pixels=pixels, region=Box(0, 0, *seen.size))

    def cropped(self, region: Box, aspect: float | None = 1.0) -> "Picture":
        """The same photo with another region, whose width by height is ``aspect``; None for any.

        Of a region of another shape than its input, a model sees the largest part about its centre.

        Raises:
            SettingError: the region is not inside the photo, is less than 16 pixels wide or high,
                or has another shape: a square, if nothing else is asked for.
        """
        left, top, right, bottom = region
        width, height = self.image.size
        smallest: float = min(_SMALLEST_REGION, width, height)
        inside = 0 <= left <= right <= width and 0 <= top <= bottom <= height
        shaped = True
        shape = "a part"
        if aspect is not None:
            smallest = min(smallest, width / aspect, height * aspect)
            shaped = abs((right - left) - aspect * (bottom - top)) < 0.5 * max(1.0, aspect)
            shape = "a square" if aspect == 1 else f"a part {aspect:.3g} times as wide as high,"
        least = min(right - left, bottom - top)
        if not (inside and shaped and least > smallest - 0.5):
            edges = ", ".join(f"{edge:.0f}" for edge in region)
            raise SettingError(
                f"The crop ({edges}) cannot be used: choose {shape} "
                f"of at least {smallest:.0f} pixels inside the photo of {width} × {height}."
            )
        return replace(self, region=region)

    def thumbnail(self, side: int) -> Image.Image:
        """The centred square, ``side`` pixels wide."""
        return ImageOps.fit(self.image, (side, side))


def picture_from_bytes(data: bytes, *, trusted: bool = False) -> Picture:
    """Open an upload, or the bytes of a file of this machine's own, which are ``trusted``.

    Raises:
        ImageError: the bytes are not a picture that can be used.
    """
    if data.startswith(_NPY):
        return replace(picture_from_array(_array(data)), sha256=digest(data))
    pages = open_pages(data, trusted=trusted)
    if pages is not None and pages.dtype == np.float32:  # which no photo is
        return replace(_of_channels(pages), sha256=digest(data))
    image = open_image(data, trusted=trusted)
    notes = image.info["notes"]
    if pages is None or pages.shape[2] in channels.PHOTOS:  # three are photos
        return Picture(digest(data), image, notes)
    count = pages.shape[2]
    told = (
        f"The file holds {count} pages of one channel ({channels.white_of(pages.dtype)}), all of "
        f"which a model of {count} channels takes; the first is shown, in 8 bits.",
        *(note for note in notes if note not in (SEVERAL, DEEP)),
    )
    return Picture(digest(data), image, told, pixels=channels.as_pixels(pages))


def _array(data: bytes) -> np.ndarray:
    """The array in a .npy file, of which nothing is unpickled."""
    if len(data) > MAX_BYTES:
        format_of(data)  # which says so
    try:
        return read_array(data)
    except UnfoldingError as error:
        raise ImageError(
            "The .npy file is incomplete, damaged or no plain array: write one array of numbers "
            "with numpy.save."
        ) from error


def picture_from_file(path: str | Path) -> Picture:
    """Open a file.

    Raises:
        ImageError: there is no such file, or it is not a picture that can be used.
    """
    return replace(picture_from_bytes(read_picture(path), trusted=True), from_file=True)


def picture_from_image(image: Image.Image) -> Picture:
    """Take over a picture that is open already; it is left as it is.

    Raises:
        ImageError: it is not a picture that can be used.
    """
    rgb = shown(image)
    pixels = f"{rgb.width} × {rgb.height}".encode() + rgb.tobytes()
    return Picture(hashlib.sha256(pixels).hexdigest(), rgb, rgb.info["notes"])


def picture_from_array(pixels: np.ndarray) -> Picture:
    """A picture from its pixels.

    Args:
        pixels: of a photo: RGB (H, W, 3), uint8, or floating point in 0..1, which is rounded to 8
            bits; or grey (H, W) or (H, W, 1), uint8. Else of N channels (H, W, N), uint8, uint16,
            whose 65,535 is taken as 1, or floating point.

    Raises:
        ImageError: it is no such array, or not a picture that can be used.
    """
    colours = pixels.ndim == 3 and pixels.shape[2] == 3
    floating = np.issubdtype(pixels.dtype, np.floating)
    if not (colours and floating) or 0 in pixels.shape:
        taken = channels.as_pixels(pixels)
        if pixels.dtype != np.uint8 or taken.shape[2] not in channels.PHOTOS:
            return _of_channels(pixels)
        pixels = taken[..., 0] if taken.shape[2] == 1 else taken
    else:
        low, high = float(pixels.min()), float(pixels.max())
        if not 0 <= low <= high <= 1:
            raise ImageError(
                f"The array's values go from {low:.3g} to {high:.3g}: give floating point numbers "
                "from 0 to 1, or uint8 from 0 to 255."
            )
        pixels = np.round(pixels * 255).astype(np.uint8)
    return picture_from_image(Image.fromarray(np.ascontiguousarray(pixels)))


def _of_channels(array: np.ndarray) -> Picture:
    """A picture of other channels than a photo's."""
    pixels = channels.as_pixels(array)
    count = pixels.shape[2]
    which = "the first three are shown as red, green and blue" if count >= 3 else "shown in grey"
    if count == 2:
        which = "the first is shown in grey"
    stretched = "" if pixels.dtype == np.uint8 else ", from the lowest to the highest value"
    note = (
        f"It has {count} {'channel' if count == 1 else 'channels'} "
        f"({channels.white_of(array.dtype)}); {which}{stretched}."
    )
    return Picture(
        channels.sha256_of(pixels),
        channels.view(pixels),
        (note,),
        pixels=pixels,
        is_photo=False,
    )


def picture_from_inputs(inputs: "Tensor", image: Image.Image) -> Picture:
    """A picture that is known as the model's input alone.

    Args:
        inputs: (1, C, H, W), normalised.
        image: what it looks like, RGB, (H, W).
    """
    plain = inputs.detach().cpu().contiguous()
    found = hashlib.sha256(f"{tuple(plain.shape)} {plain.dtype}".encode())
    found.update(plain.double().numpy().tobytes())
    return Picture(found.hexdigest(), image, inputs=inputs.detach().clone())


def read_picture(path: str | Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        ImageError: it cannot be read, is no regular file, or is larger than a picture may be.
    """
    try:
        return read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise not_read(str(path), error) from error


def not_read(name: str, error: Exception) -> ImageError:
    """Why the bytes of a picture are not available, as a sentence."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ImageError(
            f"{name} has more than the {MAX_BYTES:,} bytes that are allowed; "
            "make the picture smaller or save it with stronger compression."
        )
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ImageError(f"{name} cannot be read ({reason}): check the path.")
