"""Loads torch, the default model and its first prediction in a background thread.

All of it is loaded by one thread, once for all sessions. It begins when the server starts, or,
where that was started as `streamlit run`, when the first browser comes. Pages wait for it, since
two threads that import parts of torch at once may each find the other's half done.
"""

import logging
import sys
import threading
import time

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
# Python lets a thread have its way for so long before another may go on, usually 5 ms. A browser
# that fetches the page's files asks the server a hundred times for a moment, and a page that is
# drawn while a network is prepared or batches are computed gives way after each torch operation.
_SWITCH_SECONDS = 0.0003
_MOST_SECONDS = 3.0  # that the thread rests for a page to show its answer
_begun = threading.Lock()
_answer_there, _awaited, _answer_shown, _why_there, _all_there = (
    threading.Event() for _ in range(5)
)
_ended = threading.Event()


def begin() -> None:
    """Start to load, unless that was done before."""
    if _begun.acquire(blocking=False):
        threading.Thread(target=_load, name="loading", daemon=True).start()


def end() -> None:
    """Say that the server has stopped: Python takes new work from no thread then."""
    _ended.set()


def answer_is_there() -> bool:
    """Whether the page can say what the model says, without waiting."""
    return _answer_there.is_set()


def wait_for_answer() -> None:
    """Wait until `answer_is_there`."""
    _awaited.set()
    _wait(_answer_there)


def wait_for_why() -> None:
    """Wait until the first picture's large windows are known. The answer is on the page by then."""
    _answer_shown.set()
    _wait(_why_there)


def all_is_there() -> bool:
    """Whether a map can be begun, without waiting."""
    return _all_there.is_set()


def wait_for_all() -> None:
    """Wait until a map can be begun. The answer is on the page, so the thread may go on."""
    _answer_shown.set()
    _wait(_all_there)


def _wait(event: threading.Event) -> None:
    """Wait, and let Streamlit end this run if it is superseded or its browser tab is gone."""
    import streamlit as st  # not before the thread is begun: it takes half a second

    while not event.wait(_POLL_SECONDS):
        _ = "_tick" in st.session_state


def _load() -> None:
    """Load all. What goes wrong is met again by the page that needs it, which says so there."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    started = time.monotonic()
    try:
        # Which imports `core`, and that has something to say to torch before it is loaded.
        from core.methods import preload
        from core.models.registry import DEFAULT_MODEL
        from core.talks.study import WINDOWS
        from dashboard.session import state, tables

        explainer = state.explainer()
        classifier = explainer.classifier(DEFAULT_MODEL)
        picture = state.sample_picture(state.DEFAULT_SAMPLE)
        explainer.logits(classifier, picture)
        _answer_there.set()
        _log.info("the answer is there after %.1f s", time.monotonic() - started)
        if _awaited.is_set():
            _answer_shown.wait(_MOST_SECONDS)  # Python runs one thread at a time: the page's first
        # Two seconds before the engine is there, the network itself says what covering changes.
        large = explainer.survey(classifier, picture, WINDOWS[state.DEFAULT_SAMPLE][1])
        if not large.known.all():
            large.run_by_itself()
        _why_there.set()
        preload.load()
        explainer.possibilities(classifier, picture)
        _log.info("all is loaded after %.1f s", time.monotonic() - started)
        for sentence in tables.absent():
            _log.warning(sentence)
    except Exception:  # noqa: BLE001 - whatever it is, no page may wait for ever
        if not _ended.is_set():
            _log.exception("not all could be loaded beforehand")
    finally:
        _answer_there.set()
        _why_there.set()
        _all_there.set()
