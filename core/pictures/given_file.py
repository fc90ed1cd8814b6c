"""The files of maps made elsewhere: .npy, .npz and PNGs of greys.

An upload is parsed in a process of its own, and nothing in a file is unpickled.
"""

import io
from pathlib import Path
from typing import IO, get_args

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from ..errors import MapError, UserError
from ..files import isolated
from ..files.io import read_bytes
from ..files.untrusted import UnfoldingError, read_array, unzip
from ..text import plain
from .given_map import Channels, GivenMap, one_channel
from .images import MAX_PIXELS

MAX_MAP_BYTES = 100 * 1000 * 1000
"""Of a file, as it is and unpacked."""

_WAYS: tuple[Channels | None, ...] = (None, *get_args(Channels))
_MOST_MEMBERS = 64
_BASE = 300 * 1000 * 1000  # bytes of memory for Python, NumPy and Pillow
_SECONDS = 20
_OURS = "values"  # in files that this program writes
_NPY, _ZIP, _PNG = b"\x93NUMPY", b"PK\3\4", b"\x89PNG\r\n\x1a\n"
_GREY = {"1", "L", "I;16", "I"}


def read_given_map(path: str | Path, channels: Channels | None = None) -> GivenMap:
    """Open the file of a map, one of this machine's own.

    Raises:
        MapError: it cannot be read, or as by `open_given_map`.
    """
    try:
        data = read_bytes(path, MAX_MAP_BYTES)
    except OSError as error:
        raise MapError(
            f"The map {plain(str(path))} cannot be read ({error.strerror}): give a .npy, .npz or "
            f"PNG file of at most {MAX_MAP_BYTES:,} bytes."
        ) from error
    return open_given_map(data, channels, trusted=True)


def open_given_map(
    data: bytes, channels: Channels | None = None, *, trusted: bool = False
) -> GivenMap:
    """Read a .npy, .npz or PNG file.

    Args:
        data: the file. A .npz holds one array, or one called ``values``; a PNG holds greys.
        channels: as for `core.pictures.given_map.map_from_array`.
        trusted: whether it is a file of this machine's own; any other is read in a process of its
            own.

    Raises:
        MapError: it is no such file or damaged, over a limit, or its values cannot be used.
        ResourceError: this machine cannot start another process now.
    """
    if len(data) > MAX_MAP_BYTES:
        raise MapError(
            f"The map has {len(data):,} bytes and at most {MAX_MAP_BYTES:,} are allowed: make it "
            "smaller."
        )
    limits = isolated.Limits(_BASE + 8 * MAX_MAP_BYTES, _SECONDS, 4 * MAX_PIXELS)
    way = _WAYS.index(channels)
    try:
        if trusted:
            values, notes = _read(data, channels)
            return GivenMap(values, _is_png(data), notes)
        told, pixels = isolated.run(f"{__name__}:packed", data, limits, way)
    except UserError:
        raise
    except Exception as error:  # Pillow has many ways to say it; or the process was stopped
        raise MapError(
            "The map's file is damaged or of an unusual kind: save one array with numpy.save."
        ) from error
    values = np.frombuffer(bytes(pixels), np.float32).reshape(told["shape"])
    return GivenMap(values, told["order_only"], tuple(told["notes"]))


def packed(file: IO[bytes], way: int) -> isolated.Parsed:
    """Read the file of a map into float32 values, for `open_given_map`."""
    data = file.read()
    values, notes = _read(data, _WAYS[way])
    told = {"shape": values.shape, "order_only": _is_png(data), "notes": notes}
    return told, lambda out: out.write(values.tobytes())


def _read(data: bytes, channels: Channels | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of a file, and what has to be said of them."""
    if _is_png(data):
        return _png(data)
    if data.startswith((_NPY, _ZIP)):
        return one_channel(_array(data), channels), ()
    raise MapError("The map's file is neither .npy nor .npz nor PNG: save it as one of these.")


def _is_png(data: bytes) -> bool:
    return data.startswith(_PNG)


def _array(data: bytes) -> np.ndarray:
    """The array of a .npy file, or the one that a .npz file is about."""
    try:
        if data.startswith(_NPY):
            return read_array(data)
        files = unzip(data, _MOST_MEMBERS, MAX_MAP_BYTES)
    except UnfoldingError as error:
        raise MapError(
            f"The map's file cannot be used, since {error}: save one array of numbers with "
            "numpy.save."
        ) from error
    names = [name.removesuffix(".npy") for name in files]
    if len(names) != 1 and _OURS not in names:
        listed = ", ".join(map(plain, names[:5]))
        raise MapError(
            f"The .npz holds {len(names)} arrays ({listed}): save one alone, or call it {_OURS}."
        )
    chosen = f"{_OURS}.npy" if _OURS in names else next(iter(files))
    try:
        return read_array(files[chosen])
    except (UnfoldingError, KeyError) as error:
        raise MapError(
            "The .npz holds no array that can be read: save one array of numbers with numpy.savez."
        ) from error


def _png(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """The greys of a PNG as 0..1 of its range, and what is lost in it."""
    png = PngImageFile(io.BytesIO(data))
    if png.width * png.height > MAX_PIXELS:
        raise MapError(f"The map has more than {MAX_PIXELS / 1e6:g} megapixels: make it smaller.")
    png.load()
    if png.mode in _GREY:
        if "transparency" in png.info:
            raise MapError(
                "The PNG has a grey that stands for transparent, which has no value: save greys "
                "alone, or the array as .npy."
            )
        grey = np.asarray(png)
    else:
        colours = np.asarray(png.convert("RGBA"))
        if (colours[..., 3] < 255).any():
            raise MapError(
                "The PNG has transparent parts, which have no value: save greys alone, or the "
                "array as .npy."
            )
        grey = colours[..., 0]
        if (colours[..., :3] != grey[..., None]).any():
            raise MapError(
                "The PNG is in colours, from which the values of a map cannot be read back: save "
                "the array as .npy, or a PNG of greys."
            )
    deep = png.mode in ("I;16", "I")
    most = 65535 if deep else 1 if png.mode == "1" else 255
    values = one_channel(grey.astype(np.float32) / np.float32(most), None)
    if values.min() == values.max():
        raise MapError("The PNG has one grey everywhere, so it orders nothing: give another map.")
    steps = len(np.unique(values))
    note = (
        f"The PNG holds {steps:,} greys and no scale: only the order of its values counts, so "
        "neither its unit nor where zero is can be known."
    )
    return values, (note,)
