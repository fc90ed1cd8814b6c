"""A canvas for figures: text and pictures placed in inches, written as PNG, SVG or PDF.

Drawn with Matplotlib's objects alone: no pyplot, no state that outlives the call. The same page
gives the same bytes.
"""

import io
import math
import threading

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..text import line

PRINT_DPI = 300
INK, QUIET = "#1c2128", "#59636e"
_naming = threading.Lock()


class Sheet:
    """A white page; places are inches from its top left corner."""

    def __init__(self, width: float, height: float, dpi: int) -> None:
        """Begin with an empty page of so many inches."""
        self._width, self._height = (round(side * dpi) / dpi for side in (width, height))
        self._dpi = dpi
        self._figure = Figure(figsize=(self._width, self._height), dpi=dpi, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)

    def text(
        self,
        left: float,
        baseline: float,
        text: str,
        size: float,
        colour: str = INK,
        align: str = "left",
        wide: float | None = None,
    ) -> None:
        """Write one line, ``size`` points high, shortened to what is ``wide`` inches at most."""
        text = line(text)
        written = self._figure.text(
            left / self._width,
            1 - baseline / self._height,
            text,
            fontsize=size,
            fontfamily="DejaVu Sans",  # comes with Matplotlib: the same everywhere
            color=colour,
            ha=align,
            va="baseline",
            parse_math=False,
        )
        room = math.inf if wide is None else wide * self._dpi
        longest = len(text)
        while longest > 1 and (long := written.get_window_extent().width) > room:
            longest = min(longest - 1, int(longest * room / long))
            written.set_text(line(text, longest))

    def image(
        self,
        left: float,
        top: float,
        size: tuple[float, float],
        pixels: np.ndarray,
        interpolation: str,
    ) -> None:
        """Stretch pixels, uint8 (h, w, 3 or 4), over ``size`` (wide, tall)."""
        wide, tall = size
        bottom = self._height - top - tall
        axes = self._figure.add_axes(
            (
                left / self._width,
                bottom / self._height,
                wide / self._width,
                tall / self._height,
            )
        )
        axes.set_axis_off()
        axes.imshow(pixels, aspect="auto", interpolation=interpolation)

    def picture(self) -> Image.Image:
        """The finished page, RGB."""
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")

    def files(self) -> dict[str, bytes]:
        """The finished page as ``png``, ``svg`` and ``pdf``; neither holds the time it was made."""
        png = io.BytesIO()
        self.picture().save(png, "PNG", dpi=(self._dpi, self._dpi), compress_level=3)
        for axes in self._figure.axes:  # as vectors, pictures keep their own pixels
            for image in axes.images:
                image.set_interpolation("none")
        with _naming:  # Matplotlib's only way to name the parts of an SVG the same every time
            before = mpl.rcParams["svg.hashsalt"]
            mpl.rcParams["svg.hashsalt"] = "where-it-looked"
            try:
                svg = self._saved("svg", {"Date": None})
            finally:
                mpl.rcParams["svg.hashsalt"] = before
        return {
            "png": png.getvalue(),
            "svg": svg,
            "pdf": self._saved("pdf", {"CreationDate": None}),
        }

    def _saved(self, kind: str, metadata: dict[str, None]) -> bytes:
        buffer = io.BytesIO()
        self._figure.savefig(buffer, format=kind, dpi=self._dpi, metadata=metadata)
        return buffer.getvalue()
