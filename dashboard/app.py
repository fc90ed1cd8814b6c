"""The Streamlit script: ``python -m dashboard``, or ``streamlit run dashboard/app.py``.

Nothing imported here loads torch: while a thread loads it, the page's frame is drawn.
"""

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# `streamlit run` puts this file's folder on the path, not the project's.
if str(_HERE.parent) not in sys.path:
    sys.path.insert(0, str(_HERE.parent))

import streamlit as st

from core.cli.console import make_log_visible
from dashboard import frame
from dashboard.session import loading, login


def main() -> None:
    """Draw the frame, and once the model's answer is there, the page in its place."""
    loading.begin()
    make_log_visible()
    filters = st.query_params.get("view") == "folder"  # which a person there is about to use
    st.set_page_config(*("Where It Looked", frame.ICON, "wide"), "auto" if filters else "collapsed")
    login.require_login()
    if not loading.answer_is_there():
        frame.draw_frame()
        loading.wait_for_answer()
        st.rerun()
    from core.engine.teams import heeding  # and with it torch, which is there now
    from dashboard import pages
    from dashboard.session import live

    with heeding(live.tick):  # what takes long is left when this run is superseded
        pages.draw()


main()
