"""Notices about the address and the last upload, until they are dismissed."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.text import markdown
from dashboard.session import state


def draw_notices() -> None:
    """Each notice with a button that takes it away."""
    refused = st.session_state.get("upload_error")
    if refused is not None:
        with _row():
            st.error(markdown(refused))
            st.button("Dismiss", key="dismiss_upload", on_click=state.dismiss_upload)
    for number, sentence in enumerate(state.notices()):
        with _row():
            st.warning(markdown(sentence))
            st.button("Dismiss", key=f"dismiss_{number}", on_click=state.dismiss, args=(sentence,))


def _row() -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center")
