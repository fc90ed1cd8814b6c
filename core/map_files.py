"""Files of maps: what they are called, and how they are written and read."""

import io
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

MAPS = "maps"
MAP_NAME = re.compile(rf"{MAPS}/[0-9a-f]{{2}}/[0-9a-f]{{64}}(-\d{{1,9}}){{0,2}}\.npz")
MAX_MAPS = 64 * 1000 * 1000  # bytes of a file, packed and unpacked


def as_json(values: Mapping[str, Any], **how: Any) -> bytes:
    """JSON as UTF-8; what is no Unicode, as the name of a folder may be, is escaped."""
    return json.dumps(values, ensure_ascii=False, **how).encode("utf-8", "backslashreplace")


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


def manifest_of(data: bytes) -> dict[str, Any] | None:
    """The manifest in a file of maps; None if it is not one."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = json.loads(bytes(arrays["manifest"]))
    except Exception:  # noqa: BLE001 - a file of unknown origin may fail in many ways
        return None
    return found if isinstance(found, dict) else None
