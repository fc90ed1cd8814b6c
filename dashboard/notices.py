"""What the page has to tell about the address, until somebody dismisses it."""

import streamlit as st

from core.text import markdown
from dashboard import state


def draw_notices() -> None:
    """Each notice with a button that takes it away."""
    for number, sentence in enumerate(state.notices()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(markdown(sentence))
            st.button("Dismiss", key=f"dismiss_{number}", on_click=state.dismiss, args=(sentence,))
