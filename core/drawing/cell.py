"""A map as a notebook's cell shows it: HTML that needs nothing but itself.

Words are the page's own text, in its colours, so that they can be read on light and dark ground.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..methods.attribution import Attribution
from ..text import escape
from .paper import caption, heading
from .rendering import Display, backdrop, colours, data_uri, overlay, scale
from .sentences import span

_SIDE = 448  # pixels at least, so that the map's own pixels keep their edges when it is enlarged
_FEW = 112  # of a picture with fewer, people want to see the pixels
_BAR = 12  # pixels, height of the colour bar
_SMALL = "font-size:12px;line-height:1.45;opacity:.75"
_HALF = "flex:1 1 240px;max-width:420px;min-width:0;margin:0"
_PICTURE = "display:block;width:100%;max-width:none;height:auto;margin:0"


def cell(
    picture: Image.Image,
    attribution: Attribution,
    class_names: tuple[str, ...],
    display: Display,
    *,
    sentence: str,
    notes: Sequence[str] = (),
) -> str:
    """Picture and map side by side, with a colour bar and words.

    Args:
        picture: the model's input before normalisation, RGB, of the map's height and width.
        attribution: the map.
        class_names: of the model, to name target and contrast.
        display: how the map is shown.
        sentence: what the model says, and what the map comes to.
        notes: sentences on how the picture was taken.
    """
    ends = scale([attribution.values], display)
    rows, columns = attribution.values.shape
    ramp = Image.new("L", (256, _BAR), "white")
    bar = overlay(ramp, colours(np.linspace(*ends, 256)[None], display, ends))
    ground = backdrop(_enlarged(picture))
    if picture.width < _FEW:
        picture = _enlarged(picture)
    drawn = overlay(ground, colours(attribution.values, display, ends))
    low, high = ends
    first, last = span(low, high)
    labels = (first, "0" if low < 0 < high else "", f"{last} {attribution.units}")
    title = heading(attribution)
    reading = [*caption(attribution, class_names, display), *notes]
    return "".join(
        (
            '<div style="max-width:860px;font-family:system-ui,sans-serif;text-align:left">',
            '<div style="font-size:15px;line-height:1.4;font-weight:600;margin:4px 0 10px">',
            f"{escape(sentence)}</div>",
            '<div style="display:flex;flex-wrap:wrap;gap:12px 20px;align-items:flex-start">',
            _half("What the model sees", picture, f"<span>{columns} × {rows} pixels</span>"),
            _half(
                title,
                drawn,
                "".join(
                    f'<span style="flex:1 1 0;text-align:{side};white-space:nowrap">'
                    f"{escape(label)}</span>"
                    for side, label in zip(("left", "center", "right"), labels, strict=True)
                ),
                f'<img src="{data_uri(bar)}" alt="" '
                f'style="{_PICTURE};height:{_BAR}px;margin-top:6px">',
            ),
            "</div>",
            *(
                f'<div style="{_SMALL};margin-top:8px">{escape(paragraph)}</div>'
                for paragraph in reading
            ),
            "</div>",
        )
    )


def _half(title: str, picture: Image.Image, below: str, bar: str = "") -> str:
    """A picture with its title, and HTML below it."""
    return (
        f'<div style="{_HALF}"><div style="{_SMALL};margin-bottom:4px">{escape(title)}</div>'
        f'<img src="{data_uri(picture)}" alt="{escape(title)}" style="{_PICTURE}">{bar}'
        f'<div style="{_SMALL};display:flex;margin-top:3px">'
        f"{below}</div></div>"
    )


def _enlarged(picture: Image.Image) -> Image.Image:
    """The picture, a whole number of times as large."""
    times = -(-_SIDE // min(picture.size))
    size = picture.width * times, picture.height * times
    few = picture.width < _FEW
    return picture.resize(size, Image.Resampling.NEAREST if few else Image.Resampling.BICUBIC)
