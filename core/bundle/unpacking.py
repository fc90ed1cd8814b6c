"""Unpacks the untrusted bytes of a bundle into its manifest and files, within limits.

Nothing is written to disk and nothing is unpickled. Names, kinds, numbers and sizes of the entries
are checked before any of them is read, and the manifest's shape before any of it is used; what
unfolds is bounded by `core.files.untrusted`.
"""

import re
import stat
import zipfile
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..errors import BundleError
from ..files.untrusted import UnfoldingError, read_array, read_json, unzip
from ..text import quoted
from .exhibits import MOST_EXHIBITS, MOST_MAPS
from .limits import MAX_FILES, MAX_MANIFEST, MAX_PACKED, MAX_UNPACKED
from .manifest import FORMAT, NAME, Json

_WAY_OUT = "take the file as `explain --bundle` or the page wrote it."
_NAME = re.compile(r"[\w.-]{1,120}(/[\w.-]{1,120}){0,3}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")

# The manifest's shape: types, lists of one kind, and mappings with at least these keys.
_MAYBE_NUMBER = (float, int, type(None))
_SHAPE: Json = {
    "format": str,
    "exhibits": [
        {
            "picture": {
                "name": str,
                "sha256": str,
                "size": [int],
                "region": [(float, int)],
                "seen": str,
                "photo": (str, type(None)),
                "photo_exact": bool,
                "original": (str, type(None)),
            },
            "model": {"name": str, "weights_sha256": str, "device": str, "preprocessing": dict},
            "top": [{"index": int, "name": str, "probability": _MAYBE_NUMBER, "logit": float}],
            "maps": [
                {
                    "title": str,
                    "method": str,
                    "settings": dict,
                    "question": {"target": int, "contrast": (int, type(None)), "kind": str},
                    "units": str,
                    "target_name": str,
                    "score_change": _MAYBE_NUMBER,
                    "completeness_gap": _MAYBE_NUMBER,
                    "values": str,
                    "grey16": {"file": str, "black": (float, int), "white": (float, int)},
                }
            ],
        }
    ],
    "versions": dict,
    "files": dict,
    "digests": dict,
}
_MAY_BE_NULL = ("manifest.exhibits.picture.region",)
_AGREEMENT: Json = {"windows": int, "difference": (float, int)}  # absent from older bundles


@dataclass(frozen=True)
class Unpacked:
    """A bundle in memory.

    Attributes:
        manifest: of the shape that `core.bundle.manifest` writes.
        files: contents by name, the manifest not among them; all are listed in it, but it may list
            more.
    """

    manifest: Json
    files: dict[str, bytes]


def unpack(data: bytes) -> Unpacked:
    """Open a bundle.

    Raises:
        BundleError: it is none, or too large, or holds what no bundle holds.
    """
    if len(data) > MAX_PACKED:
        raise BundleError(
            f"The file has {len(data):,} bytes and a bundle has at most {MAX_PACKED:,}: {_WAY_OUT}"
        )
    try:
        files = unzip(data, MAX_FILES, MAX_UNPACKED, _check_entry)
    except UnfoldingError as error:
        raise BundleError(f"The file cannot be read as a bundle ({error}): {_WAY_OUT}") from error
    if NAME not in files:
        raise BundleError(f"The file has no {NAME}, so it is not a bundle: {_WAY_OUT}")
    manifest = _manifest(files.pop(NAME))
    foreign = sorted(files.keys() - manifest["files"].keys())
    if foreign:
        raise BundleError(
            f"The bundle holds {quoted(foreign[0])}, which its manifest does not list: {_WAY_OUT}"
        )
    return Unpacked(manifest, files)


def array(data: bytes, dtype: type[np.generic], shape: tuple[int, int]) -> np.ndarray:
    """The content of a ``.npy`` file that must be of this type and shape.

    Raises:
        BundleError: it is not.
    """
    try:
        values = read_array(data)
        if (values.shape, values.dtype, values.flags.c_contiguous) != (
            shape,
            np.dtype(dtype),
            True,
        ):
            raise ValueError(f"it is {values.dtype} {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("values that are not finite")
    except ValueError as error:
        raise BundleError(
            f"A map in the bundle is not the {shape[0]} × {shape[1]} numbers that it should be: "
            f"{_WAY_OUT}"
        ) from error
    return values


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse what could do harm when read or written, by what the zip says of it."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not _NAME.fullmatch(entry.filename) or {"", ".", ".."} & set(entry.filename.split("/")):
        raise BundleError(
            f"The bundle holds a file called {quoted(entry.filename)}, a name that no bundle "
            f"uses: {_WAY_OUT}"
        )
    if kind not in (0, stat.S_IFREG):
        raise BundleError(f"{quoted(entry.filename)} in the bundle is no ordinary file: {_WAY_OUT}")


def _manifest(data: bytes) -> Json:
    try:
        found = read_json(data, MAX_MANIFEST)
    except UnfoldingError as error:
        raise BundleError(
            f"The bundle's {NAME} is not readable JSON, {error}: {_WAY_OUT}"
        ) from error
    if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
        raise BundleError(
            f"The bundle is of the kind {quoted(str(found['format']))}; this program reads "
            f"{FORMAT}: use the version that made it."
        )
    _check_shape(found, _SHAPE, "manifest")
    exhibits = found["exhibits"]
    if not 1 <= len(exhibits) <= MOST_EXHIBITS:
        _wrong("manifest.exhibits")
    for exhibit in exhibits:
        region, size = exhibit["picture"]["region"], exhibit["picture"]["size"]
        if len(size) != 2 or (region is not None and len(region) != 4):
            _wrong("manifest.exhibits.picture")
        if not 1 <= len(exhibit["maps"]) <= MOST_MAPS or not exhibit["top"]:
            _wrong("manifest.exhibits.maps")
        for entry in exhibit["maps"]:
            if entry.get("agreement") is not None:
                _check_shape(entry["agreement"], _AGREEMENT, "manifest.exhibits.maps.agreement")
    for name, digest in found["files"].items():
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            _wrong(f"manifest.files.{name}")
    return found


def _check_shape(found: object, shape: Any, place: str) -> None:
    if isinstance(shape, dict):
        if not isinstance(found, dict):
            _wrong(place)
        for key, inner in shape.items():
            if key not in found:
                _wrong(f"{place}.{key}")
            _check_shape(found[key], inner, f"{place}.{key}")
    elif isinstance(shape, list):
        if found is None and place in _MAY_BE_NULL:
            return
        if not isinstance(found, list):
            _wrong(place)
        for each in found:
            _check_shape(each, shape[0], place)
    else:
        allowed = shape if isinstance(shape, tuple) else (shape,)
        if not isinstance(found, allowed) or (isinstance(found, bool) and bool not in allowed):
            _wrong(place)


def _wrong(place: str) -> NoReturn:
    raise BundleError(
        f"The bundle's {NAME} does not have what it should at {quoted(place)}: {_WAY_OUT}"
    )
