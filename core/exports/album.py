"""Small pictures inside an HTML file, within a bound on their bytes."""

import numpy as np
from PIL import Image

from ..drawing.rendering import (
    Display,
    backdrop,
    colour_bar,
    colours,
    data_uri,
    overlay,
    scale,
)
from ..drawing.sentences import span, unit_words
from ..text import escape, plain
from .placing import top_region

SIDE = 208
"""Pixels of a picture's longer side."""

MOST_BYTES = 4_000_000
"""Of all pictures of a file as they stand in it; with its words it stays under 5 MB."""

_LEFT_OUT = "Left out, so that this file stays under 5 MB."


class Album:
    """Makes figures as HTML, and counts the bytes of their pictures."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Begin with none.

        Args:
            most: bytes of all pictures together.
        """
        self._left = most

    def picture(self, image: Image.Image, alt: str, caption: str) -> str:
        """A photo, with words for those who do not see it and a caption of HTML."""
        return _figure(self._image(image.convert("RGB"), alt), caption)

    def map(
        self,
        values: np.ndarray,
        units: str,
        display: Display,
        ground: Image.Image | None,
        what: str,
        caption: str,
    ) -> str:
        """A map over a picture, with its colour bar.

        Args:
            values: float32 (H, W), in ``units``.
            units: of the values.
            display: how it is shown.
            ground: what the model saw, or a mean of it; None for white.
            what: says what it is, for those who do not see it.
            caption: HTML.
        """
        ends = scale([values], display)
        height, width = values.shape
        pale = backdrop(_sized(ground)) if ground is not None else None
        size = _size(width, height)
        under = Image.new("RGB", size, "white") if pale is None else pale.resize(size)
        drawn = overlay(under, colours(values, display, ends))
        words, factor = unit_words(units)
        low, high = span(factor * ends[0], factor * ends[1])
        signed = ends[0] < 0 < ends[1]
        alt = f"{what}, from {low} to {high} {words}, {strongest(values, signed)}"
        ticks = "".join(
            f"<span>{each}</span>" for each in ((low, "0", high) if signed else (low, high))
        )
        bar = ", ".join(colour_bar(display, ends))
        scale_html = (
            f'<div class="bar" style="background: linear-gradient(to right, {bar})"></div>'
            f'<div class="ticks" aria-hidden="true">{ticks}</div>'
        )
        caption = f'{caption} <span class="quiet">in {escape(plain(words))}</span>'
        return _figure(self._image(drawn, alt), caption, scale_html)

    def _image(self, image: Image.Image, alt: str) -> str:
        small = _sized(image)
        uri = data_uri(small, "JPEG")
        if len(uri) > self._left:
            return f'<p class="gone">{_LEFT_OUT}</p>'
        self._left -= len(uri)
        width, height = small.size
        return f'<img src="{uri}" alt="{escape(alt)}" width="{width}" height="{height}">'


def missing(words: str, caption: str) -> str:
    """The frame of a picture that is not there, with the reason."""
    return _figure(f'<p class="gone">{escape(words)}</p>', caption)


def _figure(inner: str, caption: str, below: str = "") -> str:
    return f"<figure>{inner}{below}<figcaption>{caption}</figcaption></figure>"


def strongest(values: np.ndarray, signed: bool) -> str:
    """Where a signed map is highest, in words; another, where it is strongest."""
    most, none = "strongest", "zero everywhere"
    if signed:
        most, none = "highest", "nowhere positive"
    region = top_region(values, 0.5)
    if not region.any():
        return none
    rows, columns = np.nonzero(region)
    down, across = (
        min(int(3 * (places.mean() + 0.5) / length), 2)
        for places, length in zip((rows, columns), values.shape, strict=True)
    )
    vertical, horizontal = ("upper", "", "lower")[down], ("left", "", "right")[across]
    place = " ".join(filter(None, (vertical, horizontal))) or "middle"
    part = "part" if place in ("upper", "lower") else ""
    return " ".join(filter(None, (most, "in the", place, part)))


def _size(width: int, height: int) -> tuple[int, int]:
    shrink = SIDE / max(width, height)
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _sized(image: Image.Image) -> Image.Image:
    size = _size(*image.size)
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
