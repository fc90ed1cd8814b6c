"""The Folder page (?view=folder): a table of results as a gallery, with its mistakes.

Filters are in the address, so that a view can be shared; a picture opens on the main page, which
leads back here with the same filters.
"""

import logging
from functools import partial
from pathlib import Path

import streamlit as st

from core.errors import UserError
from core.folders.results_table import MAX_UPLOAD, ResultsTable
from core.models.registry import records
from core.text import PROGRAM, escape, markdown, plain
from dashboard.browser import components
from dashboard.drawing.places import nothing_more, replacing
from dashboard.explain.controls import NOTHING, PREDICTED
from dashboard.folder import classes, labels, values
from dashboard.folder.clusters import draw_clusters
from dashboard.folder.exports import draw_exports
from dashboard.folder.filters import BOUND, arrive, first_page, keep
from dashboard.folder.gallery import PER_PAGE, draw_gallery, fill_gallery
from dashboard.folder.localisation import draw_localisation
from dashboard.folder.reading import Reading
from dashboard.folder.trust import draw_trust
from dashboard.session import state, tables
from dashboard.session.notices import draw_notices

_STYLE = Path(__file__).resolve().parent / "folder.css"
_HOW = f"""{PROGRAM} batch PICTURES --out OUT --methods occlusion
{"make run RESULTS=OUT" if PROGRAM == "python -m core" else f"{PROGRAM} page --results OUT"}"""
_READERS = {"classes": classes.read, "labels": labels.read, "values": values.read}
_log = logging.getLogger(__name__)


def draw_folder() -> None:
    """Draw the table that the address names, as the address asks."""
    st.html(_STYLE)
    arrive()
    with st.sidebar:
        st.button("Explain a picture", on_click=leave, width="stretch")
        results = _choose_results()
    if results is None:
        _empty()
        components.links(key="folder_links", on_click=lambda _: None)
        return
    with replacing(st.sidebar, 24):  # the main page's is longer
        reading = _READERS[results.kind](results)
    state.check_address(BOUND, reading.titles)
    with replacing(st.container()):
        draw_notices()
    _headline(results, reading)
    left, right = st.columns([3, 1], gap="large")
    with right:
        reading.beside()
    with left:
        fill_means = reading.means()
        taken, fill_clusters = draw_clusters(results, reading.rows, reading.output)
        fill_pages = _gallery(results, reading)
        draw_localisation(results, reading.rows)
        draw_trust(results, reading.rows)
        reading.below()
        draw_exports(taken, reading.rows)
    components.links(key="folder_links", on_click=partial(_follow, results, reading))
    nothing_more()
    for fill in (fill_pages, fill_means, fill_clusters):
        if fill is not None:
            fill()


def _choose_results() -> ResultsTable | None:
    """The table, or None where there is none to be shown, which is said."""
    names = tables.names()
    results = None
    if names:
        own = tables.uploaded()
        name = st.selectbox(
            "Results",
            names,
            format_func=lambda name: (
                name if own is None or name != tables.UPLOADED else f"{plain(own.name)} ↥"
            ),
            key="results",
            bind="query-params",
            on_change=first_page,
            help="A folder that the command `batch` wrote.",
        )
        try:
            results = tables.open_table(name)
        except UserError as error:
            _log.info("results %s cannot be shown", name, exc_info=error)
            st.error(markdown(str(error)))
    with st.expander("Open another table" if names else "Open a table", expanded=not names):
        st.file_uploader(
            "A results.parquet",
            type=["parquet"],
            key="folder_uploader",
            on_change=tables.accept_table,
            max_upload_size=MAX_UPLOAD // 1_000_000,
            help="Its numbers, without pictures and maps. It stays in this session's memory.",
        )
        if "folder_upload_error" in st.session_state:
            st.error(markdown(st.session_state["folder_upload_error"]))
    return results


def _headline(results: ResultsTable, reading: Reading) -> None:
    """The answer in one sentence, and the numbers under it."""
    count = f"{len(reading.rows):,} of {results.table.num_rows:,} pictures"
    record = records().get(results.model or "")
    model = record.title if record else plain(results.model or "model not known")
    facts = escape(" · ".join([count, *reading.facts, model]))
    missing = f"<p>{escape(results.unfinished)}</p>" if results.unfinished else ""
    st.html(f'{_headed(reading.sentence)}<p class="wil-facts">{facts}</p>{missing}')


def _headed(sentence: str) -> str:
    """A headline, and the button that opens the sidebar."""
    return (
        f'<div class="wil-says"><h1 class="wil-headline">{escape(sentence)}</h1>'
        '<button type="button" class="wil-way" data-settings>Filters</button></div>'
    )


def _gallery(results: ResultsTable, reading: Reading) -> partial[None] | None:
    """The page of pictures; returns what makes the thumbnails that are missing."""
    rows = reading.rows
    if not len(rows):
        st.info("Nothing to show: widen the filters, or clear them.")
        return None
    st.html('<h2 class="wil-section">Pictures</h2>')
    pages = -(-len(rows) // PER_PAGE)
    st.session_state["page"] = min(st.session_state.get("page", 1), pages)
    place = st.empty()
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    cards = reading.cards(rows.slice((page - 1) * PER_PAGE, PER_PAGE))
    if results.address is None:
        st.caption("This table came without its pictures; open it in its folder to see them.")
    missing = draw_gallery(place, results, cards)
    return partial(fill_gallery, place, results, cards) if missing else None


def _empty() -> None:
    st.html(_headed("A folder of pictures, and where the model is wrong."))
    if tables.names():
        return  # what is wrong with the results is said beside their name
    st.markdown(
        "There are no results to show. Make some, and say which results the page may open; or "
        "open a `results.parquet` at the side."
    )
    st.code(_HOW, language="sh")


def _follow(results: ResultsTable, reading: Reading, words: list[str]) -> None:
    """Do what a card, or an entry of the list, is for."""
    match words:
        case ["press", *link]:
            reading.press(link)
        case ["open", path]:
            _open(results, path)


def _open(results: ResultsTable, path: str) -> None:
    """Open a picture on the main page, with the model that judged it."""
    try:
        state.choose_from_folder(st.session_state["results"], path)
    except UserError as error:
        _log.info("%s cannot be opened", path, exc_info=error)
        state.notice(str(error))
        return
    leave()
    st.session_state.update(target=PREDICTED, contrast=NOTHING)
    record = tables.record_of(results)
    if isinstance(record, str):
        state.notice(f"The page shows another model than that of the table. {record}")
    elif not record.weights.present:
        state.notice(
            f"The page shows another model than that of the table: the weights of "
            f"{plain(record.title)} are not here."
        )
    else:
        st.session_state["model"] = record.name


def leave() -> None:
    """To the main page, with its controls as they were left; for use in a callback."""
    state.name_picture()
    st.query_params.pop("view", None)  # now: this is the step in the browser's history
    keep()
    st.session_state["notices"] = []
    st.session_state.update(st.session_state.pop("kept_main", {}))
