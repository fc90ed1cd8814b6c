"""Clears elements of the previous Streamlit run that the current run does not replace."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


@contextmanager
def replacing(container: DeltaGenerator, spare: int = 8) -> Iterator[None]:
    """Draw into a container that does not always hold the same number of elements.

    Args:
        container: to draw into, in the body of the ``with`` statement.
        spare: elements that it may hold less than in the run before.
    """
    with container:
        yield
        nothing_more(spare)


def nothing_more(spare: int = 8) -> None:
    """Let nothing of the run before stand below what this run has drawn here.

    Streamlit replaces elements place by place, and takes away what a new run has no place for only
    when that run ends. A run of this page ends when all is computed, and until then an error, say,
    would stand beside the photo that followed it. So empty elements take the places that are left.
    """
    for _ in range(spare):
        st.empty()
