"""The Folder page of a table of classes: right or wrong, and which class is called which."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import streamlit as st

from core.drawing.sentences import percent, share
from core.files.cache import BoundedCache
from core.folders import selection
from core.folders.results_table import ResultsTable
from core.folders.selection import Filters, Order, Pair, Show, Summary
from core.text import counted, plain
from dashboard.folder.filters import (
    choose,
    choose_failed,
    choose_index,
    choose_probability,
    choose_text,
    offer_to_clear,
)
from dashboard.folder.gallery import Bar, bars_html
from dashboard.folder.means import draw_means
from dashboard.folder.reading import Reading, pictures

ANY = "any class"
SHOWS: dict[str, Show] = {
    "All": "all",
    "Wrong": "wrong",
    "Right": "right",
    "With an error": "error",
}
ORDERS: dict[str, tuple[Order, bool]] = {
    "path": ("path", False),
    "most probable first": ("probability", True),
    "least probable first": ("probability", False),
    "smallest margin first": ("margin", False),
    "largest margin first": ("margin", True),
    "highest entropy first": ("entropy", True),
    "lowest entropy first": ("entropy", False),
    "highest loss first": ("loss", True),
    "lowest loss first": ("loss", False),
}


@dataclass(frozen=True)
class _Known:
    """What a table says whatever the filters: names by index, and its mistakes."""

    labels: dict[int, str]
    predicted: dict[int, str]
    pairs: tuple[Pair, ...]

    @property
    def names(self) -> dict[int, str]:
        """Of all classes, by index."""
        return self.labels | self.predicted


_known: BoundedCache[_Known] = BoundedCache(8)


def read(results: ResultsTable) -> Reading:
    """Draw the filters; what the table says with them."""
    known = _known.get_or_make(results.digest, lambda: _look_up(results))
    filters, (order, descending) = _choose_filters(results, known)
    rows = selection.select(results, filters, order, descending)
    found = selection.summary(results, rows)
    return Reading(
        rows=rows,
        sentence=_sentence(found, filters, known),
        facts=_facts(found),
        beside=partial(_mistakes, known, filters),
        means=partial(_means, results, rows, filters, known),
        cards=partial(selection.cards, results),
        press=partial(_choose_pair, known),
        titles={(name, name) for name in known.names.values()},
    )


def _look_up(results: ResultsTable) -> _Known:
    return _Known(
        selection.class_names(results, "label"),
        selection.class_names(results, "predicted"),
        selection.pairs(results),
    )


def _choose_filters(results: ResultsTable, known: _Known) -> tuple[Filters, tuple[Order, bool]]:
    """Which rows are wanted, and in which order."""
    show = SHOWS[choose("Show", SHOWS, "show")]
    label = choose_index("True class", ANY, known.labels, "true")
    predicted = choose_index("Predicted class", ANY, known.predicted, "called")
    lowest, highest = choose_probability("Of the predicted class (confidence).")
    failed = choose_failed(results)
    text = choose_text()
    order = choose(
        "Order",
        ORDERS,
        "order",
        "Margin: probability of the first class less that of the second. Entropy: how evenly "
        "the probabilities are spread. Loss: cross-entropy with the label.",
    )
    offer_to_clear(true=ANY, called=ANY, probability=(0, 100))
    return Filters(show, label, predicted, lowest, highest, text, failed), ORDERS[order]


def _choose_pair(known: _Known, words: list[str]) -> None:
    """Show the pictures of a mistake, given by its indices, if there is such a one."""
    for pair in known.pairs:
        if [str(pair.label), str(pair.predicted)] == words:
            names = known.names
            st.session_state.update(true=names[pair.label], called=names[pair.predicted], page=1)
            st.session_state["show"] = "All"


def _sentence(found: Summary, filters: Filters, known: _Known) -> str:
    narrowed = filters != Filters()
    chosen = Filters(label=filters.label, predicted=filters.predicted)
    pair = next(
        (p for p in known.pairs if (p.label, p.predicted) == (filters.label, filters.predicted)),
        None,
    )
    if not found.pictures:
        return "No picture is left with these filters." if narrowed else "The table is empty."
    if pair is not None and filters == chosen:
        label, predicted = (plain(known.names[i]) for i in (pair.label, pair.predicted))
        of = f"{pair.count:,} of {pictures(pair.total)}"
        return f"The model calls {of} of {label} “{predicted}”."
    if found.judged:
        fit = f" that {'fits' if found.judged == 1 else 'fit'} the filters"
        return (
            f"The model is wrong on {found.wrong:,} of {counted(found.judged, 'labelled picture')}"
            f"{fit if narrowed else ''}."
        )
    return f"{pictures(found.pictures)} without a label to judge the answer by."


def _facts(found: Summary) -> Sequence[str]:
    parts = []
    if found.judged:
        parts.append(f"top-1 {share(found.top1 / found.judged)}")
        if found.top5 is not None:
            parts.append(f"top-5 {share(found.top5 / found.judged)}")
    if found.probability is not None:
        parts.append(f"mean probability {percent(found.probability)}")
    return [*parts, f"{found.errors:,} with an error"]


def _mistakes(known: _Known, filters: Filters) -> None:
    st.html('<h2 class="wil-section">Mistakes</h2>')
    if not known.pairs:
        st.caption("No picture with a label has another answer.")
        return
    st.caption("Choose one to see its pictures, and where the model looks when it makes it.")
    names, most = known.names, max(pair.count for pair in known.pairs)
    bars = [
        Bar(
            f"{plain(names[pair.label])} called",
            plain(names[pair.predicted]),
            f"{pair.count:,} of {pair.total:,}",
            pair.count / most,
            (str(pair.label), str(pair.predicted)),
            (pair.label, pair.predicted) == (filters.label, filters.predicted),
        )
        for pair in known.pairs
    ]
    st.html(bars_html(bars))


def _say_how() -> None:
    st.caption(
        "None of these pictures has a map here: the command `batch` makes them with "
        "`--methods occlusion`, and for mistakes alone with `--only wrong`."
    )


def _means(
    results: ResultsTable, rows: pa.Array, filters: Filters, known: _Known
) -> partial[None] | None:
    if filters.label is None or filters.predicted is None or not len(rows):
        return None
    label, predicted = (plain(known.names[i]) for i in (filters.label, filters.predicted))
    question = f"Where does it look when {label} is called {predicted}?"
    return draw_means(results, rows, question, _say_how)
