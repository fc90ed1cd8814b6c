"""The Folder page of a table of independent labels: found, missed, or wrongly said."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import streamlit as st

from core.drawing.sentences import share
from core.files.cache import BoundedCache
from core.folders import label_selection, selection
from core.folders.label_selection import (
    LabelCount,
    LabelFilters,
    LabelMistake,
    LabelOrder,
    LabelSummary,
    Role,
    mistakes,
)
from core.folders.results_table import ResultsTable
from core.text import counted, escape, markdown, plain
from dashboard.folder.classes import SHOWS
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

ANY = "any label"
ROLES: dict[str, Role] = {
    "expected or found": "any",
    "found": "found",
    "missed": "missed",
    "false positive": "false",
}
_ROLE_WORDS = {role: words for words, role in ROLES.items()}
ORDERS: dict[str, tuple[LabelOrder, bool]] = {
    "path": ("path", False),
    "most probable first": ("probability", True),
    "least probable first": ("probability", False),
    "smallest margin first": ("margin", False),
    "largest margin first": ("margin", True),
    "highest loss first": ("loss", True),
    "lowest loss first": ("loss", False),
}
_TABLED = 100  # labels in the table below
_QUESTIONS: dict[Role, str] = {
    "any": "Where does it look for {}?",
    "found": "Where does it look when it finds {}?",
    "missed": "Where does it look when it misses {}?",
    "false": "Where does it look when it finds {}, which is not there?",
}


@dataclass(frozen=True)
class _Known:
    """What a table says whatever the filters: names by index, and counts of each label."""

    names: dict[int, str]
    counts: tuple[LabelCount, ...]
    mistakes: tuple[LabelMistake, ...]


_known: BoundedCache[_Known] = BoundedCache(8)


def read(results: ResultsTable) -> Reading:
    """Draw the filters; what the table says with them."""
    known = _known.get_or_make(results.digest, lambda: _look_up(results))
    filters, (order, descending) = _choose_filters(results, known)
    rows = selection.select(results, filters, order, descending)
    found = label_selection.summary(results, rows)
    return Reading(
        rows=rows,
        sentence=_sentence(found, filters, known),
        facts=_facts(found, filters, known),
        beside=partial(_mistakes, known, filters),
        means=partial(_means, results, rows, filters, known),
        cards=partial(label_selection.cards, results),
        press=partial(_choose_mistake, known),
        below=partial(_counts, known),
        titles={(name, name) for name in known.names.values()},
        output=filters.label,
    )


def _look_up(results: ResultsTable) -> _Known:
    counts = label_selection.counts(results)
    return _Known(label_selection.label_names(results), counts, mistakes(counts))


def _choose_filters(
    results: ResultsTable, known: _Known
) -> tuple[LabelFilters, tuple[LabelOrder, bool]]:
    """Which rows are wanted, and in which order."""
    show = SHOWS[choose("Show", SHOWS, "show")]
    label = choose_index("Label", ANY, known.names, "label")
    role = choose(
        "The label is",
        ROLES,
        "role",
        "Found: expected, and over its threshold. Missed: expected, and under it. False positive: "
        "over it, and not expected.",
    )
    lowest, highest = choose_probability("Of the most probable label, whether it holds or not.")
    failed = choose_failed(results)
    text = choose_text()
    order = choose(
        "Order",
        ORDERS,
        "order",
        "Probable: of the most probable label. Margin: smallest distance of a probability from "
        "its threshold. Loss: binary cross-entropy with the expected labels, mean of all labels.",
    )
    offer_to_clear(label=ANY, role=next(iter(ROLES)), probability=(0, 100))
    filters = LabelFilters(show, label, ROLES[role], lowest, highest, text, failed)
    return filters, ORDERS[order]


def _choose_mistake(known: _Known, words: list[str]) -> None:
    """Show the pictures of a mistake, given by label and role, if there is such a one."""
    for mistake in known.mistakes:
        if [str(mistake.label), mistake.role] == words:
            st.session_state.update(
                label=known.names[mistake.label],
                role=_ROLE_WORDS[mistake.role],
                show="All",
                page=1,
            )


def _sentence(found: LabelSummary, filters: LabelFilters, known: _Known) -> str:
    narrowed = filters != LabelFilters()
    chosen = LabelFilters(label=filters.label, role=filters.role)
    mistake = next(
        (m for m in known.mistakes if (m.label, m.role) == (filters.label, filters.role)), None
    )
    if not found.pictures:
        return "No picture is left with these filters." if narrowed else "The table is empty."
    if mistake is not None and filters == chosen:
        name, of = plain(known.names[mistake.label]), f"{mistake.count:,} of {mistake.total:,}"
        if mistake.role == "missed":
            return f"The model misses {name} in {of} pictures with it."
        return f"The model finds {name} in {of} pictures without it."
    if not found.judged:
        return f"{pictures(found.pictures)} without labels to judge the answer by."
    fit = f" that {'fits' if found.judged == 1 else 'fit'} the filters"
    return (
        f"The model is wrong on {found.wrong:,} of {counted(found.judged, 'labelled picture')}"
        f"{fit if narrowed else ''}."
    )


def _facts(found: LabelSummary, filters: LabelFilters, known: _Known) -> Sequence[str]:
    """Of one label its own numbers in the whole table, else those of all labels of the rows."""
    chosen = next((each for each in known.counts if each.label == filters.label), None)
    said: LabelSummary | LabelCount = chosen or found
    errors = f"{found.errors:,} with an error"
    if not found.judged:
        return [errors]
    what = "labels" if chosen is None else f"{plain(known.names[chosen.label])} in all pictures"
    positives = counted(said.false, "false positive")
    return [
        f"{what}: {said.found:,} found, {said.missed:,} missed, {positives}",
        f"precision {share(said.precision)}",
        f"recall {share(said.recall)}",
        errors,
    ]


def _mistakes(known: _Known, filters: LabelFilters) -> None:
    st.html('<h2 class="wil-section">Mistakes</h2>')
    if not known.mistakes:
        st.caption("No label of a picture with expected labels is missed or wrongly found.")
        return
    st.caption("Choose one to see its pictures, and where the model looks when it makes it.")
    most = max(mistake.count for mistake in known.mistakes)
    bars = [
        Bar(
            plain(known.names[each.label]),
            _ROLE_WORDS[each.role],
            f"{each.count:,} of {each.total:,}",
            each.count / most,
            (str(each.label), each.role),
            (each.label, each.role) == (filters.label, filters.role),
        )
        for each in known.mistakes
    ]
    st.html(bars_html(bars))


def _counts(known: _Known) -> None:
    """Each label with its counts, of all judged pictures of the table."""
    if not known.counts:
        return
    st.html('<h2 class="wil-section">Label by label</h2>')
    header = ("Label", "Found", "Missed", "False positive", "Rightly absent", "Precision", "Recall")
    head = "".join(f'<th scope="col">{each}</th>' for each in header)
    body = "".join(
        f'<tr><th scope="row">{escape(plain(known.names[each.label]))}</th>'
        f"<td>{each.found:,}</td><td>{each.missed:,}</td><td>{each.false:,}</td>"
        f"<td>{each.absent:,}</td><td>{share(each.precision)}</td>"
        f"<td>{share(each.recall)}</td></tr>"
        for each in known.counts[:_TABLED]
    )
    st.html(
        f'<div class="wil-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
    st.caption("Of all pictures with expected labels, whatever the filters.")
    more = len(known.counts) - _TABLED
    if more > 0:
        has = counted(more, "more label has its numbers", "more labels have their numbers")
        st.caption(markdown(f"{has} when chosen."))


def _say_how() -> None:
    st.caption(
        "None of these pictures has a map of this label here: the command `batch` makes those "
        "of the labels that it finds with `--methods occlusion`, and those of the expected labels, "
        "which it may have missed, with `--target label` as well."
    )


def _means(
    results: ResultsTable, rows: pa.Array, filters: LabelFilters, known: _Known
) -> partial[None] | None:
    if filters.label is None or not len(rows):
        return None
    question = _QUESTIONS[filters.role].format(plain(known.names[filters.label]))
    return draw_means(results, rows, question, _say_how, filters.label)
