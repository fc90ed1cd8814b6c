"""The report of a bundle: one self-contained HTML file with maps that can be read pixel by pixel.

It needs neither a network nor other files; a content security policy forbids any request.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..drawing.document import document
from ..drawing.readout import packed
from ..drawing.rendering import Display, backdrop, colour_bar, data_uri, indexed
from ..drawing.sentences import amount_of, number, share_of, span
from ..models.heads import SOFTMAX, VALUE
from ..text import PROGRAM, escape, json_script, plain
from .exhibits import Plate, Shown
from .figure_caption import plate_caption, says
from .manifest import Json

_HERE = Path(__file__).resolve().parent
_PHOTO_SIDE = 720  # pixels of the photo's long side in the report


def report(
    shown: list[Shown],
    display: Display,
    record: Json,
    caption: str,
    citations: str,
    credit: str,
) -> str:
    """The report as HTML.

    Args:
        shown: what it shows.
        display: how maps are drawn.
        record: of the manifest, without the files.
        caption, citations: as in the bundle.
        credit: whose pictures these are, a line each; may be empty.
    """
    several = len(shown) > 1
    names = ", ".join(dict.fromkeys(plain(each.exhibit.name) for each in shown))
    title = f"Where it looked: {names}" if several else f"{says(shown[0])}."
    style = [(_HERE / "report.css").read_text("utf-8")]
    body = [f"<h1>{_unbroken(title)}</h1>"]
    for place, (each, said) in enumerate(zip(shown, record["exhibits"], strict=True), 1):
        has_photo = bool(said["picture"]["photo"] or said["picture"]["original"])
        style += _pictures(each, place, has_photo)
        body += _exhibit(each, place, display, has_photo, several)
    body += [_trust(shown), _check(record), _made(record), _sources(caption, citations, credit)]
    data = json_script([[_readable(plate) for plate in each.plates] for each in shown])
    script = (_HERE / "report.js").read_text("utf-8")
    end = f'<script type="application/json" id="maps">{data}</script>\n'
    end += f"<script>\n{script}\n</script>\n"
    return document(title, "\n".join(style), "\n".join(body), end, scripts=True)


def _pictures(shown: Shown, place: int, has_photo: bool) -> Iterator[str]:
    """Each picture once, as a background, however often it is shown."""
    ground = backdrop(shown.seen)
    yield f".seen-{place}, .ground-{place} .colour {{ background-image: url({_uri(shown.seen)}); }}"
    yield f".ground-{place} {{ background-image: url({_uri(ground)}); }}"
    if has_photo:
        photo = shown.exhibit.picture.image.copy()
        photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
        yield f".photo-{place} {{ background-image: url({_uri(photo)}); }}"


def _unbroken(text: str) -> str:
    """Text whose numbers are not parted from their percent signs."""
    return escape(text).replace(" %", "&nbsp;%")


def _uri(picture: Any) -> str:
    return data_uri(picture.convert("RGB"), "JPEG")


def _exhibit(
    shown: Shown, place: int, display: Display, has_photo: bool, several: bool
) -> Iterator[str]:
    """One exhibit: the prediction and the maps."""
    record, picture = shown.exhibit.classifier.record, shown.exhibit.picture
    tall, wide = record.preprocessing.size
    asked = {plate.attribution.target for plate in shown.plates}
    bars = "".join(
        f'<span>{escape(score.name)}</span><i class="{"asked" if score.index in asked else ""}" '
        f'style="width:{100 * share_of(score, shown.ranking):.1f}%"></i>'
        f"<span>{amount_of(score, record.head)}</span>"
        for score in shown.ranking
    )
    yield (
        f'<section class="exhibit" data-exhibit="{place - 1}" data-rows="{tall}" '
        f'data-columns="{wide}" style="--input: {wide} / {tall}">'
    )
    facts = ", ".join(filter(None, (record.title, record.top1)))
    if several:
        yield f"<h2>{_unbroken(says(shown))}</h2>"
    yield f'<p class="quiet">{escape(plain(shown.exhibit.name))} · {escape(facts)}</p>'
    yield f'<div class="top">{bars}</div>'
    yield (
        '<div class="tools"><label>Strength of the maps <input class="strength" type="range" '
        'min="0" max="100" value="100"></label><label><input class="behind" type="checkbox"> '
        'picture in colour</label><span class="quiet">Point at a map, or tap it, to read it; '
        "arrow keys move on.</span></div>"
    )
    yield '<div class="panels">'
    if has_photo:
        width, height = picture.image.size
        left, top, right, bottom = record.preprocessing.seen((width, height), picture.region)
        yield (
            f'<figure class="panel"><h3>Photo</h3><div class="box fit photo-{place}" role="img" '
            f'style="--shape: {width} / {height}" '
            'aria-label="The photo; outlined, the part that the model sees.">'
            f'<svg class="part" viewBox="0 0 {width} {height}"><path d="M{left:.0f} {top:.0f}'
            f'H{right:.0f}V{bottom:.0f}H{left:.0f}Z"/></svg></div>'
            f'<p class="quiet">{width} × {height} pixels; outlined, what the model sees.</p>'
            "</figure>"
        )
    cross = f'<svg viewBox="0 0 {wide} {tall}" aria-hidden="true"><path d=""/></svg>'
    yield (
        f'<figure class="panel"><h3>What the model sees</h3><div class="box seen seen-{place}" '
        f'role="img" aria-label="The picture as the model sees it.">{cross}</div>'
        f'<p class="quiet">{wide} × {tall} pixels</p></figure>'
    )
    for plate in shown.plates:
        yield _panel(shown, plate, place, display, cross)
    yield "</div></section>"


def _panel(shown: Shown, plate: Plate, place: int, display: Display, cross: str) -> str:
    low, high = plate.ends
    first, last = span(low, high)
    ticks = [first, *(["0"] if low < 0 < high else []), last]
    marks = "".join(f"<span>{tick}</span>" for tick in ticks)
    overlay = data_uri(indexed(plate.attribution.values, display, plate.ends))
    bar = ", ".join(colour_bar(display, plate.ends))
    words = escape(plate_caption(shown, plate))
    return (
        f'<figure class="panel"><h3>{escape(plate.title)}</h3>'
        f'<div class="box map ground-{place}" tabindex="0" role="application" '
        f'aria-label="{escape(plate.title)}: arrow keys read the map.">'
        f'<div class="colour"></div><img alt="" src="{overlay}">{cross}</div>'
        f'<div class="bar" style="background: linear-gradient(to right, {bar})"></div>'
        f'<div class="ticks">{marks}</div>'
        f'<div class="units">{escape(plate.attribution.units)}</div>'
        f'<p class="value" role="status"></p><p class="quiet">{words}</p></figure>'
    )


def _readable(plate: Plate) -> Json:
    """A map as the report's JavaScript reads it."""
    read = plate.read
    found: Json = {
        "values": packed(read.values),
        "rows": read.rows.tolist(),
        "columns": read.columns.tolist(),
        "units": plate.attribution.units,
    }
    if read.notes is not None:
        found |= {"notes": packed(read.notes), "words": list(read.words)}
    return found


def _trust(shown: list[Shown]) -> str:
    """How far to trust the maps, where that was judged."""
    parts = []
    for each in shown:
        for plate in each.plates:
            if plate.trust:
                said = plate.trust.get("sentences")
                lines = said if isinstance(said, list) else list(_lines(plate.trust))
                items = "".join(f"<li>{escape(str(line))}</li>" for line in lines)
                parts.append(f"<h3>{escape(plate.title)}</h3><ul>{items}</ul>")
    return f"<h2>How far to trust it</h2>{''.join(parts)}" if parts else ""


def _lines(found: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The single values of nested mappings, each with its name; lists are left to the manifest."""
    for key, value in found.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _lines(value, f"{name}, ")
        elif isinstance(value, float):
            yield f"{name}: {number(value)}"
        elif not isinstance(value, list):
            yield f"{name}: {value}"


def _check(record: Json) -> str:
    uploads = any(not each["picture"]["sample"] for each in record["exhibits"])
    link = ""
    if record["address"] is not None:
        without = " The picture is not part of the address: choose it there." if uploads else ""
        address = escape(record["address"], len(record["address"]))
        link = (
            f'<p><a href="{address}" rel="noreferrer">Open this view on the page</a>, where the '
            f"page runs.{without}</p>"
        )
    return (
        f"<h2>Check it</h2>{link}<p>This report is part of a bundle with the maps as numbers, a "
        "manifest of all settings, and a script that recomputes the maps with Captum alone:</p>"
        f"<pre>{PROGRAM} verify BUNDLE.zip   # in the project that made this\n"
        "python plain_captum.py             # beside the bundle's unpacked files</pre>"
    )


def _made(record: Json) -> str:
    """Everything that the manifest says of how the maps were made, as tables."""
    parts = []
    for each in record["exhibits"]:
        picture, model = each["picture"], each["model"]
        part = ", ".join(f"{edge:.0f}" for edge in picture["seen_part"])
        named = f"{model['title']} ({model['name']})"
        rows = [
            (
                "Picture",
                f"{plain(picture['name'])}, {picture['size'][0]} × {picture['size'][1]} pixels",
            ),
            ("Part that the model saw", f"left, top, right, bottom: {part}"),
            ("sha256 of the file", picture["sha256"]),
            ("Model", ", ".join(filter(None, (named, model["licence"], model["source"])))),
            ("sha256 of the weights", model["weights_sha256"]),
            ("Device", model["device"]),
        ]
        for made in each["maps"]:
            settings = {**made["settings"], **_question(made["question"], model)}
            given = (f"{key} {value}" for key, value in settings.items() if value is not None)
            rows.append((made["title"], f"{made['method']}: {', '.join(given)}"))
        parts.append(_table(rows))
    shown = ", ".join(f"{key} {value}" for key, value in record["display"].items())
    versions = ", ".join(f"{key} {value}" for key, value in record["versions"].items())
    parts.append(_table([("Display", shown), ("Versions", versions)]))
    inner = "".join(parts)
    return (
        f"<h2>Settings and provenance</h2><details><summary>All settings</summary>{inner}</details>"
    )


def _question(question: Json, model: Json) -> Json:
    """Target, contrast and score of a map, in the words of the model's head."""
    said = {key: value for key, value in question.items() if key != "kind"}
    kind = model.get("own", model).get("head", {}).get("kind")
    head = VALUE if kind == VALUE.kind else SOFTMAX
    return {**said, "score": head.scale(question["kind"])}


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows)
    return f'<div class="wide"><table>{cells}</table></div>'


def _sources(caption: str, citations: str, credit: str) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in credit.splitlines())
    entries = "\n".join(map(escape, citations.splitlines()))
    pictures = f"<h2>Pictures</h2><ul>{lines}</ul>" if credit else ""
    return (
        f"{pictures}<h2>How to cite</h2><details><summary>Caption of the figure</summary>"
        f"<p>{escape(caption, len(caption))}</p></details>"
        f"<details><summary>BibTeX of the methods</summary><pre>{entries}</pre></details>"
    )
