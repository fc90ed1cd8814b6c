"""Map files of a folder run: names, writing and reading."""

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..files.untrusted import UnfoldingError, read_array, read_json, unzip
from ..text import as_json

MAPS = "maps"
FAILED = "failed"
"""In a manifest, why there is no map, by method; only where one is missing."""
MAP_NAME = re.compile(rf"{MAPS}/[0-9a-f]{{2}}/[0-9a-f]{{64}}(-\d{{1,9}}){{0,2}}\.npz")
MAX_MAPS = 64 * 1000 * 1000  # bytes of a file, packed and unpacked
_MOST_MEMBERS = 64


def map_file(maps: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> bytes:
    """Maps by method, float32 (H, W), and their manifest, as a compressed ``.npz``.

    ``json.loads(bytes(numpy.load(file)["manifest"]))`` reads the manifest. The same maps give the
    same bytes.
    """
    text = as_json(manifest, sort_keys=True)
    arrays = {**maps, "manifest": np.frombuffer(text, np.uint8)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpacked(data: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The maps in a file of unknown origin, as ``.npy`` files by method, and their manifest.

    Raises:
        UnfoldingError: it is damaged, too large or something else.
    """
    members = unzip(data, _MOST_MEMBERS, MAX_MAPS)
    maps = {name.removesuffix(".npy"): content for name, content in members.items()}
    text = read_array(maps.pop("manifest", b"")).tobytes()
    manifest = read_json(text, MAX_MAPS, file_names=True)
    if not isinstance(manifest, dict):
        raise UnfoldingError("its manifest is none of ours")
    return maps, manifest


def manifest_of(data: bytes) -> dict[str, Any] | None:
    """The manifest in a file of maps; None if it is not one."""
    try:
        return unpacked(data)[1]
    except UnfoldingError:
        return None
