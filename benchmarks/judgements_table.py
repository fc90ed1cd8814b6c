"""The tables of `benchmarks.judgements`: a row for each method, over all pictures."""

import re
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

_COLUMNS = (
    "map",
    "deletion beats random",
    "insertion beats random",
    "both, and centre-first",
    "completeness",
    "infidelity: explains more than size",
    "weight randomisation",
    "noise stability",
)

Findings = Mapping[str, Mapping[str, Any]]
"""By picture, what `benchmarks.judgements` found of a method's map."""


def written(page: str, found: Mapping[str, Mapping[str, Findings]], titles: Sequence[str]) -> str:
    """A page with the table of each model between ``<!-- MODEL -->`` and ``<!-- end -->``.

    Args:
        page: its text; the table of a model that it has no such place for is left out.
        found: by model, then title of the method, then picture.
        titles: the order of the methods.
    """
    for model, methods in found.items():
        known = {title: _made(methods[title]) for title in titles if title in methods}
        most = max(map(len, known.values()), default=0)
        rows = [[_title(title, each, most), *_row(each)] for title, each in known.items() if each]
        place = rf"(?s)(<!-- {re.escape(model)} -->\n).*?(<!-- end -->)"
        table = "\n".join(_markdown([list(_COLUMNS), *rows]))
        page = re.sub(place, rf"\g<1>\n{table}\n\n\g<2>", page)
    return page


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of Markdown, the first row its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]]


def _made(findings: Findings) -> list[Mapping[str, Any]]:
    return [each for each in findings.values() if "reason" not in each]


def _title(title: str, found: Sequence[Mapping[str, Any]], most: int) -> str:
    """The method, with how many pictures were measured if they are fewer than of others."""
    return title if len(found) == most else f"{title} ({len(found)} of {most} pictures)"


def _row(found: Sequence[Mapping[str, Any]]) -> list[str]:
    complete = [each["complete"] for each in found]
    return [
        _cell(found, "deletion"),
        _cell(found, "insertion"),
        str(sum(each["all_orders"] for each in found)),
        "" if None in complete else str(sum(complete)),
        _cell(found, "infidelity"),
        _cell(found, "weights"),
        _cell(found, "noise"),
    ]


def _cell(found: Sequence[Mapping[str, Any]], measure: str) -> str:
    """How many passed, and the mean number."""
    passed, numbers = zip(*(each[measure] for each in found), strict=True)
    return f"{sum(passed)} ({mean(numbers):+.2f})".replace("-", "−")
