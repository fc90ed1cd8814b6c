"""What can be taken along from the Folder page: its rows as a table, a summary, and regions."""

import io
from functools import partial

import pyarrow as pa
import streamlit as st

from core.folders import table_export
from core.folders.results_table import ResultsTable
from core.models.catalogue import ModelRecord
from core.text import PROGRAM, markdown
from dashboard.session import tables

_MOST_REGIONS = 1000  # rows whose photos are opened for one download
_ELSEWHERE = f"""{PROGRAM} export RESULTS --to fiftyone --out DATASET
{PROGRAM} export RESULTS --to coco --out regions.json"""


def draw_exports(results: ResultsTable, rows: pa.Array) -> None:
    """Buttons that make a file of these rows when they are pressed."""
    words = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    st.html('<h2 class="wil-section">Take these rows along</h2>')
    with st.container(horizontal=True):
        _summary(results, rows, words)
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
        _regions(results, rows)
    with st.expander("For FiftyOne, and for whole folders"):
        st.caption(
            "A dataset of FiftyOne holds the pictures themselves, so it is written on the command "
            "line, as are the regions of more than a thousand pictures:"
        )
        st.code(_ELSEWHERE, language="sh")


def _summary(results: ResultsTable, rows: pa.Array, words: str) -> None:
    st.download_button(
        markdown(f"Summary, {words}"),
        partial(_summary_of, results, rows, tables.record_of(results)),
        file_name="summary.html",
        mime="text/html",
        key="folder_summary",
        on_click="ignore",
        type="primary",
        disabled=not len(rows),
        help="One HTML file for screens, phones and paper: measures, the worst mistakes with "
        "pictures and maps, clusters, mean maps. It is made when you press: up to half a minute.",
    )


def _summary_of(results: ResultsTable, rows: pa.Array, record: ModelRecord | str) -> bytes:
    from core.exports.summary import summary  # with scikit-learn, only once it is asked for

    return summary(results.part(rows), record).encode()


def _regions(results: ResultsTable, rows: pa.Array) -> None:
    record = tables.record_of(results)
    explained = len(rows) - results.table["maps"].take(rows).null_count
    why = ""
    if results.folder is None or results.address is None:
        why = "This table came without its maps and pictures."
    elif isinstance(record, str):
        why = record
    elif not explained:
        why = "None of these pictures has a map here."
    elif len(rows) > _MOST_REGIONS:
        why = f"At most {_MOST_REGIONS:,} rows at a time: narrow the filters."
    st.download_button(
        markdown(f"COCO regions, {explained:,} explained"),
        partial(_regions_of, results, rows, record),
        file_name="regions.json",
        mime="application/json",
        key="folder_coco",
        on_click="ignore",
        disabled=bool(why),
        help=markdown(why)
        or "Of each map, on the photo, the smallest region that holds half of the evidence, as "
        "COCO's JSON with run lengths.",
    )


def _regions_of(results: ResultsTable, rows: pa.Array, record: ModelRecord | str) -> bytes:
    from core.exports.coco import write_coco

    file = io.BytesIO()
    write_coco(results.part(rows), None if isinstance(record, str) else record, file)
    return file.getvalue()
