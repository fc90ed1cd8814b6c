"""Which page is drawn: the main page, the Folder page or a talk, by ``view`` in the address."""

import logging

import streamlit as st

from core.errors import UserError
from core.text import markdown
from dashboard.explain.page import draw_page
from dashboard.explain.skeleton import draw_style
from dashboard.session import loading, options, state

_log = logging.getLogger(__name__)


def draw() -> None:
    """Draw the page that the address asks for."""
    not_usable = options.offer_models()
    try:
        explainer = state.explainer()
    except UserError as error:
        _log.error("nothing can be computed: %s", error)
        st.error(markdown(str(error)))
        return
    view = st.query_params.get("view")
    if view == "talk":
        from dashboard.talk.page import draw_talk  # not needed by the main page

        loading.wait_for_all()
        draw_talk(explainer)
        return
    draw_style()
    state.begin()
    if view == "folder":
        from dashboard.folder.page import draw_folder  # with Arrow, likewise

        draw_folder()
    else:
        draw_page(explainer, not_usable)
