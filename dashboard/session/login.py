"""Login by OpenID Connect, if the operator has configured it.

The login is Streamlit's own (OpenID Connect), and asked for by a section `[auth]` in its
secrets.toml; without one the page is open to whoever reaches it.
"""

from pathlib import Path

import streamlit as st


def require_login() -> None:
    """Draw a button to log in and end the run, unless nobody has to or this person has."""
    if not _configured() or st.user.is_logged_in:
        return
    st.title("Where It Looked")
    st.write("Log in to use this page.")
    st.button("Log in", on_click=st.login, type="primary")
    st.stop()


def offer_logout() -> None:
    """Draw a button that forgets who is logged in, if somebody is."""
    if _configured():
        st.button("Log out", on_click=st.logout, type="tertiary")


def _configured() -> bool:
    """Whether there is a section `[auth]`; a file of secrets that cannot be read is an error.

    `st.user` would take such a file for none, and the page would be open.
    """
    if not any(Path(name).exists() for name in st.get_option("secrets.files")):
        return False
    return "auth" in st.secrets
