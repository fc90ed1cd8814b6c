"""Clusters of maps on the Folder page: what stands out, and whether the answers hang on it."""

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.clusters import words
from core.clusters.covering import Covered, CoverStep, cover_steps
from core.clusters.finding import (
    Cluster,
    Clusters,
    ClusterSetting,
    ClusterStep,
    find_clusters,
    with_column,
)
from core.clusters.reading import Source, methods_in
from core.clusters.record import contact_sheet, mean_map_picture, mean_steps
from core.drawing.rendering import data_uri
from core.errors import UserError
from core.exports.titles import method_title
from core.files.cache import BoundedCache
from core.folders.mean_maps import MOST, Means, MeanStep
from core.folders.results_table import ResultsTable
from core.folders.run_pictures import replaced_words
from core.methods.registry import METHOD_ALIASES
from core.models.catalogue import ModelRecord
from core.text import escape, markdown, plain, quoted
from dashboard.drawing.panels import ScaleBar, scale_html
from dashboard.folder.filters import COVER, first_page
from dashboard.folder.means import scale_bar
from dashboard.session import live, state, tables

_HELP = (
    "Spectral relevance analysis: pictures whose maps lie alike, as a watermark's do. A cluster is "
    "named only if it stands out of what chance makes of such maps."
)
_ANYWHERE = "Compare the shapes of maps wherever they lie: those that differ by a shift are alike."
_BASELINE = "grey"


@dataclass(frozen=True, eq=False)
class _Shown:
    """Clusters with what is drawn of each, by number.

    ``replaced`` are the paths of pictures that are not drawn, as their files changed.
    """

    found: Clusters
    pictures: dict[int, "_Pictures"]
    replaced: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Of one cluster, as data URIs; the mean map has a colour bar."""

    mean_map: str | None
    bar: ScaleBar | None
    mean_picture: str | None
    nearest: str | None


_Key = tuple[str, ...]
_known: BoundedCache[_Shown] = BoundedCache(16)  # a few hundred kB each, shared by all sessions
_effects: BoundedCache[Covered] = BoundedCache(128)
_log = logging.getLogger(__name__)


def draw_clusters(
    results: ResultsTable, rows: pa.Array, output: int | None
) -> tuple[ResultsTable, partial[None] | None]:
    """Draw the clusters of rows' maps, if they are wanted.

    Args:
        results: the table.
        rows: row numbers.
        output: index of the label or value that the maps are of; None for a table of classes, and
            where none is chosen.

    Returns:
        The table, with a column ``cluster`` once they are known, and what computes what is missing.
    """
    if results.folder is None or not len(rows):
        return results, None
    st.html('<h2 class="wil-section">Clusters of maps</h2>')
    wanted = st.toggle(
        "Find groups of these pictures whose maps lie alike",
        key="clusters",
        bind="query-params",
        help=_HELP,
    )
    if not wanted:
        return results, None
    record = tables.record_of(results)
    if isinstance(record, str):
        st.caption(markdown(f"Clusters are not available. {record}"))
        return results, None
    if results.kind != "classes" and output is None:
        st.caption("Choose a label or a value at the side: each has maps of its own.")
        return results, None
    methods = methods_in(results, record, rows)
    if not methods:
        st.caption("None of these pictures has a map: the command `batch --methods` makes them.")
        return results, None
    source, setting = _choose(results, record, methods, output)
    key = _key(source, rows, setting)
    shown = _known.get(key)
    place = st.empty()
    if shown is None:
        place.html('<p class="wil-facts">Maps are read …</p>')
        return results, partial(_find, place, source, rows, setting, key)
    return replace(results, table=with_column(results, shown.found)), _draw(place, shown, key)


def _choose(
    results: ResultsTable, record: ModelRecord, methods: tuple[str, ...], output: int | None
) -> tuple[Source, ClusterSetting]:
    _take_name(methods)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = methods[0]
        if len(methods) > 1:
            method = st.selectbox(
                "Maps of",
                methods,
                format_func=method_title,
                key="maps_of",
                bind="query-params",
                on_change=first_page,
                width=260,
            )
        anywhere = st.toggle(
            "Wherever they lie", key="anywhere", bind="query-params", help=_ANYWHERE
        )
    return Source(results, record, method, output=output), ClusterSetting(anywhere=anywhere)


def _take_name(methods: tuple[str, ...]) -> None:
    """Let an address name a method as the command line does: it is given its title."""
    wanted = st.query_params.get("maps_of")
    if wanted is None or "maps_of" in st.session_state:
        return
    for name in methods:
        if wanted == method_title(name):
            return
        if wanted in (name, METHOD_ALIASES.get(name)):
            st.query_params["maps_of"] = method_title(name)
            break
    else:
        del st.query_params["maps_of"]
        state.notice(
            f"The address asks for maps_of {quoted(wanted)}, of which there are none here; the "
            f"page shows {plain(method_title(methods[0]))}."
        )
    st.rerun()  # controls read the address once, as it was when the run began


def _key(source: Source, rows: pa.Array, setting: ClusterSetting) -> _Key:
    digest = hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()
    results = source.results
    told = (source.method, source.output, setting)
    return results.digest, str(results.address), digest, repr(told)


def _find(
    place: DeltaGenerator, source: Source, rows: pa.Array, setting: ClusterSetting, key: _Key
) -> None:
    """Find the clusters, and draw the page again with them."""
    try:
        with state.line().admitted(partial(_waiting, place)):
            for step in live.paced(find_clusters(source, rows, setting), partial(_told, place)):
                found = step.found
            assert found is not None
            pictures, replaced = {}, list[str]()
            for cluster in found.groups if found.clusters else ():
                for mean in live.paced(
                    mean_steps(found, cluster), partial(_told_mean, place, cluster)
                ):
                    means = mean.snapshot
                pictures[cluster.number] = _pictures(found, cluster, means())
                replaced += means().replaced
    except UserError as error:
        _log.info("no clusters of %s", source.results.name, exc_info=error)
        _say(place, str(error))
        return
    _known.put(key, _Shown(found, pictures, tuple(replaced)))
    st.rerun()


def _waiting(place: DeltaGenerator, before: int) -> None:
    live.tick()
    _say(place, live.people(before) if before else "waiting …")


def _told(place: DeltaGenerator, step: ClusterStep | CoverStep) -> None:
    what = step.what if isinstance(step, ClusterStep) else "passes"
    _say(place, f"{step.done:,} of {step.total:,} {what} …")


def _told_mean(place: DeltaGenerator, cluster: Cluster, step: MeanStep) -> None:
    _say(place, f"{cluster.name}: {step.done:,} of {step.total:,} pictures averaged …")


def _say(place: DeltaGenerator, text: str) -> None:
    place.html(f'<p class="wil-facts" role="status">{escape(text)}</p>')


def _pictures(found: Clusters, cluster: Cluster, means: Means) -> _Pictures:
    sheet = contact_sheet(found, cluster)
    mapped, method = mean_map_picture(found, means), found.source.method
    return _Pictures(
        mean_map=None if mapped is None else data_uri(mapped),
        bar=scale_bar(method, means.maps[method]) if method in means.maps else None,
        mean_picture=None if means.photo is None else data_uri(means.photo, "JPEG"),
        nearest=None if sheet is None else data_uri(sheet, "JPEG"),
    )


def _draw(place: DeltaGenerator, shown: _Shown, key: _Key) -> partial[None] | None:
    """Draw what is known; returns what covers the region that is asked for."""
    found, fill = shown.found, None
    lines = [words.headline(found), *words.notes(found)]
    if shown.replaced:
        lines.append(replaced_words(shown.replaced, ("it is not drawn", "they are not drawn")))
    first, *others = map(escape, lines)
    place.html(
        f'<p class="wil-clusters-says">{first}</p><p class="wil-facts">{" ".join(others)}</p>'
    )
    for cluster in found.groups if found.clusters else ():
        st.html(_card(cluster, found.maps, shown.pictures[cluster.number]))
        if not cluster.number:
            continue
        asked = st.toggle(
            "Is it the shortcut?",
            key=f"{COVER}{cluster.number}",
            bind="query-params",
            help=f"Cover {words.the(cluster.place)} in its pictures, and count the answers that "
            "change; as controls, the same shape elsewhere, and the same region in the other "
            "pictures.",
        )
        if not asked:
            continue
        below = st.empty()
        mine = (*key, str(cluster.number))
        effect = _effects.get(mine)
        if effect is not None:
            below.html(_effect(effect))
        elif fill is None:
            _say(below, "covering …")
            fill = partial(_cover, below, found, cluster, mine)
    return fill


def _cover(place: DeltaGenerator, found: Clusters, cluster: Cluster, key: _Key) -> None:
    """Cover a cluster's region, and draw the page again for the next."""
    explainer, record = state.explainer(), found.source.record
    try:
        if not record.weights.present:
            live.run_download(record.name, record.title)
        classifier = explainer.classifier(record.name)
        with state.line().admitted(partial(_waiting, place)):
            steps = cover_steps(found, cluster, classifier, explainer, _BASELINE)
            for step in live.paced(steps, partial(_told, place)):
                effect = step.found
    except UserError as error:
        _log.info("%s is not covered", cluster.name, exc_info=error)
        _say(place, str(error))
        return
    assert effect is not None
    _effects.put(key, effect)
    st.rerun()


def _card(cluster: Cluster, maps: int, pictures: _Pictures) -> str:
    title = f"{cluster.name} · {cluster.place}" if cluster.number else "The rest, in no cluster"
    facts = " · ".join(words.facts(cluster, maps))
    most = f" of the {MOST} nearest" if cluster.size > MOST else ""
    figures = (
        _figure(pictures.mean_map, f"Mean map{most}", pictures.bar)
        + _figure(pictures.mean_picture, f"Mean picture{most}")
        + _figure(pictures.nearest, "Nearest to its middle")
    )
    answers = ", ".join(f"{plain(name)} {count:,}" for name, count in cluster.answers[:3])
    said = f"Answers: {answers}." if answers else ""
    text = "".join(
        f"<p>{escape(each)}</p>" for each in (words.accuracy(cluster), said, facts) if each
    )
    return (
        f'<section class="wil-cluster"><h3>{escape(title)}</h3>'
        f'<div class="figures">{figures}</div><div class="words">{text}</div></section>'
    )


def _figure(picture: str | None, caption: str, bar: ScaleBar | None = None) -> str:
    if picture is None:
        return ""
    scale = "" if bar is None else f'<div class="wil-scale">{scale_html(bar)}</div>'
    return (
        f'<figure><img src="{picture}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption>{scale}</figure>"
    )


def _effect(effect: Covered) -> str:
    return (
        f'<div class="wil-effect"><p><b>{escape(words.covered(effect))}</b></p>'
        f"<p>{escape(words.verdict(effect))} {escape(words.cost(effect))}</p></div>"
    )
