"""Decodes untrusted picture files to upright sRGB pictures, within limits.

Everything a file can carry besides its pixels (EXIF, GPS, ICC, comments) ends here. Decoders are
written in C: what is not trusted is decoded by a process of its own, which imports no more than
this module does at its start.
"""

import hashlib
import io
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import IO, Any, TypeVar

from PIL import AvifImagePlugin, ExifTags, Image, ImageFile, ImageOps, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import ImageError
from ..files import isolated
from .colours import split_alpha, to_srgb

MAX_BYTES = 20 * 1000 * 1000  # 20 MB, decimal
MAX_PIXELS = 50 * 1000 * 1000  # as stated by the header, before anything is decoded
MAX_VALUES = (
    50 * 1000 * 1000
)  # pixels times channels, of a picture of other channels than a photo's
MAX_ASPECT = 20  # a model resizes the short side to 256: the long one must stay bounded
SMALL_SIDE = 32  # below this, in pixels, a picture is accepted with a note
MAX_TILES = 100_000  # strips or tiles of a TIFF: Pillow needs a second for this many
MAX_SCANS = 100  # of a JPEG; each goes over all pixels, however few bytes it has (10 are usual)
MAX_READS = 600_000  # pieces that a reader may take from a file: some seconds in the worst case
MAX_SECONDS = 10  # of processor time, for reading and decoding

_BASE = 200 * 1000 * 1000  # bytes of memory for Python and Pillow in a process of its own
_EACH = 24  # bytes for a pixel: planes of 16 bits with alpha, and three copies as RGBA
_AVIF_THREADS = 4
_ROWS = 256
SEVERAL = "The file holds more than one picture; only the first is shown."
DEEP = "The picture has more than 8 bits per channel and was scaled to 8."
_UNKNOWN_PIXELS = (
    "The TIFF file has pixels of a kind that cannot be read; write other channels than a photo's "
    "as a page each, of 8 or 16 unsigned bits or of 32 bits floating point, or as .npy."
)

log = logging.getLogger(__name__)

# The readers are called directly: Image.open would warn from 89 megapixels on, and would parse
# the second picture of an MPO (a JPEG from a phone), which is not shown.
_READERS: dict[str, tuple[bytes, type[ImageFile.ImageFile]]] = {
    "JPEG": (rb"\xff\xd8\xff", JpegImageFile),
    "PNG": (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    "WebP": (rb"RIFF.{4}WEBP", WebPImageFile),
    "GIF": (rb"GIF8[79]a", GifImageFile),
    "BMP": (rb"BM", BmpImageFile),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
}
if features.check("avif"):  # mif1 and msf1 are shared with HEIC: AVIF must be a compatible brand
    _READERS["AVIF"] = (rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,12}?avi[fs])", AvifImageFile)
_SCAN = re.compile(rb"\xff\xda\0(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")  # as a decoder accepts it
_FORMATS = ", ".join(list(_READERS)[:-1]) + " or " + list(_READERS)[-1]
Made = TypeVar("Made")
_reading: ContextVar[bool] = ContextVar("_reading", default=False)


class Reader(io.BytesIO):
    """Bytes that can be read so often, and until the thread's processor time is `deadline`.

    The loops of Pillow's readers, and the decoders that do not take the file in one piece, come
    here again and again: what would go on and on ends here, whichever way it was built.
    """

    def __init__(self, data: bytes, deadline: float) -> None:
        """Begin at the first of the bytes; ``deadline`` is as `time.thread_time` counts."""
        super().__init__(data)
        self._deadline = deadline
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes.

        Raises:
            ImageError: it was asked too often, or too late.
        """
        self._reads += 1
        if self._reads > MAX_READS or time.thread_time() > self._deadline:
            raise ImageError(
                "The file takes too long to open, as it has far more parts than its picture needs; "
                "export it as an ordinary JPEG or PNG."
            )
        return super().read(size)


class _PillowWhileReading:
    """Stands where a warnings filter has its module pattern; matches Pillow inside open_image."""

    def match(self, module: str) -> bool:
        return _reading.get() and module.startswith("PIL.")


# Pillow warns about odd files (a corrupt tag, a bad frame count). catch_warnings is not thread
# safe, so one lasting filter ignores them, only in a thread that is in open_image at that moment.
_QUIET: Any = ("ignore", None, Warning, _PillowWhileReading(), 0)


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def open_image(data: bytes, *, trusted: bool = False) -> Image.Image:
    """Decode the first frame of a picture file as an upright, opaque sRGB picture.

    Args:
        data: the file.
        trusted: whether it is a file of this machine's own: it is decoded in this process, which
            takes 80 ms less, and which a fault in a decoder would end. An AVIF never is: only its
            decoder finds out how many pixels it holds, 1,300 bytes can ask for gigabytes.

    Returns:
        A picture of mode RGB, (width, height) after EXIF orientation, 8 bits a channel, whose
        `info` is exactly `{"notes": tuple[str, ...]}`: sentences on what was changed, none if
        nothing.

    Raises:
        ImageError: the bytes are not such a picture, or over a limit.
        ResourceError: no process can be started for it.
    """
    name = format_of(data)
    if trusted and name != "AVIF":
        return _opened(data, name)
    told, pixels = apart(f"{__name__}:packed", data, name, 3 * MAX_PIXELS)
    image = Image.frombytes("RGB", tuple(told["size"]), pixels)
    image.info = {"notes": tuple(told["notes"])}
    return image


def grey16(data: bytes, size: tuple[int, int]) -> bytes:
    """The pixels of an untrusted PNG of 16-bit greys: little-endian uint16, row by row.

    Raises:
        ImageError: it is no such picture of this size, (width, height).
    """
    parser = f"{__name__}:packed_grey16"
    return bytes(apart(parser, data, "PNG", 2 * MAX_PIXELS, *size)[1])


def apart(
    parser: str, data: bytes, name: str, output: int, *arguments: int
) -> tuple[Any, bytearray]:
    """What a parser makes of a `name` file in a process of its own, of at most `output` bytes.

    Raises:
        ImageError: the parser raised it, crashed or was over a limit.
        ResourceError: no process can be started for it.
    """
    limits = isolated.Limits(_BASE + _EACH * MAX_PIXELS, MAX_SECONDS + 2, output)
    try:
        return isolated.run(parser, data, limits, *arguments)
    except isolated.StoppedError as error:
        log.info("refused a %s file: %s", name, error)
        raise ImageError(_damaged(name)) from error


def packed(file: IO[bytes]) -> isolated.Parsed:
    """Decode a picture with as much memory as its stated size is worth, for `open_image`."""
    data = file.read()
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(_AVIF_THREADS, os.cpu_count() or 1)
    image = _opened(data, format_of(data), isolated.allow)

    def write(out: IO[bytes]) -> None:
        for top in range(0, image.height, _ROWS):
            rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
            out.write(rows.tobytes())

    return {"size": image.size, "notes": image.info["notes"]}, write


def packed_grey16(file: IO[bytes], width: int, height: int) -> isolated.Parsed:
    """Decode a PNG, for `grey16`."""
    png = PngImageFile(io.BytesIO(file.read()))
    if (png.size, png.mode) != ((width, height), "I;16"):
        raise ImageError("The picture is of another size or kind.")
    pixels = png.tobytes()
    return None, lambda out: out.write(pixels)


def format_of(data: bytes) -> str:
    """Which reader is for a file, by its first bytes.

    Raises:
        ImageError: there is none, or the file is empty or too large.
    """
    if not data:
        raise ImageError(f"The file is empty; choose a {_FORMATS} picture.")
    if len(data) > MAX_BYTES:
        raise ImageError(
            f"The file has {len(data):,} bytes and at most {MAX_BYTES:,} are allowed; "
            "make the picture smaller or save it with stronger compression."
        )
    name = next((n for n, (mark, _) in _READERS.items() if re.match(mark, data, re.S)), None)
    if name is None:
        raise ImageError(f"The file is not a picture of a known format; save it as {_FORMATS}.")
    return name


def _opened(data: bytes, name: str, allow: Callable[[int], object] = lambda _: None) -> Image.Image:
    """Decode a `name` file in this process; ``allow`` is told what memory its size is worth."""
    return quietly(name, lambda: _decode(data, name, allow))


def quietly(name: str, decode: Callable[[], Made]) -> Made:
    """Run a decoder of a `name` file in this process, without Pillow's warnings.

    Raises:
        ImageError: the decoder raised it, or anything else.
    """
    if _QUIET not in warnings.filters[:1]:  # the first call, or somebody added a filter since
        others = [f for f in warnings.filters if f != _QUIET]
        warnings.filters[:] = [_QUIET, *others]  # type: ignore[index]
    token = _reading.set(True)
    try:
        return decode()
    except ImageError:
        raise
    except Image.DecompressionBombError as error:  # a reader's own limit, above ours
        raise ImageError(_too_many_pixels("far more")) from error
    except Exception as error:  # decoders of untrusted bytes may raise anything
        log.info("refused a %s file", name, exc_info=True)
        if str(error) == "unknown pixel mode":  # of a TIFF
            raise ImageError(_UNKNOWN_PIXELS) from error
        raise ImageError(_damaged(name)) from error
    finally:
        _reading.reset(token)


def _damaged(name: str) -> str:
    return (
        f"The {name} file is incomplete, damaged or of an unusual kind; "
        "get it again, or export it as an ordinary JPEG or PNG."
    )


def _too_many_pixels(count: str) -> str:
    limit = f"{MAX_PIXELS / 1e6:g} megapixels"
    return f"The picture has {count} pixels and at most {limit} are allowed; make it smaller first."


def _decode(data: bytes, name: str, allow: Callable[[int], object]) -> Image.Image:
    """Check the header of a `name` file, then decode it into what open_image promises."""
    deadline = time.thread_time() + MAX_SECONDS
    if name == "JPEG" and len(_SCAN.findall(data)) > MAX_SCANS:
        raise ValueError("too many scans")
    file = _READERS[name][1](Reader(data, deadline))
    _check(file)
    width, height = file.size
    check_tiles(file)
    allow(room(width, height))
    notes = _frame_notes(file, Reader(data, deadline), name)
    raw = repr(file.tile) if name in ("PNG", "TIFF") else ""  # tells the pixel layout in the file
    if ";16" in raw or ";12" in raw:
        notes.append(DEEP)
    file.load()
    file.fp = None  # for an AVIF a copy of all pixels
    turn = _orientation(file)  # a TIFF has been turned by load
    profile = file.info.get("icc_profile")
    colours, alpha = split_alpha(file, raw)
    del file  # as soon as it is not needed: four copies of 50 megapixels are 800 MB
    rgb = to_srgb(colours, profile, notes)
    del colours
    if alpha is not None:
        rgb = _on_white(rgb, alpha, notes)
    del alpha
    return _upright(rgb, turn, notes)


def shown(image: Image.Image) -> Image.Image:
    """A picture that is open already, as `open_image` gives it; the original is left as it is.

    Args:
        image: of any mode; of several frames, the one that it is at.

    Raises:
        ImageError: it cannot be decoded, or is over a limit.
    """
    if min(image.size) < 1:
        raise ImageError(f"The picture is {image.width} × {image.height} pixels: it has none.")
    _check(image)
    try:
        image.load()
        turn, notes = _orientation(image), [DEEP] if image.mode.startswith("I;16") else []
        colours, alpha = split_alpha(image.copy(), "")
        rgb = to_srgb(colours, image.info.get("icc_profile"), notes)
    except Exception as error:  # a file that is read only now may hold anything
        log.info("refused an opened picture", exc_info=True)
        raise ImageError(
            f"The picture cannot be decoded ({error}): open its file again."
        ) from error
    if alpha is not None:
        rgb = _on_white(rgb, alpha, notes)
    return _upright(rgb.copy() if rgb is image else rgb, turn, notes)


def room(width: int, height: int) -> int:
    """How many bytes of memory a process may take for a picture of this size."""
    return _BASE + _EACH * width * height


def check_tiles(file: ImageFile.ImageFile) -> None:
    """Accept the pieces of a picture, before any is decoded.

    Raises:
        ValueError: they are too many, or one is too large.
    """
    if len(file.tile) > MAX_TILES:
        raise ValueError(f"{len(file.tile)} tiles")
    if isinstance(file, TiffImageFile):  # room is made for a whole tile, however little is shown
        tags: Any = file.tag_v2
        if int(tags.get(322, 0)) * int(tags.get(323, 0)) > MAX_PIXELS:
            raise ValueError("a tile is larger than any picture may be")


def check_size(width: int, height: int) -> None:
    """Accept the size of a picture, before anything is decoded.

    Raises:
        ImageError: it is over a limit.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(_too_many_pixels(f"{width} × {height}"))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"The picture is {width} × {height} pixels and its long side may be at most "
            f"{MAX_ASPECT} times its short side; crop it first."
        )


def _check(image: Image.Image) -> None:
    """Accept size and mode, before anything is decoded."""
    check_size(*image.size)
    if image.mode in ("I", "F"):
        raise ImageError(
            "The picture has signed, 32-bit or floating-point values and does not say which is "
            "white, while 8 or 16 unsigned bits per channel are allowed; export it as one of these."
        )


def _orientation(image: Image.Image) -> int:
    """How a picture is to be turned, as EXIF counts."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # untrusted metadata, and the pixels are fine without it
        log.info("ignored broken EXIF data", exc_info=True)
        return 1


def _on_white(rgb: Image.Image, alpha: Image.Image, notes: list[str]) -> Image.Image:
    if alpha.getextrema() == (255, 255):
        return rgb
    paper = Image.new("RGB", rgb.size, "white")
    paper.paste(rgb, mask=alpha)
    notes.append("Its transparent parts were laid on white.")
    return paper


def _upright(rgb: Image.Image, turn: int, notes: list[str]) -> Image.Image:
    """Turn a picture, in place, and give it its notes."""
    rgb.info = {}
    if turn in range(2, 9):  # alone in new EXIF data, where nothing else can fail
        rgb.getexif()[ExifTags.Base.Orientation] = turn
        ImageOps.exif_transpose(rgb, in_place=True)
    if min(rgb.size) < SMALL_SIDE:
        notes.append(f"It is only {rgb.width} × {rgb.height} pixels: expect little from it.")
    rgb.info = {"notes": tuple(notes)}
    return rgb


def _frame_notes(file: ImageFile.ImageFile, again: Reader, name: str) -> list[str]:
    """Return a note if there is more than the frame shown; `again` reads the same file anew."""
    frames = getattr(file, "n_frames", 1) if name in ("PNG", "WebP", "AVIF") else 1
    if name == "GIF":  # counted on a second reader: counting moves on
        try:
            frames = GifImageFile(again).n_frames
        except ImageError:  # too many to be counted
            frames = 0
        except Exception:  # damage behind the first frame does not matter here
            log.debug("could not count the frames", exc_info=True)
    if frames > 1:
        return [f"The file is animated; the first of {frames} frames is shown."]
    # The pages of a TIFF are not counted: Pillow takes quadratic time for that. "mp" marks an MPO.
    if frames == 0 or "mp" in file.info or (name == "TIFF" and getattr(file, "is_animated", False)):
        return [SEVERAL]
    return []
