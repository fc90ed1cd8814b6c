"""Writing results: each file appears whole, or not at all."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import SettingError
from core.panel import DPI


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays by name, as a compressed ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def png(drawn: Image.Image) -> bytes:
    """A panel as a PNG file that says its resolution."""
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    """Write files by name; each appears, or replaces an older one, whole, once all are prepared.

    Raises:
        SettingError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="writing-") as place:
            for name, data in files.items():
                Path(place, name).write_bytes(data)
            return [Path(place, name).replace(folder / name) for name in files]
    except OSError as error:
        raise SettingError(
            f"The files cannot be written to {folder} ({error.strerror}): choose another folder."
        ) from error
