"""HTML of panels of equal size: picture, map, colour bar, caption and trust badges.

Plain HTML, so that partial maps replace each other in place and nothing jumps.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PIL import Image

from core.drawing.rendering import data_uri
from core.text import escape, json_attribute

if TYPE_CHECKING:
    from core.trust.badges import Badge  # with torch, which the first panels do not wait for

State = Literal["done", "old", "failed"]

PHOTO_SIDE = 640  # pixels; what a panel can show on a large screen

# A badge says the same by its mark, its words and its colour.
MARKS = {True: "✓", False: "✗", None: "~"}
NOT_TAKEN = "–"
GOOD = {True: "good", False: "bad", None: "mixed"}


@dataclass(frozen=True)
class ScaleBar:
    """A colour bar.

    Attributes:
        colours: CSS colours from low to high.
        ticks: numbers as text, spread evenly from low to high.
        units: what the numbers count.
        low, high: what the colours at the ends say, in words; "" for nothing.
    """

    colours: tuple[str, ...]
    ticks: tuple[str, ...]
    units: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Meter:
    """How much of something there is: a share (0..1) as a bar, and in words."""

    share: float
    words: str


@dataclass(frozen=True)
class Outline:
    """A rectangle on a picture, in percent of its width and height.

    Attributes:
        left, top, width, height: percent.
        kind: "crop" greys what lies outside; "window" is one to scale; "mark" is spoken of.
    """

    left: float
    top: float
    width: float
    height: float
    kind: Literal["crop", "window", "mark"]


@dataclass(frozen=True)
class Panel:
    """One cell of the comparison.

    Attributes:
        title: short name.
        alt: what the picture shows, for those who do not see it.
        picture: address (data URI) of the picture; None while there is nothing to show.
        size: (width, height) of the picture, for its shape.
        overlay: address of the map over it.
        overlay_place: where the map lies; None for all of the picture.
        bar: the map's colour bar.
        outlines: rectangles on the picture.
        meter: completeness, for methods that have the property.
        badges: the trust measures taken so far; None if the map is not judged.
        caption: score, settings and cost, in small type.
        note: the part of the caption that is also said under the map when it is shown large.
        unjudged: why the trust measures failed, if they did.
        state: "old" is dimmed; "failed" has no picture, and its caption says why.
    """

    title: str
    alt: str
    picture: str | None = None
    size: tuple[int, int] = (1, 1)
    overlay: str | None = None
    overlay_place: Outline | None = None
    bar: ScaleBar | None = None
    outlines: tuple[Outline, ...] = ()
    meter: Meter | None = None
    badges: "tuple[Badge, ...] | None" = None
    caption: str = ""
    note: str = ""
    unjudged: str = ""
    state: State = "done"


def photo_address(image: Image.Image) -> str:
    """The address of a photo, at a size that panels can show."""
    small = image.copy()
    small.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return data_uri(small, "JPEG")


def panels_html(panels: list[Panel], columns: int | None = None) -> str:
    """All panels side by side; they wrap where the page is narrow, or after so many columns."""
    style = "" if columns is None else f' style="grid-template-columns:repeat({columns},1fr)"'
    return f'<div class="wil-panels"{style}>{"".join(map(panel_html, panels))}</div>'


def panel_html(panel: Panel) -> str:
    """One panel."""
    return (
        f'<section class="wil-panel {panel.state}" data-panel="{escape(panel.title)}">'
        f"<h2>{escape(panel.title)}</h2>"
        f'<div class="wil-box">{picture_html(panel)}</div>'
        f'<div class="wil-scale">{scale_html(panel.bar)}</div>'
        f'<p class="wil-caption">{escape(panel.caption)}</p>'
        f'<div class="wil-sum">{_meter(panel.meter)}</div>'
        f"{trust_html(panel)}</section>"
    )


def large_html(panel: Panel) -> str:
    """A panel as one of the pair: its title is a line below it."""
    words = panel.caption if panel.bar is None else panel.note
    return (
        f'<section class="wil-lead {panel.state}" data-panel="{escape(panel.title)}">'
        f'<div class="wil-box">{picture_html(panel)}</div>'
        f'<div class="wil-scale">{scale_html(panel.bar)}</div>'
        f'<p class="wil-caption"><b>{escape(panel.title)}</b> {escape(words)}</p></section>'
    )


def picture_html(panel: Panel, tag: str = "div") -> str:
    """Its picture, the map over it and what is outlined; a word while there is nothing.

    ``tag`` is "span" within a button, where nothing else can take the focus.
    """
    if panel.picture is None:
        words = "no map" if panel.state == "failed" else "waiting …"
        return f'<span class="wil-waiting">{words}</span>'
    width, height = panel.size
    # The longer side fills the box.
    side = "width:100%" if width >= height else "height:100%"
    layers = [f'<img src="{panel.picture}" alt="{escape(panel.alt)}">']
    if panel.overlay is not None:
        place = panel.overlay_place or Outline(0, 0, 100, 100, "window")
        layers.append(f'<img class="map" src="{panel.overlay}" alt="" style="{_place(place)}">')
    layers += [f'<div class="wil-{o.kind}" style="{_place(o)}"></div>' for o in panel.outlines]
    shape = f"aspect-ratio:{width}/{height};{side}"
    # A map can take the focus: the arrow keys then read its values, as the pointer does.
    focus = ' tabindex="0"' if panel.overlay is not None and tag == "div" else ""
    return f'<{tag} class="wil-photo" style="{shape}"{focus}>{"".join(layers)}</{tag}>'


def _place(outline: Outline) -> str:
    return (
        f"left:{outline.left:.2f}%;top:{outline.top:.2f}%;"
        f"width:{outline.width:.2f}%;height:{outline.height:.2f}%"
    )


def _meter(meter: Meter | None) -> str:
    if meter is None:
        return ""
    bar = f'<div class="wil-meter"><i style="width:{100 * meter.share:.1f}%"></i></div>'
    return f"<p>{escape(meter.words)}</p>{bar}"


def trust_html(panel: Panel) -> str:
    """The trust line of a map: a summary that opens the badges of all measures.

    Nothing for a map that is not judged; an empty line while the measures are computed.
    """
    if panel.unjudged:
        return f'<div class="wil-trust">Not judged: {escape(panel.unjudged)}</div>'
    if panel.badges is None:
        return "<div></div>"
    if not panel.badges:
        return '<div class="wil-trust"></div>'
    from core.trust.badges import TITLES, summary  # as above

    checks, _, found = summary(panel.badges).partition(": ")
    badges = "".join(
        f'<button type="button" class="{GOOD[badge.good] if badge.taken else "untaken"}" '
        f'data-link="{json_attribute([panel.title, badge.measure])}" '
        f'title="{escape(TITLES[badge.measure])}: show the evidence">'
        f"<b>{MARKS[badge.good] if badge.taken else NOT_TAKEN}</b>"
        f"<span>{escape(badge.words)}</span><i>{escape(badge.figure)}</i></button>"
        for badge in panel.badges
    )
    return (
        f'<details class="wil-trust"><summary><b>{escape(checks)}:</b> {escape(found)}</summary>'
        f'<div class="wil-badges">{badges}</div></details>'
    )


def scale_html(bar: ScaleBar | None) -> str:
    """A colour bar, its numbers, and what its ends say."""
    if bar is None:
        return ""
    ticks = [escape(tick) for tick in bar.ticks]
    middle = len(ticks) // 2
    ticks[middle] += f" {escape(bar.units)}"
    gradient = f"linear-gradient(to right,{','.join(bar.colours)})"
    words = "".join(f"<span>{escape(end)}</span>" for end in (bar.low, bar.high))
    return (
        f'<div class="bar" style="background:{gradient}"></div>'
        f'<div class="ticks">{"".join(f"<span>{tick}</span>" for tick in ticks)}</div>'
        f'<div class="ends">{words}</div>'
    )
