"""Heavy work on the page: progress, partial results, and stopping when a person changes their mind.

Streamlit ends a superseded run only where the run touches Streamlit: a pure loop would go on
computing beside the new one. So core hands out its work in small steps, and between two of them the
page touches its session state.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import streamlit as st

from core.attribution import Attribution, Step
from core.errors import UserError
from core.models import download

_FRAME_SECONDS = 0.2
_log = logging.getLogger(__name__)


def tick() -> None:
    """Let Streamlit end this run if it is superseded."""
    _ = "_tick" in st.session_state


def run_jobs(
    jobs: Mapping[str, Iterator[Step]],
    show: Callable[[str, Attribution, str | None], None],
    fail: Callable[[str, str], None],
) -> None:
    """Compute maps one after the other, showing each as it forms.

    Args:
        jobs: by name, the steps of each map.
        show: draws a map; its last argument says how far it is, None when it is finished.
        fail: is told a name and a sentence where a map cannot be made; the others go on.
    """
    bar = st.empty()
    try:
        for place, (name, steps) in enumerate(jobs.items(), start=1):
            try:
                with closing(steps):  # type: ignore[type-var]
                    _run(name, steps, f"{name} ({place} of {len(jobs)})", bar, show)
            except UserError as error:
                _log.info("%s: no map", name, exc_info=error)
                fail(name, str(error))
            except Exception:
                _log.exception("%s: no map", name)
                fail(name, "Something went wrong with this map; the log has the details.")
    finally:
        bar.empty()


def _run(
    name: str,
    steps: Iterator[Step],
    label: str,
    bar: st.delta_generator.DeltaGenerator,
    show: Callable[[str, Attribution, str | None], None],
) -> None:
    started = drawn = time.monotonic()
    first = None
    for step in steps:
        tick()
        now = time.monotonic()
        first = step.done if first is None else first
        if step.done == step.total:
            show(name, step.snapshot(), None)
        elif now - drawn >= _FRAME_SECONDS:
            passes = f"{step.done:,} of {step.total:,} passes"
            left = _left(now - started, step.done - first, step.total - step.done)
            bar.progress(step.done / step.total, f"{label} · {passes}{left}")
            show(name, step.snapshot(), passes)
            drawn = now


def _left(elapsed: float, done: int, missing: int) -> str:
    """Time left, once there is something to judge it by."""
    if elapsed < 0.5 or not done:
        return ""
    return f" · {max(1, round(elapsed / done * missing))} s left"


def run_download(name: str, title: str) -> None:
    """Fetch a model's weights with a progress bar; nothing is drawn when they are here.

    Raises:
        ModelError: they cannot be had.
    """
    bar = st.empty()
    try:
        with closing(download(name)) as received:  # type: ignore[type-var]
            for done, total in received:
                megabytes = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
                bar.progress(done / total, f"Downloading {title} · {megabytes}")
    finally:
        bar.empty()
