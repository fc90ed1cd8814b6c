"""A picture as the rest of the house hands it round: opened, and known by its digest."""

import errno
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageOps

from core.errors import ImageError, SettingError
from core.files import read_bytes
from core.images import MAX_BYTES, digest, open_image
from core.preprocessing import Box

_SMALLEST_REGION = 16  # pixels of the photo


@dataclass(frozen=True)
class Picture:
    """A photo that was opened safely, and the part of it that the model is to see.

    Pictures are equal when their bytes and their regions are.

    Attributes:
        sha256: hex digest of the bytes.
        region: a square of the photo, in its pixels; None for the model's own centre crop.
        image: RGB, upright.
        notes: sentences on what was changed on opening it (first frame of an animation, ...).
        from_file: whether it is a file of this machine; what belongs to an upload is kept in memory
            only.
    """

    sha256: str
    image: Image.Image = field(compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    region: Box | None = None
    from_file: bool = field(default=False, compare=False)

    @property
    def key(self) -> tuple[str, Box | None]:
        """What tells this picture from others, without its pixels: for caches."""
        return self.sha256, self.region

    def cropped(self, region: Box) -> "Picture":
        """The same photo with another region.

        Raises:
            SettingError: the region is not a square inside the photo, at least 16 pixels wide.
        """
        left, top, right, bottom = region
        width, height = self.image.size
        smallest = min(_SMALLEST_REGION, width, height)
        inside = 0 <= left <= right <= width and 0 <= top <= bottom <= height
        square = abs((right - left) - (bottom - top)) < 0.5
        if not (inside and square and right - left > smallest - 0.5):
            edges = ", ".join(f"{edge:.0f}" for edge in region)
            raise SettingError(
                f"The crop ({edges}) cannot be used: choose a square "
                f"of at least {smallest} pixels inside the photo of {width} × {height}."
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
    image = open_image(data, trusted=trusted)
    return Picture(digest(data), image, image.info["notes"])


def picture_from_file(path: str | Path) -> Picture:
    """Open a file.

    Raises:
        ImageError: there is no such file, or it is not a picture that can be used.
    """
    return replace(picture_from_bytes(read_picture(path), trusted=True), from_file=True)


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
    """Why the bytes of a picture cannot be had, as a sentence."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ImageError(
            f"{name} has more than the {MAX_BYTES:,} bytes that are allowed; "
            "make the picture smaller or save it with stronger compression."
        )
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ImageError(f"{name} cannot be read ({reason}): check the path.")
