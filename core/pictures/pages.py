"""Reads the pages of a TIFF as the channels of one picture.

As `core.pictures.images`, it is imported by the process that decodes an upload, which needs no
NumPy for it.
"""

import io
import sys
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from PIL.TiffImagePlugin import TiffImageFile

from ..files import isolated
from .images import MAX_SECONDS, MAX_VALUES, Reader, apart, check_tiles, format_of, quietly, room

if TYPE_CHECKING:
    import numpy as np

_TYPES = {"L": "|u1", "I;16": "<u2", "I;16B": ">u2", "F": "=f4"}
_MOST_PAGES = 512
_PHOTOMETRIC, _ZERO_IS_WHITE = 262, 0


def open_pages(data: bytes, *, trusted: bool = False) -> "np.ndarray | None":
    """The pages of a TIFF, in order.

    Args:
        data: the file.
        trusted: as for `core.pictures.images.open_image`.

    Returns:
        (H, W, pages), upright, uint8, uint16 or float32. None where there are no several pages of
        one channel each, all of one size and kind and within the limits: then at most the first
        of them is a picture.

    Raises:
        ImageError: the file is damaged, or over a limit.
        ResourceError: no process can be started for it.
    """
    if format_of(data) != "TIFF":
        return None
    if trusted:
        held = io.BytesIO()
        told = quietly("TIFF", lambda: _decoded(data, held))
        values: Any = held.getbuffer()
    else:
        told, values = apart(f"{__name__}:packed_pages", data, "TIFF", 4 * MAX_VALUES)
    if told is None:
        return None
    import numpy as np

    pages = np.frombuffer(values, told["type"]).reshape(told["shape"])
    if told["inverted"]:
        pages = 65535 - pages
    return np.ascontiguousarray(pages.transpose(1, 2, 0)).astype(pages.dtype.newbyteorder("="))


def packed_pages(file: IO[bytes]) -> isolated.Parsed:
    """Decode the pages with as much memory as one of them is worth, for `open_pages`."""
    return quietly("TIFF", lambda: _parsed(file.read(), isolated.allow))


def _decoded(data: bytes, out: IO[bytes]) -> Any:
    """Decode the pages in this process."""
    told, write = _parsed(data, lambda _: None)
    write(out)
    return told


def _parsed(data: bytes, allow: Callable[[int], object]) -> isolated.Parsed:
    """What the pages are, and what writes their numbers; ``allow`` is told what memory it takes."""
    tiff = TiffImageFile(Reader(data, time.thread_time() + MAX_SECONDS))
    (width, height), kind = tiff.size, _kind(tiff)
    count = 1
    while kind is not None and count * width * height <= MAX_VALUES and count <= _MOST_PAGES:
        try:
            tiff.seek(count)
        except EOFError:
            break
        if (tiff.size, _kind(tiff)) != ((width, height), kind):
            kind = None
        count += 1
    if kind is None or count == 1 or count > _MOST_PAGES or count * width * height > MAX_VALUES:
        return None, lambda _: None
    allow(room(width, height))
    found, photometric = kind

    def write(out: IO[bytes]) -> None:
        for number in range(count):
            tiff.seek(number)
            check_tiles(tiff)
            out.write(tiff.tobytes())

    return {
        "type": found,
        "shape": (count, height, width),
        "inverted": photometric == _ZERO_IS_WHITE and found.endswith("u2"),
    }, write


def _kind(page: TiffImageFile) -> tuple[str, int] | None:
    """NumPy's type of the numbers of a page, and what they mean; None for others than expected."""
    found, layout = _TYPES.get(page.mode), repr(page.tile)
    if found is None or ";12" in layout or ";64" in layout:
        return None
    if "libtiff" in layout and "BF" in layout:  # in this order already, and Pillow turns them again
        found = ">f4" if sys.byteorder == "little" else "=f4"
    return found, int(page.tag_v2.get(_PHOTOMETRIC, 1))
