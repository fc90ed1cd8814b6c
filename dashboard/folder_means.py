"""Mean maps of a mistake: where does the model look when it makes it?"""

import hashlib
import logging
import time
from contextlib import closing
from functools import partial

import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.cache import BoundedCache
from core.mean_maps import MOST, MeanMap, Means, explained, mean_maps
from core.methods import METHODS
from core.models import ModelRecord, registry
from core.rendering import Display, backdrop, colour_bar, data_uri, indexed, scale
from core.results_table import ResultsTable
from core.story import number
from core.text import escape, markdown, plain
from core.work import METHOD_ALIASES
from dashboard import live, state
from dashboard.panels import Panel, ScaleBar, panels_html
from dashboard.view import unit_words

_FRAME_SECONDS = 0.3
_means: BoundedCache[Means] = BoundedCache(32)  # a few hundred kB each, shared by all sessions
_log = logging.getLogger(__name__)


def draw_means(
    results: ResultsTable, rows: pa.Array, label: str, predicted: str
) -> partial[None] | None:
    """What is known of the mean maps of rows; returns what fills in the rest, or None."""
    question = f"Where does it look when {plain(label)} is called {plain(predicted)}?"
    st.html(f'<h2 class="wil-section">{escape(question)}</h2>')
    wanted = explained(results, rows)
    record = registry().get(results.model or "")
    if not wanted:
        st.caption(
            "None of these pictures has a map here: `python -m core batch` makes them with "
            "`--methods occlusion`, and for mistakes alone with `--only wrong`."
        )
        return None
    if record is None:
        st.caption(
            markdown(f"The maps are of a model that is not here: {plain(str(results.model))}.")
        )
        return None
    place = st.empty()
    key = _key(results, wanted)
    known = _means.get(key)
    if known is not None:
        _show(place, known, len(wanted), len(rows), None)
        return None
    _wait(place, "waiting …")
    return partial(_fill, place, results, rows, record, key, len(wanted))


def _key(results: ResultsTable, wanted: list[tuple[str, str]]) -> tuple[str, str | None, str]:
    return results.digest, results.address, hashlib.sha256(repr(wanted).encode()).hexdigest()


def _fill(
    place: DeltaGenerator,
    results: ResultsTable,
    rows: pa.Array,
    record: ModelRecord,
    key: tuple[str, str | None, str],
    total: int,
) -> None:
    shown = time.monotonic()

    def waiting(before: int) -> None:
        live.tick()
        _wait(place, live.people(before))

    with state.line().admitted(waiting), closing(mean_maps(results, rows, record)) as steps:
        for step in steps:
            live.tick()
            if step.done == step.total:
                means = _means.put(key, step.snapshot())
            elif time.monotonic() - shown > _FRAME_SECONDS:
                _show(place, step.snapshot(), total, len(rows), f"{step.done} of {step.total} …")
                shown = time.monotonic()
    _show(place, means, total, len(rows), None)


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
    text = f'<p class="wil-facts">{" ".join(notes)}</p>' if notes else ""
    html = panels_html(panels) if panels else ""
    place.html(f'<div class="wil-means">{html}{text}</div>')


def _panel(name: str, mean: MeanMap, ground: str | None, progress: str | None) -> Panel:
    display = Display()
    ends = scale([mean.values], display)
    unit, factor = unit_words(mean.units)
    ticks = [number(factor * end) for end in ends]
    if ends[0] < 0 < ends[1]:
        ticks.insert(1, "0")
    method = METHODS.get(METHOD_ALIASES.get(name, name))
    title = method.title if method else name
    side = mean.values.shape[::-1]
    coloured = data_uri(indexed(mean.values, display, ends))
    return Panel(
        f"Mean map: {title}",
        f"Mean of {mean.count} maps, from {ticks[0]} to {ticks[-1]} {unit}.",
        ground or coloured,
        (side[0], side[1]),
        overlay=coloured if ground else None,
        bar=ScaleBar(tuple(colour_bar(display, ends)), tuple(ticks), unit),
        caption=progress or f"Mean of {mean.count:,} maps, on the model's input.",
    )
