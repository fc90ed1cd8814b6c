"""The filters of the Folder page: as controls, and in the address of the way back to them."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from core import browsing
from core.browsing import Filters, Order, Pair, Show
from core.cache import BoundedCache
from core.results_table import ResultsTable
from core.text import line
from dashboard.messages import read_number

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
# The keys of the controls whose values are in the address.
BOUND = ("results", "show", "true", "called", "probability", "in_path", "order", "page")


@dataclass(frozen=True)
class Known:
    """What a table says whatever the filters: names by index, and its mistakes."""

    labels: dict[int, str]
    predicted: dict[int, str]
    pairs: tuple[Pair, ...]

    @property
    def names(self) -> dict[int, str]:
        """Of all classes, by index."""
        return self.labels | self.predicted


_known: BoundedCache[Known] = BoundedCache(8)


def known_of(results: ResultsTable) -> Known:
    """What a table says, looked up once."""
    return _known.get_or_make(results.digest, lambda: _look_up(results))


def _look_up(results: ResultsTable) -> Known:
    return Known(
        browsing.class_names(results, "label"),
        browsing.class_names(results, "predicted"),
        browsing.pairs(results),
    )


def choose_filters(known: Known) -> tuple[Filters, tuple[Order, bool]]:
    """Which rows are wanted, and in which order."""
    show = st.selectbox("Show", list(SHOWS), key="show", bind="query-params", on_change=first_page)
    chosen: list[int | None] = []
    for label, key, names in (
        ("True class", "true", known.labels),
        ("Predicted class", "called", known.predicted),
    ):
        name = st.selectbox(
            label,
            [ANY, *names.values()],
            format_func=line,
            key=key,
            bind="query-params",
            on_change=first_page,
        )
        chosen.append(next((index for index, each in names.items() if each == name), None))
    low, high = st.slider(
        "Probability, %",
        0,
        100,
        (0, 100),
        key="probability",
        bind="query-params",
        on_change=first_page,
        help="Of the predicted class (confidence).",
    )
    text = st.text_input(
        "Text in the path", key="in_path", bind="query-params", on_change=first_page, max_chars=200
    )
    order = st.selectbox(
        "Order",
        list(ORDERS),
        key="order",
        bind="query-params",
        on_change=first_page,
        help="Margin: probability of the first class less that of the second. Entropy: how evenly "
        "the probabilities are spread. Loss: cross-entropy with the label.",
    )
    st.button("Clear the filters", on_click=clear, type="tertiary")
    wanted = Filters(SHOWS[show], chosen[0], chosen[1], low / 100, high / 100, text or "")
    return wanted, ORDERS[order]


def first_page() -> None:
    """What is shown has changed; for use in a callback."""
    st.session_state["page"] = 1


def clear() -> None:
    """Show all rows again; for use in a callback."""
    st.session_state.update(show="All", true=ANY, called=ANY, probability=(0, 100), in_path="")
    st.session_state.update(order="path", page=1)


def choose_pair(known: Known, label: str, predicted: str) -> None:
    """Show the pictures of a mistake, given by its indices, if there is such a one."""
    for pair in known.pairs:
        if (str(pair.label), str(pair.predicted)) == (label, predicted):
            names = known.names
            st.session_state.update(true=names[pair.label], called=names[pair.predicted], page=1)
            st.session_state["show"] = "All"


def keep() -> None:
    """Write the filters into the address, for the way back."""
    kept = {key: st.session_state[key] for key in BOUND if key in st.session_state}
    st.query_params["back"] = urlencode({key: _written(kept[key]) for key in kept}, doseq=True)


def _written(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple | list) else [str(value)]


def arrive() -> None:
    """Take the filters that were left; what is not one of them is left out."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(st.session_state.pop("arriving", "")[:2000]):
        found.setdefault(key, []).append(value)
    for key, values in found.items():
        match key, values:
            case (("results" | "true" | "called" | "in_path"), [value]):
                st.session_state[key] = value
            case ("show", [value]) if value in SHOWS:
                st.session_state[key] = value
            case ("order", [value]) if value in ORDERS:
                st.session_state[key] = value
            case ("page", [value]) if number := read_number(value, 99_999_999):
                st.session_state[key] = number
            case ("probability", [low, high]):
                lowest, highest = read_number(low, 100), read_number(high, 100)
                if lowest is not None and highest is not None and lowest <= highest:
                    st.session_state[key] = (lowest, highest)
