"""The Folder page of a table of values: how far off they are."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import streamlit as st

from core.drawing.sentences import number
from core.files.cache import BoundedCache
from core.folders import selection, value_selection
from core.folders.results_table import ResultsTable
from core.folders.selection import Show
from core.folders.value_selection import Band, ValueFilters, ValueOrder, ValueSummary
from core.text import plain
from dashboard.folder.filters import (
    choose,
    choose_failed,
    choose_index,
    choose_text,
    first_page,
    offer_to_clear,
)
from dashboard.folder.gallery import Bar, bars_html
from dashboard.folder.means import draw_means
from dashboard.folder.reading import Reading, pictures

ALL = "all, their mean"
SHOWS: dict[str, Show] = {"All": "all", "With an error": "error"}
ORDERS: dict[str, tuple[ValueOrder, bool]] = {
    "path": ("path", False),
    "largest error first": ("error", True),
    "smallest error first": ("error", False),
    "largest value first": ("value", True),
    "smallest value first": ("value", False),
}
_bands: BoundedCache[tuple[Band, ...]] = BoundedCache(16)


def read(results: ResultsTable) -> Reading:
    """Draw the filters; what the table says with them."""
    unit = plain(value_selection.unit(results))
    names = value_selection.outputs(results)
    show = SHOWS[choose("Show", SHOWS, "show")]
    output = choose_index("Output", ALL, dict(enumerate(names)), "output") if names[1:] else None
    bands = _bands.get_or_make(
        (results.digest, output), lambda: value_selection.bands(results, output)
    )
    least, below = _choose_limits(bands, unit)
    failed = choose_failed(results)
    filters = ValueFilters(show, output, least or 0.0, below, choose_text(), failed)
    order, descending = ORDERS[choose("Order", ORDERS, "order")]
    offer_to_clear(output=ALL, least=None, below=None)
    rows = selection.select(results, filters, order, descending)
    found = value_selection.summary(results, rows, output)
    return Reading(
        rows=rows,
        sentence=_sentence(found, filters, unit),
        facts=_facts(found, unit),
        beside=partial(_errors, bands, filters, unit),
        means=partial(_means, results, rows, filters, names, unit),
        cards=partial(value_selection.cards, results),
        press=partial(_choose_band, bands),
        titles={(name, name) for name in names},
        output=0 if len(names) == 1 else output,
    )


def _choose_limits(bands: Sequence[Band], unit: str) -> tuple[float | None, float | None]:
    """The smallest error that is shown, and the one from which none is; None for any."""
    of = f", {unit}" if unit else ""
    least, below = (
        st.number_input(
            f"{words}{of}",
            min_value=0.0,
            value=None,
            step=bands[0].high - bands[0].low if bands else None,
            format="%g",
            key=key,
            bind="query-params",
            on_change=first_page,
            placeholder="any",
            help="Of the absolute error: the difference of value and expected, without its sign.",
        )
        for words, key in (("Error at least", "least"), ("Error below", "below"))
    )
    return least, below


def _choose_band(bands: Sequence[Band], words: list[str]) -> None:
    """Show the pictures whose error is in a band, given by its place."""
    for place, band in enumerate(bands):
        if [str(place)] == words:
            st.session_state.update(least=band.low, below=band.high, show="All", page=1)


def _sentence(found: ValueSummary, filters: ValueFilters, unit: str) -> str:
    narrowed = filters != ValueFilters(output=filters.output)
    if not found.pictures:
        return "No picture is left with these filters." if narrowed else "The table is empty."
    if found.mean is None:
        return f"{pictures(found.pictures)} without an expected value to compare with."
    of = f"{pictures(found.judged)}{' that fit the filters' if narrowed else ''}"
    return f"The model is off by {_amount(found.mean, unit)} on average, over {of}."


def _amount(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def _facts(found: ValueSummary, unit: str) -> Sequence[str]:
    parts = []
    if 0 < found.judged < found.pictures:
        parts.append(f"{found.judged:,} with an expected value and one of the model")
    if found.median is not None and found.largest is not None:
        parts.append(f"median error {_amount(found.median, unit)}")
        parts.append(f"largest {_amount(found.largest, unit)}")
    if found.bias is not None:
        way = "too high" if found.bias > 0 else "too low"
        parts.append(f"on average {_amount(abs(found.bias), unit)} {way}")
    return [*parts, f"{found.failed:,} with an error"]


def _errors(bands: Sequence[Band], filters: ValueFilters, unit: str) -> None:
    st.html('<h2 class="wil-section">How far off</h2>')
    if not bands:
        st.caption("No picture has an expected value that differs from what the model gives.")
        return
    st.caption("Choose a range to see its pictures, and where the model looks.")
    most = max(band.count for band in bands)
    bars = [
        Bar(
            f"{_edge(band.low)} to {_edge(band.high)} {unit}".rstrip(),
            "",
            f"{band.count:,}",
            band.count / most,
            (str(place),),
            (band.low, band.high) == (filters.lowest, filters.highest),
        )
        for place, band in enumerate(bands)
    ]
    st.html(bars_html(bars))


def _edge(value: float) -> str:
    return f"{value:,.10g}"


def _say_how() -> None:
    st.caption(
        "None of these pictures has a map here: the command `batch` makes them with "
        "`--methods occlusion`."
    )


def _means(
    results: ResultsTable,
    rows: pa.Array,
    filters: ValueFilters,
    names: Sequence[str],
    unit: str,
) -> partial[None] | None:
    output = 0 if len(names) == 1 else filters.output
    limited = filters.lowest > 0 or filters.highest is not None
    if output is None or not limited or not len(rows):
        return None
    low, high = _edge(filters.lowest), filters.highest
    span = f"{low} {unit} or more" if high is None else f"{low} to {_edge(high)} {unit}"
    question = f"Where does it look when {plain(names[output])} is off by {span.rstrip()}?"
    return draw_means(results, rows, question, _say_how, output)
