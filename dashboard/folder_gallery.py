"""The pictures of a table, a page at a time, and its mistakes, the most frequent first."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from streamlit.delta_generator import DeltaGenerator

from core.browsing import Card, Pair
from core.cache import BoundedCache
from core.errors import UserError
from core.picture import picture_from_bytes
from core.rendering import data_uri
from core.results_table import ResultsTable
from core.story import percent
from core.text import escape, json_attribute, plain
from dashboard import folder_tables, live

PER_PAGE = 24
PAIRS_SHOWN = 100
_SIDE = 192  # pixels; thumbnails are shown at 150 to 190
_FRAME_SECONDS = 0.25
_thumbnails: BoundedCache[str] = BoundedCache(1000)  # as data URIs, shared by all sessions; 10 MB
_log = logging.getLogger(__name__)


def draw_gallery(place: DeltaGenerator, results: ResultsTable, cards: Sequence[Card]) -> bool:
    """Draw a page of cards with the thumbnails that are known; whether some are not."""
    known = {card.path: _thumbnails.get(_key(results, card)) for card in cards}
    place.html(gallery_html(cards, known, {}, results.address is not None))
    return results.address is not None and None in known.values()


def fill_gallery(place: DeltaGenerator, results: ResultsTable, cards: Sequence[Card]) -> None:
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


def _key(results: ResultsTable, card: Card) -> tuple[str, str | None, str]:
    return results.digest, results.address, card.path


def _thumbnail(results: ResultsTable, card: Card) -> str:
    picture = picture_from_bytes(folder_tables.photo(results, card.path), trusted=True)
    return data_uri(picture.thumbnail(_SIDE), "JPEG")


def gallery_html(
    cards: Sequence[Card],
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


def _card(card: Card, thumbnail: str | None, failed: str | None, pictures: bool) -> str:
    name = escape(PurePosixPath(card.path).name)
    mark, kind, judged = {
        True: ("✓", "good", "right"),
        False: ("✗", "bad", "wrong"),
        None: ("·", "none", "not judged"),
    }[card.correct]
    said = escape(_says(card)).replace(" %", "&nbsp;%")
    picture = ""
    if pictures:
        if thumbnail is not None:
            inner = f'<img src="{thumbnail}" alt="{escape(_alt(card))}">'
        elif failed is not None:
            inner = f'<span class="gone"><b>No picture</b>{escape(failed)}</span>'
        else:
            inner = '<span class="wait" aria-label="loading"></span>'
        picture = f'<span class="frame">{inner}</span>'
    note = f'<span class="error">{escape(card.error)}</span>' if card.error and not failed else ""
    body = (
        f'{picture}<span class="name">{name}</span>'
        f'<span class="said {kind}"><b aria-label="{judged}" title="{judged}">{mark}</b> {said}'
        f"</span>{note}"
    )
    title = escape(card.path)
    if not pictures or failed is not None:
        return f'<div class="card" title="{title}">{body}</div>'
    link = json_attribute(["open", card.path])
    return f'<button type="button" class="card" data-link="{link}" title="{title}">{body}</button>'


def _says(card: Card) -> str:
    if card.predicted is None or card.probability is None:
        return "no prediction"
    said = f"{plain(card.predicted)}, {percent(card.probability)}"
    return said if card.label is None else f"{plain(card.label)} → {said}"


def _alt(card: Card) -> str:
    name = PurePosixPath(card.path).name
    label = f", a picture of {card.label}" if card.label else ""
    return f"{name}{label}, called {card.predicted}" if card.predicted else f"{name}{label}"


def pairs_html(
    pairs: Sequence[Pair], names: Mapping[int, str], chosen: tuple[int | None, int | None]
) -> str:
    """Mistakes as a list of buttons, each with how often it is made."""
    most = max((pair.count for pair in pairs), default=1)
    rows = "".join(
        f'<div role="listitem"><button type="button" data-link="{json_attribute(_link(pair))}" '
        f'aria-pressed="{str((pair.label, pair.predicted) == chosen).lower()}">'
        f"<span>{escape(plain(names[pair.label]))} called "
        f"<b>{escape(plain(names[pair.predicted]))}</b></span>"
        f"<i>{pair.count:,} of {pair.total:,}</i>"
        f'<span class="bar" style="width:{100 * pair.count / most:.1f}%"></span></button></div>'
        for pair in pairs[:PAIRS_SHOWN]
    )
    more = len(pairs) - PAIRS_SHOWN
    rest = f'<p class="wil-facts">and {more:,} rarer ones</p>' if more > 0 else ""
    return f'<div class="wil-pairs" role="list">{rows}</div>{rest}'


def _link(pair: Pair) -> list[str]:
    return ["pair", str(pair.label), str(pair.predicted)]
