"""A picture as the rest of the house hands it round: opened, and known by its digest."""

import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from core.errors import ImageError
from core.images import digest, open_image


@dataclass(frozen=True)
class Picture:
    """A photo that was opened safely.

    Attributes:
        sha256: hex digest of the bytes; pictures are equal when their bytes are.
        image: RGB, upright.
        notes: sentences on what was changed on opening it (first frame of an animation, ...).
    """

    sha256: str
    image: Image.Image = field(compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def thumbnail(self, side: int) -> bytes:
        """The centred square, ``side`` pixels wide, as PNG."""
        buffer = io.BytesIO()
        ImageOps.fit(self.image, (side, side)).save(buffer, "PNG")
        return buffer.getvalue()


def picture_from_bytes(data: bytes) -> Picture:
    """Open an upload.

    Raises:
        ImageError: the bytes are not a picture that can be used.
    """
    image = open_image(data)
    return Picture(digest(data), image, image.info["notes"])


def picture_from_file(path: str | Path) -> Picture:
    """Open a file.

    Raises:
        ImageError: there is no such file, or it is not a picture that can be used.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    return picture_from_bytes(data)
