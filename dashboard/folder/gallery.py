"""The gallery of the Folder page: a page of pictures, and the list beside it."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from streamlit.delta_generator import DeltaGenerator

from core.drawing.rendering import data_uri
from core.errors import UserError
from core.files.cache import BoundedCache
from core.folders.results_table import ResultsTable
from core.text import escape, json_attribute
from dashboard.folder.cards import alt, said_html
from dashboard.folder.reading import AnyCard
from dashboard.session import live, tables

PER_PAGE = 24
BARS_SHOWN = 100
_SIDE = 192  # pixels; thumbnails are shown at 150 to 190
_FRAME_SECONDS = 0.25
_thumbnails: BoundedCache[str] = BoundedCache(1000)  # as data URIs, shared by all sessions; 10 MB
_log = logging.getLogger(__name__)


def draw_gallery(place: DeltaGenerator, results: ResultsTable, cards: Sequence[AnyCard]) -> bool:
    """Draw a page of cards with the thumbnails that are known; whether some are not."""
    known = {card.path: _thumbnails.get(_key(results, card)) for card in cards}
    place.html(gallery_html(cards, known, {}, results.address is not None))
    return results.address is not None and None in known.values()


def fill_gallery(place: DeltaGenerator, results: ResultsTable, cards: Sequence[AnyCard]) -> None:
    """Make the thumbnails that are missing, and show them as they come."""
    known: dict[str, str | None] = {}
    failed: dict[str, str] = {}
    shown = time.monotonic()
    for card in cards:
        live.tick()
        known[card.path] = _thumbnails.get(_key(results, card))
        if known[card.path] is not None:
            continue
        try:
            known[card.path] = _thumbnails.put(_key(results, card), _thumbnail(results, card))
        except UserError as error:
            _log.info("%s has no thumbnail: %s", card.path, error)
            failed[card.path] = str(error)
        if time.monotonic() - shown > _FRAME_SECONDS:
            place.html(gallery_html(cards, known, failed, True))
            shown = time.monotonic()
    place.html(gallery_html(cards, known, failed, True))


def _key(results: ResultsTable, card: AnyCard) -> tuple[str, str | None, str]:
    return results.digest, results.address, card.path


def _thumbnail(results: ResultsTable, card: AnyCard) -> str:
    return data_uri(tables.picture_of(results, card.path).thumbnail(_SIDE), "JPEG")


def gallery_html(
    cards: Sequence[AnyCard],
    thumbnails: Mapping[str, str | None],
    failed: Mapping[str, str],
    pictures: bool,
) -> str:
    """Cards in a grid.

    Args:
        cards: of one page.
        thumbnails: addresses by path; None while they are not made.
        failed: why a picture cannot be shown, by path.
        pictures: whether the table came with its pictures; otherwise a card is not to be pressed.
    """
    cells = "".join(
        _card(card, thumbnails.get(card.path), failed.get(card.path), pictures) for card in cards
    )
    return f'<div class="wil-gallery">{cells}</div>'


def _card(card: AnyCard, thumbnail: str | None, failed: str | None, pictures: bool) -> str:
    name = escape(PurePosixPath(card.path).name)
    said = said_html(card)
    picture = ""
    if pictures:
        if thumbnail is not None:
            inner = f'<img src="{thumbnail}" alt="{escape(alt(card))}">'
        elif failed is not None:
            inner = f'<span class="gone"><b>No picture</b>{escape(failed)}</span>'
        else:
            inner = '<span class="wait" aria-label="loading"></span>'
        picture = f'<span class="frame">{inner}</span>'
    note = f'<span class="error">{escape(card.error)}</span>' if card.error and not failed else ""
    body = f'{picture}<span class="name">{name}</span>{said}{note}'
    title = escape(card.path)
    if not pictures or failed is not None:
        return f'<div class="card" title="{title}">{body}</div>'
    link = json_attribute(["open", card.path])
    return f'<button type="button" class="card" data-link="{link}" title="{title}">{body}</button>'


@dataclass(frozen=True)
class Bar:
    """An entry of the list beside the gallery, which can be pressed.

    Attributes:
        words: what it is, and in ``strong`` type the end of that.
        strong: the end of the words; may be empty.
        figure: how often.
        share: length of its bar, 0..1.
        link: what `Reading.press` is given.
        pressed: whether its pictures are shown.
    """

    words: str
    strong: str
    figure: str
    share: float
    link: tuple[str, ...]
    pressed: bool


def bars_html(bars: Sequence[Bar]) -> str:
    """A list of buttons, each with how often it is the case."""
    rows = "".join(
        f'<div role="listitem"><button type="button" '
        f'data-link="{json_attribute(["press", *bar.link])}" '
        f'aria-pressed="{str(bar.pressed).lower()}">'
        f"<span>{escape(bar.words)}{bar.strong and f' <b>{escape(bar.strong)}</b>'}</span>"
        f"<i>{escape(bar.figure)}</i>"
        f'<span class="bar" style="width:{100 * bar.share:.1f}%"></span></button></div>'
        for bar in bars[:BARS_SHOWN]
    )
    more = len(bars) - BARS_SHOWN
    rest = f'<p class="wil-facts">and {more:,} rarer ones</p>' if more > 0 else ""
    return f'<div class="wil-pairs" role="list">{rows}</div>{rest}'
