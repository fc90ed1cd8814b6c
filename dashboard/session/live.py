"""Runs computations on the page: progress, partial results and stopping.

Streamlit ends a superseded run only where the run touches Streamlit: a pure loop would go on
computing beside the new one. So core hands out its work in small steps, and between two of them the
page touches its session state.
"""

import logging
import time
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.methods.forecast import Forecast
from core.models.registry import download
from core.text import counted, markdown
from dashboard.browser import components
from dashboard.session import state

_FRAME_SECONDS = 0.2
_DRAWING_SHARE = 0.2  # of the time; where drawing is slow, there are fewer frames
# Until the page stands there are hardly any: every frame makes the browser begin anew with what it
# still loads, so that a slow one (an old laptop, a phone) would never come to draw its sliders.
_LOADING_SECONDS = 5.0
# How slow it is it cannot tell us, so frames come more slowly as time goes by.
_FRAME_GROWTH = 0.06  # seconds between frames for each second of the computation
_STILL_SECONDS = 3.0
_LONG_SECONDS = 60.0
_TRIAL_SECONDS = 1.0
_TICK_SECONDS = 0.05
_log = logging.getLogger(__name__)
Yielded = TypeVar("Yielded")
Result = TypeVar("Result", covariant=True)


class Point(Protocol[Result]):
    """A point on the way, such as `core.methods.attribution.Step`."""

    @property
    def done(self) -> int:
        """Passes that are made."""

    @property
    def total(self) -> int:
        """All passes."""

    @property
    def snapshot(self) -> Callable[[], Result]:
        """Gives what is known."""


@dataclass(frozen=True)
class Job(Generic[Result]):
    """A map, or the judgement of one, that is to be computed.

    Attributes:
        name: of it.
        steps: compute it.
        forecast: says what is still to be done for it.
        show: draws it; its last argument says how far it is, None when it is finished.
        fail: is told, in a sentence, why it cannot be made.
    """

    name: str
    steps: Generator[Point[Result], None, None]
    forecast: Callable[[], Forecast]
    show: Callable[[Result, str | None], None]
    fail: Callable[[str], None]


def tick() -> None:
    """Let Streamlit end this run if it is superseded or its browser tab is gone."""
    _ = "_tick" in st.session_state


def stopped(request: Hashable) -> bool:
    """Whether the person pressed Stop, for these settings."""
    return bool(st.session_state.get("stopped") == request)


def paced(steps: Iterable[Yielded], report: Callable[[Yielded], None]) -> Iterator[Yielded]:
    """Pass steps on, ticking between them and reporting a few of them each second."""
    following = time.monotonic() + _FRAME_SECONDS
    for step in steps:
        tick()
        if time.monotonic() > following:
            report(step)
            following = time.monotonic() + _FRAME_SECONDS
        yield step


def wait_until_still() -> None:
    """Wait as long as somebody who moves control after control may need for the next move."""
    until = time.monotonic() + _STILL_SECONDS
    while time.monotonic() < until:
        tick()
        time.sleep(_TICK_SECONDS)


def run_jobs(
    jobs: Sequence[Job[Any]], request: Hashable, name: str, first: Collection[str] = ()
) -> bool:
    """Compute one after the other, the quickest first, each shown as it forms.

    What takes longer than a minute waits until the person agrees, for these settings. Where that is
    not known beforehand, it is begun, and left once it shows.

    Args:
        jobs: what is to be done.
        request: stands for the settings; pressing Stop or Start counts for this request only.
        name: tells the bars of a page apart.
        first: names of jobs that come before the others.

    Returns:
        Whether one was finished, so that the page has something new to say.
    """
    if not jobs:
        return False
    with st.bottom:
        place = st.empty()
    if stopped(request):
        _stopped(jobs, place)
        return False
    agreed = st.session_state.get("agreed") == request
    costly = [] if agreed else [job for job in jobs if _is_long(job.forecast().seconds)]
    if len(costly) == len(jobs):
        _ask(costly, request, name, place)
        return False
    bar, stop = place.container().columns([6, 1], vertical_alignment="center")
    progress = bar.empty()
    stop.button("Stop", key=f"stop_{name}", on_click=_stop, args=(request,), width="stretch")

    def waiting(before: int) -> None:
        tick()
        progress.progress(0.0, markdown(people(before)) if before else "Joining the cluster …")

    order = [job for job in jobs if job not in costly]
    order.sort(key=lambda job: (job.name not in first, _seconds(job)))
    progress.progress(0.0, markdown(f"{_total(order)} to go"))
    ends = []
    for i, job in enumerate(order):
        with state.line().admitted(waiting):  # for one job: others come between
            ends.append(_guarded(job, order[i + 1 :], progress, agreed))
        if ends[-1] == "long":
            costly.append(job)
    if costly:
        _ask(costly, request, name, place)
    else:
        place.empty()
    return "done" in ends


def _guarded(
    job: Job[Any], later: Sequence[Job[Any]], progress: DeltaGenerator, agreed: bool
) -> Literal["done", "long", "failed"]:
    """Run one job; what goes wrong with it is told in its place and written to the log."""
    try:
        with closing(job.steps):
            return "done" if _run(job, later, progress, agreed) else "long"
    except UserError as error:
        _log.info("%s: not made", job.name, exc_info=error)
        job.fail(str(error))
    except Exception:  # noqa: BLE001 - no traceback reaches the page, and the other maps go on
        _log.exception("%s: not made", job.name)
        job.fail("Something went wrong here; the log has the details.")
    return "failed"


def _run(job: Job[Any], later: Sequence[Job[Any]], progress: DeltaGenerator, agreed: bool) -> bool:
    """Run one job to its end; False where it is left, because it takes long and nobody agreed."""
    started = time.monotonic()
    stands = components.page_stands()
    least = _FRAME_SECONDS if stands else _LOADING_SECONDS
    next_frame = started + (0 if stands else least)  # the first one as soon as there is something
    first = None
    pace: tuple[float, int] | None = None  # since when passes are counted, and how many were made
    for step in job.steps:
        tick()
        now = time.monotonic()
        first = step.done if first is None else first
        if pace is None and step.done > first:  # before it there is more to do than passes
            pace = now, step.done
        if not agreed and pace is not None and _is_long(_projected(step, now, *pace)):
            job.show(step.snapshot(), f"{step.done:,} of {step.total:,} passes")
            return False
        if step.done == step.total:
            job.show(step.snapshot(), None)
        elif now >= next_frame and step.done > first:
            passes = f"{step.done:,} of {step.total:,} passes"
            left = _left(now - started, step.done - first, step.total - step.done, later)
            progress.progress(step.done / step.total, markdown(f"{job.name} · {passes}{left}"))
            job.show(step.snapshot(), passes)
            taken = time.monotonic() - now
            growing = _FRAME_GROWTH * (now - started)
            next_frame = now + max(least, growing, taken / _DRAWING_SHARE)
    return True


def _projected(step: Point[Any], now: float, since: float, done: int) -> float | None:
    """Seconds that all passes of a job take, once its pace has been seen for a while."""
    if now - since < _TRIAL_SECONDS or step.done == done:
        return None
    return (now - since) / (step.done - done) * step.total


def _is_long(seconds: float | None) -> bool:
    return seconds is not None and seconds > _LONG_SECONDS


def _stopped(jobs: Sequence[Job[Any]], place: DeltaGenerator) -> None:
    """Show what was known when the person pressed Stop, and how to go on."""
    _show_known(jobs, "stopped at ")
    text, go_on = place.container().columns([6, 1], vertical_alignment="center")
    text.caption(markdown(f"Stopped. {_total(jobs)} to go; nothing that was computed is lost."))
    go_on.button("Continue", key="continue", on_click=_go_on, width="stretch")


def _stop(request: Hashable) -> None:
    st.session_state["stopped"] = request


def _ask(jobs: Sequence[Job[Any]], request: Hashable, name: str, place: DeltaGenerator) -> None:
    """Say what long computations cost, and how to start them."""
    _show_known(jobs, "")
    text, start = place.container().columns([6, 1], vertical_alignment="center")
    text.caption(markdown(_asking(jobs)))
    start.button("Start", key=f"start_{name}", on_click=_agree, args=(request,), width="stretch")


def _asking(jobs: Sequence[Job[Any]]) -> str:
    more = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return f"{jobs[0].name}{more}: {_total(jobs)}. Start?"


def _show_known(jobs: Sequence[Job[Any]], word: str) -> None:
    """Show how far maps are that do not go on for now."""
    for job in jobs:
        with closing(job.steps):
            # The first step shows what is known, at no cost; of a job that was begun it is over.
            if job.forecast().known and (step := next(job.steps, None)) is not None:
                job.show(step.snapshot(), f"{word}{step.done:,} of {step.total:,} passes")


def _agree(request: Hashable) -> None:
    st.session_state["agreed"] = request


def _go_on() -> None:
    st.session_state.pop("stopped", None)


def _seconds(job: Job[Any]) -> float:
    """For the order: seconds where they are known, else as many passes of a usual length."""
    cost = job.forecast()
    return cost.passes * 0.02 if cost.seconds is None else cost.seconds


def _total(jobs: Sequence[Job[Any]]) -> str:
    costs = [job.forecast() for job in jobs]
    passes = counted(sum(cost.passes for cost in costs), "pass", "passes")
    seconds = _sum(costs)
    return passes if seconds is None else f"{passes}, {about(seconds)}"


def _left(elapsed: float, done: int, missing: int, later: Sequence[Job[Any]]) -> str:
    """Time left for this job and the later ones, once there is something to judge it by."""
    if elapsed < 0.5 or not done:
        return ""
    seconds, which = elapsed / done * missing, ""
    if later:
        rest = _sum([job.forecast() for job in later])
        which = " for this one" if rest is None else f" for all {1 + len(later)}"
        seconds += rest or 0.0
    return f" · {duration(seconds)} left{which}"


def _sum(costs: Sequence[Forecast]) -> float | None:
    """Seconds of all; None where one is not known, or a part of the time would pass for all."""
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    return sum(known) if len(known) == len(costs) else None


def about(seconds: float) -> str:
    """A forecast in words: it is no better than two digits."""
    return f"about {duration(seconds)}"


def duration(seconds: float) -> str:
    """Seconds as people count them: 45 s, 3 min, 2 h."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def people(before: int) -> str:
    """A place in the queue."""
    return f"{before} computation{'s' if before > 1 else ''} before yours"


def run_download(name: str, title: str) -> None:
    """Fetch a model's weights with a progress bar; nothing is drawn when they are here.

    Raises:
        ModelError: they are not available.
    """
    bar = st.empty()
    try:
        with closing(download(name)) as received:
            for done, total in received:
                megabytes = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
                bar.progress(done / total, markdown(f"Downloading {title} · {megabytes}"))
    finally:
        bar.empty()
