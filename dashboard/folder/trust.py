"""How many maps of the filtered pictures pass each trust check, on the Folder page."""

import pyarrow as pa
import streamlit as st

from core.drawing.sentences import share
from core.exports.titles import method_title
from core.folders.results_table import ResultsTable
from core.folders.trust_means import CHECK_TITLES, Check, CheckCount, count_trust
from core.text import escape

_MEASURED = """Faithful: by how much the mean probability is better than that of random orders, in
deletion and in insertion. Complete: how far the sum of the values is off the change of the score.
Low infidelity: the share of the drops of the score that the map explains, and that the size of the
covered square explains; of a method whose values sum up, completeness is the check that counts, and
this stands beside it. Depends on the weights, stable under noise: the rank correlation with the
maps of random weights, and of noisy pictures."""


def draw_trust(results: ResultsTable, rows: pa.Array) -> None:
    """The trust checks of rows by method; nothing for a table without judged maps."""
    counted = count_trust(results.table.take(rows))
    if not counted:
        return
    st.html('<h2 class="wil-section">How far can these maps be trusted?</h2>')
    st.caption(
        "How many maps pass each check, of those that it can be made of, and the means of what was "
        "measured.",
        help=_MEASURED,
    )
    head = "".join(
        f'<th scope="col">{escape(title)}<small>{escape(measure)}</small></th>'
        for title, measure in CHECK_TITLES.values()
    )
    body = "".join(
        f'<tr><th scope="row">{escape(method_title(method))}</th>'
        + "".join(_cell(check, count) for check, count in checks.items())
        + "</tr>"
        for method, checks in counted.items()
    )
    st.html(
        '<div class="wil-table wil-checks"><table><thead><tr><th scope="col">Method</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(check: Check, count: CheckCount) -> str:
    """A cell, which brings its title for where a table has no room for columns."""
    title = escape(CHECK_TITLES[check][0])
    numbers = f"<small>{escape(_numbers(check, count))}</small>"
    words = f"{count.passed:,} of {count.checked:,}{numbers}" if count.checked else "–"
    return f'<td data-check="{title}">{words}</td>'


def _numbers(check: Check, count: CheckCount) -> str:
    """The means of a check's numbers, as the trust line writes them."""
    means = {name: mean for name, mean in count.means.items() if mean is not None}
    match check:
        case "faithful":
            return ", ".join(_two(mean, "+") for mean in means.values())
        case "complete":
            return "".join(f"off by {share(mean)}" for mean in means.values())
        case "low_infidelity":
            return ", size ".join(share(mean) for mean in means.values())
        case _:
            return "".join(f"Spearman {_two(mean)}" for mean in means.values())


def _two(value: float, sign: str = "") -> str:
    return f"{value:{sign}.2f}".replace("-", "−")
