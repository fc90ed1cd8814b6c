"""Settings that outlive their controls: those of one map, while another map is shown large.

Streamlit forgets the value of a control that is not drawn, and takes it out of the address. These
values stay, and the address holds all that differ from their defaults.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.settings import ENOUGH
from core.study import WINDOWS
from dashboard import history
from dashboard.frame import DEFAULT_SAMPLE
from dashboard.messages import read_number

MAX_WINDOW = 224
STEPS = (ENOUGH, "10", "25", "50", "100", "200", "300")
SAMPLES = (2, 100)
STDEV = (0.05, 2.0)
SEGMENTS = (10, 300)
MAX_SEED = 9999
_BEFORE = "kept_values"
_LONGEST_NAME = 200  # letters of a layer's


@dataclass(frozen=True)
class Kept:
    """A setting: what it is at first, and how its text in an address is read (None: refused)."""

    default: Any
    read: Callable[[str], Any]


def _whole(least: int, most: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        number = read_number(text, most)
        return None if number is None or number < least else number

    return read


def _share(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if STDEV[0] <= number <= STDEV[1] else None


def _one_of(names: Collection[str]) -> Callable[[str], str | None]:
    return lambda text: text if text in names else None


def _name(text: str) -> str | None:
    return text if len(text) <= _LONGEST_NAME else None


_small, _large = WINDOWS[DEFAULT_SAMPLE]
_WINDOW = _whole(1, MAX_WINDOW)
KEPT = {
    "small_window": Kept(_small.window, _WINDOW),
    "small_stride": Kept(_small.stride, _WINDOW),
    "large_window": Kept(_large.window, _WINDOW),
    "large_stride": Kept(_large.stride, _WINDOW),
    "steps": Kept(ENOUGH, _one_of(STEPS)),
    "samples": Kept(10, _whole(*SAMPLES)),
    "stdev": Kept(0.3, _share),
    "seed": Kept(0, _whole(0, MAX_SEED)),
    "segments": Kept(60, _whole(*SEGMENTS)),
    "layer": Kept("", _name),  # the last one that the model has
    "map": Kept("occlusion_small", _name),  # which is shown large
}


def begin() -> None:
    """Take the values from the run before; at first, and after Back, from the address."""
    went, before = history.went(), st.session_state.get(_BEFORE, {})
    for key, each in KEPT.items():
        if key in st.session_state and not went:
            continue  # set anew, it would be sent to a slider that somebody still moves
        value = before.get(key)
        if went or value is None:
            value = each.read(st.query_params[key]) if key in st.query_params else None
        st.session_state[key] = each.default if value is None else value


def write_address() -> None:
    """Keep the values for the next run, and let the address hold what differs from the defaults."""
    st.session_state[_BEFORE] = {key: st.session_state[key] for key in KEPT}
    for key, each in KEPT.items():
        value = st.session_state[key]
        if value == each.default:
            if key in st.query_params:
                del st.query_params[key]
        elif st.query_params.get(key) != str(value):
            st.query_params[key] = str(value)


def leave_address() -> None:
    """Take them out of the address: of a page that they are not about."""
    for key in KEPT:
        st.query_params.pop(key, None)
