"""Mean maps of the pictures that are left by the filters, on the Folder page."""

import hashlib
import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial

import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.drawing.method_display import display_of
from core.drawing.rendering import backdrop, colour_bar, data_uri, indexed, scale
from core.drawing.sentences import span, unit_words
from core.exports.titles import method_title
from core.files.cache import BoundedCache
from core.folders.mean_maps import (
    MOST,
    Explained,
    MeanMap,
    Means,
    MeanStep,
    explained,
    mean_maps,
)
from core.folders.results_table import ResultsTable
from core.folders.run_pictures import replaced_words
from core.text import counted, escape, markdown
from dashboard.drawing.panels import Panel, ScaleBar, panels_html
from dashboard.session import live, state, tables

_FRAME_SECONDS = 0.3
_means: BoundedCache[Means] = BoundedCache(32)  # a few hundred kB each, shared by all sessions
_log = logging.getLogger(__name__)


def draw_means(
    results: ResultsTable,
    rows: pa.Array,
    question: str,
    say_how: Callable[[], None],
    output: int | None = None,
) -> partial[None] | None:
    """What is known of the mean maps of rows; returns what fills in the rest, or None.

    Args:
        results: the table.
        rows: row numbers.
        question: what the maps answer, as a heading.
        say_how: says how to get maps, where there are none.
        output: index of the label or value that the maps are of; None for a table of classes.
    """
    st.html(f'<h2 class="wil-section">{escape(question)}</h2>')
    wanted = explained(results, rows, output)
    if not wanted:
        say_how()
        return None
    record = tables.record_of(results)
    if isinstance(record, str):
        st.caption(markdown(f"The mean of the maps is not available. {record}"))
        return None
    place = st.empty()
    key = _key(results, wanted)
    known = _means.get(key)
    if known is not None:
        _show(place, known, len(wanted), len(rows), None)
        return None
    _wait(place, "waiting …")
    steps = partial(mean_maps, results, rows, record, output)
    return partial(_fill, place, steps, key, len(wanted), len(rows))


def _key(results: ResultsTable, wanted: list[Explained]) -> tuple[str, str | None, str]:
    return results.digest, results.address, hashlib.sha256(repr(wanted).encode()).hexdigest()


def _fill(
    place: DeltaGenerator,
    make: Callable[[], Generator[MeanStep, None, None]],
    key: tuple[str, str | None, str],
    total: int,
    rows: int,
) -> None:
    shown = time.monotonic()

    def waiting(before: int) -> None:
        live.tick()
        _wait(place, live.people(before))

    with state.line().admitted(waiting), closing(make()) as steps:
        for step in steps:
            live.tick()
            if step.done == step.total:
                means = _means.put(key, step.snapshot())
            elif time.monotonic() - shown > _FRAME_SECONDS:
                _show(place, step.snapshot(), total, rows, f"{step.done} of {step.total} …")
                shown = time.monotonic()
    _show(place, means, total, rows, None)


def _wait(place: DeltaGenerator, words: str) -> None:
    """Frames of the size that the panels will have, so that nothing below moves."""
    panels = [Panel(title, "", caption=words) for title in ("Mean picture", "Mean map")]
    place.html(f'<div class="wil-means">{panels_html(panels)}</div>')


def _show(
    place: DeltaGenerator, means: Means, wanted: int, rows: int, progress: str | None
) -> None:
    panels = []
    ground = None if means.photo is None else data_uri(backdrop(means.photo), "JPEG")
    if means.photo is not None:
        words = f"Mean of what the model saw of {means.photos:,} pictures."
        panels.append(
            Panel("Mean picture", words, data_uri(means.photo, "JPEG"), caption=progress or words)
        )
    panels += [_panel(name, mean, ground, progress) for name, mean in means.maps.items()]
    notes = []
    if wanted == MOST and rows > MOST:
        notes.append(f"Of the first {MOST} that were explained, in the order of the gallery.")
    elif wanted < rows:
        notes.append(f"{wanted:,} of {rows:,} pictures were explained.")
    if means.unreadable and progress is None:
        notes.append(f"The maps of {means.unreadable:,} could not be read, and are left out.")
    if means.replaced and progress is None:
        none = "not in the mean picture"
        notes.append(replaced_words(means.replaced, (f"it is {none}", f"they are {none}")))
    text = f'<p class="wil-facts">{escape(" ".join(notes))}</p>' if notes else ""
    html = panels_html(panels) if panels else ""
    place.html(f'<div class="wil-means">{html}{text}</div>')


def scale_bar(name: str, mean: MeanMap) -> ScaleBar:
    """The colour bar of a method's mean map."""
    display = display_of(name, mean.values)
    ends = scale([mean.values], display)
    unit, factor = unit_words(mean.units)
    ticks = list(span(factor * ends[0], factor * ends[1]))
    if ends[0] < 0 < ends[1]:
        ticks.insert(1, "0")
    return ScaleBar(tuple(colour_bar(display, ends)), tuple(ticks), unit)


def _panel(name: str, mean: MeanMap, ground: str | None, progress: str | None) -> Panel:
    display, bar = display_of(name, mean.values), scale_bar(name, mean)
    side = mean.values.shape[::-1]
    coloured = data_uri(indexed(mean.values, display, scale([mean.values], display)))
    return Panel(
        f"Mean map: {method_title(name)}",
        f"Mean of {counted(mean.count, 'map')}, from {bar.ticks[0]} to {bar.ticks[-1]} "
        f"{bar.units}.",
        ground or coloured,
        (side[0], side[1]),
        overlay=coloured if ground else None,
        bar=bar,
        caption=progress or f"Mean of {counted(mean.count, 'map')}, on the model's input.",
    )
