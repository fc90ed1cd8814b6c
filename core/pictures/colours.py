"""Converts a decoded picture of any mode and colour profile to 8-bit sRGB.

Imported by the process that decodes an upload: NumPy, which would double what that costs, is loaded
only for the pictures that need it.
"""

import io
import logging
from typing import Any

from PIL import Image, ImageCms

log = logging.getLogger(__name__)


def split_alpha(file: Image.Image, raw: str) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours (8 bits, any mode without alpha) and alpha (mode L) or None if opaque."""
    key = file.info.get("transparency")  # the transparent value, or a palette's alphas
    if file.mode.startswith("I;16"):
        import numpy as np

        values = np.asarray(file)
        white = 4095 if "I;12" in raw else 65535
        # A table: arithmetic on the whole picture would need several times its memory.
        table = np.minimum((np.arange(65536) * 255 + white // 2) // white, 255).astype(np.uint8)
        if getattr(file, "tag_v2", {}).get(262) == 0:  # TIFF with 0 as white: Pillow leaves it so
            table = 255 - table
        mask = None if key is None else Image.fromarray((values != key) * np.uint8(255))
        return Image.fromarray(table[values]), mask
    # Pillow scales the pixels of a PNG to 8 bits, but not this value.
    if key is not None and file.mode == "RGB" and ";16" in raw:
        file.info["transparency"] = tuple(v >> 8 for v in key)
    elif key is not None and file.mode == "L":
        file.info["transparency"] = key * (85 if "L;2" in raw else 17 if "L;4" in raw else 1)
    image: Image.Image = file
    if key is not None or file.mode in ("P", "PA", "La", "RGBa"):
        image = file.convert("LA" if file.mode in ("1", "L", "La") else "RGBA")
    if image.mode not in ("LA", "RGBA"):
        return image, None
    return image.convert("L" if image.mode == "LA" else "RGB"), image.getchannel("A")


def to_srgb(colours: Image.Image, profile: Any, notes: list[str]) -> Image.Image:
    """Convert to mode RGB, through the ICC profile if it is readable and fits the colours."""
    if colours.mode == "CMYK":
        notes.append("Its print colours (CMYK) were converted to RGB and may look different.")
    if profile and colours.mode in ("L", "RGB", "CMYK"):
        try:
            source = ImageCms.getOpenProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            if space == "RGB" and colours.mode == "L":  # grey, written with a colour profile
                colours = colours.convert("RGB")
            known = "srgb" in (source.profile.profile_description or "").lower()
            if not known and space == {"L": "GRAY"}.get(colours.mode, colours.mode):
                srgb = ImageCms.createProfile("sRGB")
                done = ImageCms.profileToProfile(colours, source, srgb, outputMode="RGB")
                notes.append("Its colours were converted from its own profile to sRGB.")
                return done or colours.convert("RGB")
        except Exception:  # untrusted metadata, and the pixels are fine without it
            log.info("ignored a broken ICC profile", exc_info=True)
    return colours.convert("RGB")
