"""The filters of the Folder page that every table has, and those of all tables in the address."""

import math
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from core.folders.results_schema import judged_in
from core.folders.results_table import ResultsTable
from core.folders.trust_means import CHECK_TITLES, Check
from core.text import line
from dashboard.browser.messages import read_number

# The keys of the controls whose values are in the address: of every table, and of each kind.
COVER = "cover_"  # and the number of a cluster of maps
_SWITCHES = ("clusters", "anywhere", *(f"{COVER}{number}" for number in range(1, 9)))
BOUND = (
    *("results", "show", "in_path", "fails", "order", "page"),
    *("true", "called", "probability"),
    *("label", "role"),
    *("output", "least", "below"),
    *("maps_of", *_SWITCHES),
)
_CHOICES = (
    *("results", "true", "called", "in_path", "show", "order", "label", "role", "output"),
    *("fails", "maps_of"),
)
_ANY_RESULT = "any result"
_LONGEST = 300  # letters of a choice in an address


def choose(label: str, options: Collection[str], key: str, words: str | None = None) -> str:
    """One of some options; a change leads to the first page."""
    chosen: str = st.selectbox(
        label,
        list(options),
        format_func=line,
        key=key,
        bind="query-params",
        on_change=first_page,
        help=words,
    )
    return chosen


def choose_index(label: str, anything: str, names: Mapping[int, str], key: str) -> int | None:
    """The index of one of some names, or None for any."""
    name = choose(label, [anything, *names.values()], key)
    return next((index for index, each in names.items() if each == name), None)


def choose_text() -> str:
    """Part of the path."""
    text = st.text_input(
        "Text in the path", key="in_path", bind="query-params", on_change=first_page, max_chars=200
    )
    return text or ""


def choose_failed(results: ResultsTable) -> Check | None:
    """A trust check that some map of a picture fails, or None; offered where maps were judged."""
    if not judged_in(results.table.column_names):
        return None
    failed: dict[str, Check] = {
        f"fails {measure}": check for check, (_, measure) in CHECK_TITLES.items()
    }
    words = "Pictures of which some map fails the check, by whatever method."
    return failed.get(choose("Trust checks", [_ANY_RESULT, *failed], "fails", words))


def choose_probability(words: str) -> tuple[float, float]:
    """A range of probabilities, 0 to 1."""
    low, high = st.slider(
        "Probability, %",
        0,
        100,
        (0, 100),
        key="probability",
        bind="query-params",
        on_change=first_page,
        help=words,
    )
    return low / 100, high / 100


def offer_to_clear(**others: Any) -> None:
    """A button that shows all rows again: what every kind has, and ``others`` by their keys."""
    values = {"show": "All", "in_path": "", "order": "path", "page": 1, **others}
    if "fails" in st.session_state:
        values["fails"] = _ANY_RESULT
    st.button("Clear the filters", on_click=partial(_clear, values), type="tertiary")


def _clear(values: Mapping[str, Any]) -> None:
    st.session_state.update(values)


def first_page() -> None:
    """What is shown has changed; for use in a callback."""
    st.session_state["page"] = 1


def keep() -> None:
    """Write the filters into the address, for the way back."""
    kept = {key: st.session_state[key] for key in BOUND if key in st.session_state}
    told = {key: _written(value) for key, value in kept.items() if value is not None}
    st.query_params["back"] = urlencode(told, doseq=True)


def _written(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple | list) else [str(value)]


def arrive() -> None:
    """Take the filters that were left; what is not one of them is left out.

    A choice that the table does not offer is left out by its control.
    """
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(st.session_state.pop("arriving", "")[:2000]):
        found.setdefault(key, []).append(value)
    for key, values in found.items():
        match key, values:
            case key, [value] if key in _CHOICES and len(value) <= _LONGEST:
                st.session_state[key] = value
            case key, ["True"] if key in _SWITCHES:
                st.session_state[key] = True
            case ("page", [value]) if number := read_number(value, 99_999_999):
                st.session_state[key] = number
            case (("least" | "below"), [value]) if (amount := _amount(value)) is not None:
                st.session_state[key] = amount
            case ("probability", [low, high]):
                lowest, highest = read_number(low, 100), read_number(high, 100)
                if lowest is not None and highest is not None and lowest <= highest:
                    st.session_state[key] = (lowest, highest)


def _amount(text: str) -> float | None:
    """A number that is not negative, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
