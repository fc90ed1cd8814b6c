"""Steps in the browser's history when the picture changes; see also frontend/history.js."""

from streamlit.runtime.scriptrunner import get_script_run_ctx


def went() -> bool:
    """Whether this run is there because somebody went back or forward.

    Then the address is that of the entry, and Streamlit lets the controls that are bound to it take
    their values from it.
    """
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation
