"""Renders maps as colours: colour maps, scales, overlays on the picture, colour bars.

Signed maps are centred on zero and positive ones begin there. In overlays, values near zero are
transparent.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from PIL import Image

from ..errors import SettingError

Sign = Literal["all", "positive", "negative", "absolute"]
SIGNS: tuple[Sign, ...] = get_args(Sign)

# Matplotlib's names; all are safe for the colour-blind. Diverging ones have zero in the middle.
COLOUR_MAPS: dict[str, str] = {
    "red-blue": "RdBu_r",
    "purple-green": "PRGn_r",
    "viridis": "viridis",
    "cividis": "cividis",
    "reds": "Reds",
    "blues": "Blues",
    "greys": "Greys",
}
SIGMA = 3.0
"""Pixels: how far around each pixel the page sums maps of single pixels, to show them."""

_DIVERGING = ("red-blue", "purple-green")


@dataclass(frozen=True)
class Display:
    """How maps are shown; changes no number.

    Attributes:
        sign: which values are shown.
        colour_map: a key of `COLOUR_MAPS`. On maps of one sign, half of a diverging one.
        opacity: of the strongest value over the picture, 0..1.
        outlier_percent: the scale ends where this share of the total (Captum's ``outlier_perc``) is
            left above it, 0..50.
    """

    sign: Sign = "all"
    colour_map: str = "red-blue"
    opacity: float = 0.85
    outlier_percent: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: a display setting is out of its range.
        """
        if self.sign not in SIGNS:
            raise SettingError(f'There is no sign "{self.sign}": choose one of {", ".join(SIGNS)}.')
        if self.colour_map not in COLOUR_MAPS:
            raise SettingError(
                f'There is no colour map "{self.colour_map}": '
                f"choose one of {', '.join(COLOUR_MAPS)}."
            )
        if not 0 <= self.opacity <= 1:
            raise SettingError(f"Opacity: {self.opacity}; choose between 0 and 1.")
        if not 0 <= self.outlier_percent <= 50:
            raise SettingError(f"Outliers: {self.outlier_percent} %; choose between 0 and 50.")


def shown(values: np.ndarray, sign: Sign) -> np.ndarray:
    """The part of a map that a sign asks for, float32 (H, W); negative values keep their sign."""
    if sign == "positive":
        return np.maximum(values, 0)
    if sign == "negative":
        return np.minimum(values, 0)
    return np.abs(values) if sign == "absolute" else values


def neighbourhood_sums(values: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """Each pixel as a weighted sum over those around it, float32 (H, W), in the same units.

    For display: a map with a value of its own for each pixel is a cloud of dots in which no eye
    finds the shapes. The weights are a Gaussian, 1 at the pixel itself; outside the map is zero.

    Args:
        values: a map, (H, W).
        sigma: standard deviation of the Gaussian, in pixels.
    """
    from scipy.ndimage import gaussian_filter  # takes a while to load, and occlusion needs none

    mean = gaussian_filter(values.astype(np.float64), sigma, mode="constant")
    return (mean * (2 * np.pi * sigma**2)).astype(np.float32)


def limit(values: np.ndarray, outlier_percent: float) -> float:
    """Where the scale ends: a positive number in the map's units.

    As in Captum's ``visualize_image_attr``: sorted by size, the values up to the limit make up
    ``100 - outlier_percent`` percent of the sum of all sizes. 1.0 for a map of zeros.
    """
    sizes = np.sort(np.abs(values), axis=None).astype(np.float64)
    share = np.cumsum(sizes)
    if not share[-1] > 0:
        return 1.0
    return float(sizes[np.searchsorted(share, share[-1] * (1 - outlier_percent / 100))])


def scale(maps: Sequence[np.ndarray], display: Display) -> tuple[float, float]:
    """The numbers at both ends of the colour bar that maps (H, W) share, in their units."""
    end = max(limit(shown(values, display.sign), display.outlier_percent) for values in maps)
    return {"all": (-end, end), "negative": (-end, 0.0)}.get(display.sign, (0.0, end))


def colours(values: np.ndarray, display: Display, ends: tuple[float, float]) -> np.ndarray:
    """A map as uint8 RGBA (H, W, 4), to be laid over the picture."""
    return _table(display, ends)[_positions(values, display, ends)]


def indexed(values: np.ndarray, display: Display, ends: tuple[float, float]) -> Image.Image:
    """The pixels of `colours` as a picture with a palette: PNGs of it are small and soon made."""
    table = _table(display, ends)
    picture = Image.fromarray(_positions(values, display, ends)).convert("P")
    picture.putpalette(table[:, :3].tobytes())
    picture.info["transparency"] = table[:, 3].tobytes()
    return picture


def colour_bar(display: Display, ends: tuple[float, float], stops: int = 9) -> list[str]:
    """The scale's colours from low to high, as CSS colours over white."""
    chosen = _table(display, ends)[np.linspace(0, 255, stops).astype(int)].astype(float)
    alpha = chosen[:, 3:] / 255
    over_white = np.round(chosen[:, :3] * alpha + 255 * (1 - alpha)).astype(int)
    return [f"rgb({r},{g},{b})" for r, g, b in over_white]


def overlay(picture: Image.Image, rgba: np.ndarray) -> Image.Image:
    """A map of colours laid over a picture of any size: RGB of the picture's size."""
    layer = Image.fromarray(rgba).resize(picture.size, Image.Resampling.NEAREST)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def backdrop(picture: Image.Image) -> Image.Image:
    """The picture as a pale grey ground for a map: shapes stay readable, colour is the map's."""
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    return Image.fromarray(np.round(255 - 0.4 * (255 - grey)).astype(np.uint8))


def data_uri(image: Image.Image | np.ndarray, image_format: Literal["PNG", "JPEG"] = "PNG") -> str:
    """A picture inside an address, to be shown without a request."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **({"quality": 90} if image_format == "JPEG" else {}))
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{image_format.lower()};base64,{encoded}"


def _positions(values: np.ndarray, display: Display, ends: tuple[float, float]) -> np.ndarray:
    """Where on the scale each value lies, uint8 (H, W), 0 at the low end."""
    low, high = ends
    share = np.clip((shown(values, display.sign) - low) / (high - low), 0, 1)
    return np.round(share * 255).astype(np.uint8)


def _table(display: Display, ends: tuple[float, float]) -> np.ndarray:
    return _colour_table(display.colour_map, display.opacity, ends[0] < 0, ends[1] > 0)


@cache
def _colour_table(name: str, opacity: float, below: bool, above: bool) -> np.ndarray:
    """256 colours from one end of a scale to the other, uint8 RGBA, read-only.

    Args:
        name: key of `COLOUR_MAPS`.
        opacity: where the map is strongest.
        below, above: whether the scale reaches under and over zero.
    """
    import matplotlib as mpl  # takes a while to load, and the photo does not need it

    position = np.linspace(-1.0 if below else 0.0, 1.0 if above else 0.0, 256)
    if name in _DIVERGING:
        rgba = mpl.colormaps[COLOUR_MAPS[name]]((position + 1) / 2)
        # Pale colours would veil the picture: what is near zero is let through instead.
        rgba[:, 3] = opacity * np.abs(position) ** 0.6
    else:
        rgba = mpl.colormaps[COLOUR_MAPS[name]](np.linspace(0, 1, 256))
        rgba[:, 3] = opacity
    table = np.round(rgba * 255).astype(np.uint8)
    table.setflags(write=False)
    return table
