"""The Folder page (?view=folder): a table of results as a gallery, with its mistakes.

Filters are in the address, so that a view can be shared; a picture opens on the main page, which
leads back here with the same filters.
"""

import logging
from functools import partial
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import browsing, table_export
from core.browsing import Filters, Summary
from core.errors import UserError
from core.models import registry
from core.results_table import MAX_UPLOAD, ResultsTable
from core.story import percent
from core.text import escape, markdown, plain
from dashboard import components, folder_tables, state
from dashboard.controls import NOTHING, PREDICTED
from dashboard.folder_filters import (
    BOUND,
    Known,
    arrive,
    choose_filters,
    choose_pair,
    first_page,
    keep,
    known_of,
)
from dashboard.folder_gallery import PER_PAGE, draw_gallery, fill_gallery, pairs_html
from dashboard.folder_means import draw_means
from dashboard.notices import draw_notices
from dashboard.places import nothing_more, replacing

_STYLE = Path(__file__).resolve().parent / "folder.css"
_HOW = """python -m core batch PICTURES --out OUT --methods occlusion
make run RESULTS=OUT"""
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
    known = known_of(results)
    with replacing(st.sidebar, 24):  # the main page's is longer
        filters, (order, descending) = choose_filters(known)
    rows = browsing.select(results, filters, order, descending)
    found = browsing.summary(results, rows)
    state.check_address(BOUND, {(name, name) for name in known.names.values()})
    with replacing(st.container()):
        draw_notices()
    _headline(results, found, filters, known)
    left, right = st.columns([3, 1], gap="large")
    with right:
        _mistakes(known, filters)
    with left:
        fill_means = _means(results, rows, filters, known)
        fill_pages = _gallery(results, rows)
        _export(results, rows)
    components.links(key="folder_links", on_click=partial(_follow, results, known))
    nothing_more()
    for fill in (fill_pages, fill_means):
        if fill is not None:
            fill()


def _choose_results() -> ResultsTable | None:
    """The table, or None where there is none to be shown, which is said."""
    names = folder_tables.names()
    results = None
    if names:
        own = folder_tables.uploaded()
        name = st.selectbox(
            "Results",
            names,
            format_func=lambda name: (
                name if own is None or name != folder_tables.UPLOADED else f"{plain(own.name)} ↥"
            ),
            key="results",
            bind="query-params",
            on_change=first_page,
            help="A folder that `python -m core batch` wrote.",
        )
        try:
            results = folder_tables.open_table(name)
        except UserError as error:
            _log.info("results %s cannot be shown", name, exc_info=error)
            st.error(markdown(str(error)))
    with st.expander("Open another table" if names else "Open a table", expanded=not names):
        st.file_uploader(
            "A results.parquet",
            type=["parquet"],
            key="folder_uploader",
            on_change=folder_tables.accept_table,
            max_upload_size=MAX_UPLOAD // 1_000_000,
            help="Its numbers, without pictures and maps. It stays in this session's memory.",
        )
        if "folder_upload_error" in st.session_state:
            st.error(markdown(st.session_state["folder_upload_error"]))
    return results


def _headline(results: ResultsTable, found: Summary, filters: Filters, known: Known) -> None:
    """The answer in one sentence, and the numbers under it."""
    narrowed = filters != Filters()
    chosen = Filters(label=filters.label, predicted=filters.predicted)
    pair = next(
        (p for p in known.pairs if (p.label, p.predicted) == (filters.label, filters.predicted)),
        None,
    )
    if not found.pictures:
        sentence = "No picture is left with these filters." if narrowed else "The table is empty."
    elif pair is not None and filters == chosen:
        label, predicted = (plain(known.names[i]) for i in (pair.label, pair.predicted))
        of = f"{pair.count:,} of {_pictures(pair.total)}"
        sentence = f"The model calls {of} of {label} “{predicted}”."
    elif found.judged:
        sentence = (
            f"The model is wrong on {found.wrong:,} of {found.judged:,} labelled pictures"
            f"{' that fit the filters' if narrowed else ''}."
        )
    else:
        sentence = f"{_pictures(found.pictures)} without a label to judge the answer by."
    parts = [f"{found.pictures:,} of {results.table.num_rows:,} pictures"]
    if found.judged:
        parts.append(f"top-1 {_share(found.top1, found.judged)}")
        parts.append(f"top-5 {_share(found.top5, found.judged)}")
    if found.probability is not None:
        parts.append(f"mean probability {percent(found.probability)}")
    parts.append(f"{found.errors:,} with an error")
    record = registry().get(results.model or "")
    parts.append(record.title if record else plain(results.model or "model not known"))
    st.html(f'{_headed(sentence)}<p class="wil-facts">{escape(" · ".join(parts))}</p>')


def _headed(sentence: str) -> str:
    """A headline, and the button that opens the sidebar."""
    return (
        f'<div class="wil-says"><h1 class="wil-headline">{escape(sentence)}</h1>'
        '<button type="button" class="wil-way" data-settings>Filters</button></div>'
    )


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if part else "0 %"


def _mistakes(known: Known, filters: Filters) -> None:
    st.html('<h2 class="wil-section">Mistakes</h2>')
    if not known.pairs:
        st.caption("No picture with a label has another answer.")
        return
    st.caption("Choose one to see its pictures, and where the model looks when it makes it.")
    st.html(pairs_html(known.pairs, known.names, (filters.label, filters.predicted)))


def _gallery(results: ResultsTable, rows: pa.Array) -> partial[None] | None:
    """The page of pictures; returns what makes the thumbnails that are missing."""
    if not len(rows):
        st.info("Nothing to show: widen the filters, or clear them.")
        return None
    pages = -(-len(rows) // PER_PAGE)
    st.session_state["page"] = min(st.session_state.get("page", 1), pages)
    place = st.empty()
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    cards = browsing.cards(results, rows.slice((page - 1) * PER_PAGE, PER_PAGE))
    if results.address is None:
        st.caption("This table came without its pictures; open it in its folder to see them.")
    missing = draw_gallery(place, results, cards)
    return partial(fill_gallery, place, results, cards) if missing else None


def _means(
    results: ResultsTable, rows: pa.Array, filters: Filters, known: Known
) -> partial[None] | None:
    if filters.label is None or filters.predicted is None or not len(rows):
        return None
    return draw_means(results, rows, known.names[filters.label], known.names[filters.predicted])


def _export(results: ResultsTable, rows: pa.Array) -> None:
    words = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    st.html('<h2 class="wil-section">Take these rows along</h2>')
    with st.container(horizontal=True):
        for kind, mime, make in (
            ("CSV", "text/csv", table_export.as_csv),
            ("Parquet", "application/vnd.apache.parquet", table_export.as_parquet),
        ):
            st.download_button(
                markdown(f"{kind}, {words}"),
                partial(make, results, rows),
                file_name=f"results.{kind.lower()}",
                mime=mime,
                key=f"folder_{kind}",
                on_click="ignore",
                disabled=not len(rows),
            )


def _empty() -> None:
    st.html(_headed("A folder of pictures, and where the model is wrong."))
    if folder_tables.names():
        return  # what is wrong with the results is said beside their name
    st.markdown(
        "There are no results to show. Make some, and say which results the page may open; or "
        "open a `results.parquet` at the side."
    )
    st.code(_HOW, language="sh")


def _follow(results: ResultsTable, known: Known, words: list[str]) -> None:
    """Do what a card or a mistake is for."""
    match words:
        case ["pair", label, predicted]:
            choose_pair(known, label, predicted)
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
    record = registry().get(results.model or "")
    if record is not None and record.weights.present:
        st.session_state["model"] = record.name


def leave() -> None:
    """To the main page, with its controls as they were left; for use in a callback."""
    state.name_picture()
    st.query_params.pop("view", None)  # now: this is the step in the browser's history
    keep()
    st.session_state["notices"] = []
    st.session_state.update(st.session_state.pop("kept_main", {}))


def enter(main_controls: tuple[str, ...]) -> None:
    """From the main page to this one, as its filters were left; for use in a callback."""
    held = {key: st.session_state[key] for key in main_controls if key in st.session_state}
    st.session_state["kept_main"] = held
    st.query_params["view"] = "folder"  # first: this is the step in the browser's history
    st.session_state["arriving"] = st.query_params.pop("back", "")
    state.leave_out_picture()
    st.session_state["notices"] = []
