"""The summary of a table of results: one HTML file without scripts, for screens, phones and paper.

It holds the measures, the worst mistakes with their pictures and maps, mean maps and what failed.
Its size is bounded, whatever the table's: so many mistakes, so many pictures of each, and at most
`MOST_BYTES` of pictures.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ..drawing.document import document
from ..drawing.method_display import display_of
from ..folders.damaged_maps import damaged_maps
from ..folders.mean_maps import Means, mean_maps
from ..folders.results_table import ResultsTable
from ..folders.run_pictures import replaced_words
from ..methods.registry import METHOD_ALIASES, METHODS
from ..models.catalogue import ModelRecord
from ..text import counted, escape, plain, quoted
from .album import Album, missing
from .cases import Case, groups, is_judged, spread, worst
from .cluster_cases import cluster_cases
from .examples import examples_html
from .measures import Measured, Table, measured
from .rows import made_on
from .titles import method_title
from .told import has_place, told_model, told_settings

_HERE = Path(__file__).resolve().parent
_MEANS_SHOWN = 4  # methods
_FAILURES = 20  # rows that are listed
_SAID = 400  # characters of an error
_FINGERPRINT = 12  # digits of the weights' digest in the header; all of them are at the end

Show = Callable[[str], object]


@dataclass(frozen=True, eq=False)
class _Work:
    """What the parts of a summary share."""

    results: ResultsTable
    record: ModelRecord | str
    album: Album
    show: Show
    replaced: dict[str, None] = field(default_factory=dict)  # paths, in order, each once

    def left_out(self) -> str:
        """Which pictures are not shown, as they are not those of the run; empty if all are."""
        return replaced_words([*self.replaced], ("it is not shown", "they are not shown"))


def summary(
    results: ResultsTable,
    record: ModelRecord | str,
    show: Show = lambda _words: None,
    tell: Show = lambda _words: None,
) -> str:
    """The summary as HTML.

    Args:
        results: the table.
        record: the model that made it; or why that is not available, in one sentence: then there
            are no maps.
        show: is told what is done, in words.
        tell: is told which pictures are left out, in a sentence, if there are any.
    """
    if (
        isinstance(record, str)
        and has_place(results)
        and results.table["maps"].null_count < len(results.table)
    ):  # then the sentence is about the model, and may tell where it lies
        name = quoted(str(told_model(results)))
        record = f"The table was made with {name}, which is not available here."
    work = _Work(results, record, Album(), show)
    found = measured(results)
    pictured = [*_mistakes(work), *_clusters(work), *_means(work)]
    parts = [
        _header(work, found),
        _reading(work),
        *pictured,
        *map(_table_html, found.tables),
        *(f"<p>{escape(note)}</p>" for note in found.notes),
        _failures(results),
        _settings(work),
    ]
    if work.replaced:
        tell(work.left_out())
    title = f"Where it looked: {plain(results.name)}"
    style = (_HERE / "summary.css").read_text("utf-8")
    return document(title, style, "\n".join(filter(None, parts)))


def _header(work: _Work, found: Measured) -> str:
    results, record = work.results, work.record
    table = results.table
    counts = [
        ("pictures", f"{table.num_rows:,}"),
        ("explained", f"{table.num_rows - table['maps'].null_count:,}"),
        ("with an error", f"{table.num_rows - table['error'].null_count:,}"),
    ]
    tiles = "".join(
        f"<li><b>{_unbroken(value)}</b><span>{escape(name)}</span></li>"
        for name, value in (*found.figures, *counts)
    )
    model = told_model(results) or "model not known"
    model = plain(model) if isinstance(record, str) else record.title
    day = made_on(results)
    weights = results.manifest.get("weights_sha256")
    facts = [plain(results.name), model]
    facts += [f"weights {weights[:_FINGERPRINT]}"] if isinstance(weights, str) else []
    facts += [] if day is None else [f"results of {day}"]
    notes = [] if not isinstance(record, str) else [f"There are no maps here. {record}"]
    if results.address is None:
        notes.append("The table came without its pictures.")
    if results.unfinished:
        notes.append(results.unfinished)
    if bad := damaged_maps(results, work.show):
        notes.append(bad)
    if work.replaced:
        notes.append(work.left_out())
    return (
        f"<h1>{_unbroken(found.sentence)}</h1>"
        f'<p class="quiet">{escape(" · ".join(facts))}</p>'
        f"{''.join(f'<p>{escape(each)}</p>' for each in notes)}"
        f'<ul class="facts">{tiles}</ul>'
    )


_EVIDENCE = (
    "Maps lie on what the model saw. <b>Red</b> is evidence for {}, <b>blue</b> against it; each "
    "map has a scale of its own."
)
_READING = {
    "classes": _EVIDENCE.format("the answer that is explained"),
    "labels": _EVIDENCE.format("the label"),
    "values": "Maps lie on what the model saw. <b>Red</b> raises the value, <b>blue</b> lowers it; "
    "each map has a scale of its own.",
}


_SIZES = (
    "Maps lie on what the model saw. The deeper the <b>red</b>, the more a place counts; none of "
    "them shows evidence against. Each map has a scale of its own, from 0."
)


def _reading(work: _Work) -> str:
    """How the maps of a table are read, by the signs of its methods; empty without maps."""
    results = work.results
    explained = results.table["maps"].null_count < results.table.num_rows
    if results.folder is None or isinstance(work.record, str) or not explained:
        return ""
    signed = [_is_signed(*each) for each in _methods(results).items()]
    if signed and not any(signed):
        return f"<p>{_SIZES}</p>"
    rest = "" if all(signed) else " Where a scale begins at 0, the method shows none against."
    return f"<p>{_READING[results.kind]}{rest}</p>"


def _is_signed(name: str, setting: Any) -> bool:
    """Whether a method of a run has values of both signs."""
    method = METHODS.get(METHOD_ALIASES.get(name, name))
    by_option = isinstance(setting, dict) and setting.get("signed") is True
    return method is None or method.sign == "signed" or by_option


def _methods(results: ResultsTable) -> dict[str, Any]:
    """The methods of a run with their settings, as far as the manifest says so."""
    settings = results.manifest.get("settings")
    methods = settings.get("methods") if isinstance(settings, dict) else None
    return methods if isinstance(methods, dict) else {}


def _mistakes(work: _Work) -> Iterator[str]:
    cases = list(worst(work.results))
    values, judged = work.results.kind == "values", is_judged(work.results)
    heading = "The largest errors" if values else "The most frequent mistakes"
    if judged and not cases:
        yield f"<h2>{heading}</h2><p>None: no answer differs from what is expected.</p>"
    if not cases:
        return
    yield f"<h2>{heading if judged else 'The least certain answers'}</h2>"
    for number, case in enumerate(cases, 1):
        work.show(f"mistake {number} of {len(cases)}")
        yield _case_html(work, case)


def _means(work: _Work) -> Iterator[str]:
    if isinstance(work.record, str):
        return
    found = []
    for case in groups(work.results):
        work.show(f"mean maps: {case.title}")
        shots = _means_html(work, case, "")
        if shots:
            found.append(
                f'<section class="case"><h3>{escape(case.title)}</h3>'
                f'<p class="quiet">{_unbroken(case.facts)}</p>{shots}</section>'
            )
    if found:
        yield "<h2>Where the model looks on average</h2>"
        yield from found


def _clusters(work: _Work) -> Iterator[str]:
    if isinstance(work.record, str):
        return
    found = cluster_cases(work.results, work.record, work.show)
    if found is None:
        return
    yield f"<h2>Maps that are alike</h2><p>{escape(found.sentence)}</p>"
    for case in found.cases:
        work.show(f"mean maps: {case.title}")
        yield _case_html(work, case)


def _case_html(work: _Work, case: Case) -> str:
    return (
        f'<section class="case"><h3>{escape(case.title)}</h3>'
        f'<p class="quiet">{_unbroken(case.facts)}</p>'
        f"{examples_html(work.results, work.record, work.album, case, work.replaced.setdefault)}"
        f"{_means_html(work, case, 'On average')}</section>"
    )


def _means_html(work: _Work, case: Case, heading: str) -> str:
    """The mean picture and the mean maps of a case; empty if it has no maps."""
    if isinstance(work.record, str):
        return ""
    rows = spread(work.results, case.rows)
    if len(rows) < 2:  # whose own map says it
        return ""
    means: Means | None = None
    for step in mean_maps(work.results, rows, work.record, case.output):
        if step.done == step.total:
            means = step.snapshot()
    if means is None or not means.maps:
        return ""
    work.replaced.update(dict.fromkeys(means.replaced))
    shots = []
    if means.photo is not None:
        pictures = counted(means.photos, "picture")
        alt = f"Mean of what the model saw of {pictures}: {case.title}"
        caption = f"Mean of {pictures}"
        shots.append(work.album.picture(means.photo, alt, caption))
    for name, mean in list(means.maps.items())[:_MEANS_SHOWN]:
        maps = counted(mean.count, "map")
        what = f"Mean of {maps} by {method_title(name)}: {case.title}"
        caption = f"{escape(method_title(name))}, mean of {maps}"
        display = display_of(name, mean.values)
        shots.append(work.album.map(mean.values, mean.units, display, means.photo, what, caption))
    if means.unreadable:
        pictures = counted(means.unreadable, "picture")
        words = f"The maps of {pictures} cannot be read, and are left out."
        shots.append(missing(words, ""))
    head = f"<h4>{heading}</h4>" if heading else ""
    return f'{head}<div class="shots">{"".join(shots)}</div>'


def _table_html(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in table.header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        f"{''.join(f'<td>{_unbroken(each)}</td>' for each in row[1:])}</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide"><table class="numbers"><caption>{escape(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _failures(results: ResultsTable) -> str:
    failed = results.table.select(["path", "error"])
    failed = failed.filter(pc.is_valid(failed["error"]))
    if not failed.num_rows:
        return ""
    items = "".join(
        f"<li>{escape(plain(row['path']))}: {escape(row['error'], _SAID)}</li>"
        for row in failed.slice(0, _FAILURES).to_pylist()
    )
    more = failed.num_rows - _FAILURES
    rest = f"<p>And {more:,} more.</p>" if more > 0 else ""
    return f"<h2>What failed</h2><ul>{items}</ul>{rest}"


def _settings(work: _Work) -> str:
    """What was asked, of which model, as far as the manifest says so."""
    told = work.results.manifest
    rows = [("Model", plain(told_model(work.results) or "not known"))]
    if not isinstance(work.record, str):
        about = (work.record.title, work.record.top1, work.record.licence, work.record.source)
        rows.append(("About it", ", ".join(filter(None, about))))
    rows.append(("SHA-256 of the weights", str(told.get("weights_sha256", "not known"))))
    for name, each in _methods(work.results).items():
        rows.append((method_title(name), _said(each)))
    for key, value in told_settings(work.results).items():
        if key == "head":
            rows.append(("Outputs", _outputs(value)))
        elif key not in ("methods", "model"):
            rows.append((key.capitalize(), _said(value)))
    for key in ("versions", "run"):
        if key in told:
            rows.append((key.capitalize(), _said(told[key])))
    cells = "".join(
        f'<tr><th scope="row">{escape(plain(name))}</th><td>{escape(words)}</td></tr>'
        for name, words in rows
    )
    return f'<h2>How it was made</h2><div class="wide"><table>{cells}</table></div>'


def _outputs(head: Any) -> str:
    """What a head's record says, for people."""
    match head:
        case {"kind": "value", "unit": str(unit)} if unit:
            return f"values in {unit}"
        case {"kind": "value"}:
            return "values"
        case {"kind": "sigmoid", "thresholds": [_, *_] as least}:
            return f"independent labels, from a probability of {', '.join(map(str, least))}"
        case {"kind": "sigmoid"}:
            return "independent labels"
    return "classes that exclude one another"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items() if each is not None)
    return str(value)


def _unbroken(text: str) -> str:
    return escape(text).replace(" %", "&nbsp;%")
