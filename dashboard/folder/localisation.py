"""Where the maps of the filtered pictures lie, compared with masks, on the Folder page."""

from collections.abc import Sequence

import pyarrow as pa
import streamlit as st

from core.drawing.sentences import share
from core.exports.titles import method_title
from core.files.cache import BoundedCache
from core.folders.localisation_means import (
    LOCALISATION_TITLES,
    LocalisationMeans,
    mean_localisation,
    mean_localisation_by_class,
)
from core.folders.missing_masks import missing_masks
from core.folders.results_table import ResultsTable
from core.text import counted, escape, markdown, plain

_TABLED = 100  # classes
_Key = tuple[str, bytes]
_Found = tuple[LocalisationMeans | None, list[LocalisationMeans], str]
_COUNTED = "Maps", "Object covers"
_known: BoundedCache[_Found] = BoundedCache(16)


def draw_localisation(results: ResultsTable, rows: pa.Array) -> None:
    """The means of rows by method and by class; nothing for a table without masks."""
    key: _Key = results.digest, rows.to_numpy(zero_copy_only=False).tobytes()

    def look_up() -> _Found:
        part = results.table.take(rows)
        return mean_localisation(part), mean_localisation_by_class(part), missing_masks(part)

    whole, classes, missing = _known.get_or_make(key, look_up)
    if whole is None and not missing:
        return
    st.html('<h2 class="wil-section">Does the evidence lie on the object?</h2>')
    if missing:
        st.caption(markdown(missing))
    if whole is None:
        return
    st.caption(
        markdown(
            f"Means of {whole.counted} with a mask. The object covers {share(whole.mask_share)} of "
            "the input, which is what each measure reaches by chance."
        )
    )
    lines = [(method_title(name), whole, name) for name in whole.measures]
    st.html(_table("Method", lines, () if whole.equal else _COUNTED[:1]))
    if len(classes) < 2:
        return
    methods = list(whole.measures)
    method = methods[0]
    if len(methods) > 1:
        method = st.selectbox(
            "Class by class, method", methods, format_func=method_title, key="located_method"
        )
    lines = [(plain(each.name or "no class"), each, method) for each in classes[:_TABLED]]
    st.html(_table("Class", lines, _COUNTED))
    if len(classes) > _TABLED:
        more = counted(len(classes) - _TABLED, "more class", "more classes")
        st.caption(markdown(f"{more}: narrow the filters."))


def _table(
    first: str, lines: Sequence[tuple[str, LocalisationMeans, str]], counted: Sequence[str] = ()
) -> str:
    """A table with those of `_COUNTED` before the measures."""
    header = [first, *counted, *LOCALISATION_TITLES.values()]
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in header)
    body = ""
    for name, means, method in lines:
        cells = [f"{means.counts[method]:,}", share(means.mask_share)][: len(counted)]
        cells += [share(means.measures[method][measure]) for measure in LOCALISATION_TITLES]
        row = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        body += f'<tr><th scope="row">{escape(name)}</th>{row}</tr>'
    return (
        f'<div class="wil-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
