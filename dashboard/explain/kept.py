"""Method settings that persist while their controls are not drawn.

Streamlit forgets the value of a control that is not drawn, and takes it out of the address. These
values stay, and the address holds all that differ from their defaults.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.methods.attention_methods import FUSIONS
from core.methods.gradient_methods import ENOUGH
from core.methods.lrp_method import LRP_RULES
from core.pictures.samples import DEFAULT_SAMPLE
from core.talks.study import WINDOWS
from dashboard.browser import history
from dashboard.browser.messages import read_number

MAX_WINDOW = 224
STEPS = (ENOUGH, "10", "25", "50", "100", "200", "300")
SAMPLES = (2, 100)
STDEV = (0.05, 2.0)
SEGMENTS = (10, 300)
MASKS = (100, 5000)
CELLS = (2, 16)
COALITIONS = (100, 5000)
START = (1, 48)
EPSILONS = ("1e-6", "1e-4", "1e-2", "0.1", "1")
GAMMA = (0.0, 2.0)
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


def _number(least: float, most: float) -> Callable[[str], float | None]:
    def read(text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            return None
        return number if least <= number <= most else None

    return read


def _one_of(names: Collection[str]) -> Callable[[str], str | None]:
    return lambda text: text if text in names else None


def _switch(text: str) -> bool | None:
    return {"True": True, "False": False}.get(text)


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
    "stdev": Kept(0.3, _number(*STDEV)),
    "seed": Kept(0, _whole(0, MAX_SEED)),
    "segments": Kept(60, _whole(*SEGMENTS)),
    "masks": Kept(2000, _whole(*MASKS)),
    "cells": Kept(7, _whole(*CELLS)),
    "coalitions": Kept(1000, _whole(*COALITIONS)),
    "rule": Kept("auto", _one_of(LRP_RULES)),
    "epsilon": Kept(EPSILONS[0], _one_of(EPSILONS)),
    "gamma": Kept(0.25, _number(*GAMMA)),
    "layer": Kept("", _name),  # the last one that the model has
    "channel_layer": Kept("", _name),  # likewise, of methods that look at one alone
    "signed": Kept(False, _switch),
    "fusion": Kept(FUSIONS[0], _one_of(FUSIONS)),
    "start": Kept(1, _whole(*START)),
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
