"""The command ``clusters``: groups of maps that stand out, and what becomes of answers without."""

import argparse
import io
import re
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from ..clusters import record as recording
from ..clusters import words
from ..clusters.choice import Choice, choose_rows
from ..clusters.covering import Covered, cover_steps
from ..clusters.finding import Cluster, Clusters, ClusterSetting, find_clusters, with_column
from ..clusters.reading import Source, methods_in
from ..errors import FolderError, SettingError
from ..explaining.explainer import Explainer
from ..files.io import check_writable, write
from ..folders.listing import folder_for
from ..folders.results_table import ResultsTable, open_results
from ..folders.run_model import model_of
from ..folders.run_pictures import replaced_words
from ..folders.selection import Filters, select
from ..folders.table_export import as_csv, as_parquet
from ..models import registry
from ..models.catalogue import ModelRecord
from ..text import PROGRAM, counted, did_you_mean
from .console import progress_line, say
from .inputs import as_json

_OURS = re.compile(r"(cluster_\d+|rest)_(mean_map|mean_picture|nearest)\.png")
_FILES = ("clusters.json", "clusters.parquet", "clusters.csv")


def run(arguments: argparse.Namespace) -> int:
    """Find clusters of maps in results, say what they are, and write them."""
    setting = ClusterSetting(arguments.clusters, arguments.seed, arguments.anywhere)
    explainer = Explainer()
    baseline = explainer.baseline_named(getattr(arguments, "baseline", "grey"))
    if arguments.out is not None:
        check_writable(arguments.out, _FILES)
    results = open_results(arguments.results)
    if results.unfinished:
        say(results.unfinished, aside=True)
    record = model_of(results, arguments.model)
    chosen = _chosen(arguments, results, record)
    source = _source(arguments, results, record, chosen)
    with progress_line() as show:
        for step in find_clusters(source, chosen.rows, setting):
            show(f"{step.done:,} of {step.total:,} {step.what}")
    found = step.found
    assert found is not None
    effects = _covered(arguments, found, explainer, baseline) if arguments.cover else {}
    _tell(found, chosen, effects)
    if arguments.out is not None:
        _write(arguments, found, list(effects.values()))
    return 0


def _chosen(arguments: argparse.Namespace, results: ResultsTable, record: ModelRecord) -> Choice:
    label, predicted = arguments.label, arguments.predicted
    if arguments.confusion is not None:
        if (label, predicted) != (None, None):
            raise SettingError("--confusion says both classes: leave out --class and --predicted.")
        label, predicted = arguments.confusion
    return choose_rows(results, record.class_names, label, predicted)


def _source(
    arguments: argparse.Namespace, results: ResultsTable, record: ModelRecord, chosen: Choice
) -> Source:
    if not len(chosen.rows):
        raise SettingError(f"{results.name} has no pictures {chosen.words}".rstrip() + ".")
    methods = methods_in(results, record, chosen.rows)
    if not methods:
        raise FolderError(
            f"None of these pictures has a map in {results.name}: "
            f"`{PROGRAM} batch --methods occlusion` makes them."
        )
    method = arguments.method or methods[0]
    if method not in methods:
        near = did_you_mean(method, methods)
        raise SettingError(
            f"{results.name} has no maps of {method}{near}: choose from {', '.join(methods)}."
        )
    masks = None if arguments.masks is None else folder_for("--masks", "masks", arguments.masks)
    return Source(results, record, method, arguments.sign, chosen.output, masks)


def _covered(
    arguments: argparse.Namespace, found: Clusters, explainer: Explainer, baseline: str
) -> dict[int, Covered]:
    """What becomes of the answers without the region of each cluster, by its number."""
    if not found.clusters:
        return {}
    with progress_line() as show:
        for done, total in registry.download(found.source.record.name):
            show(f"Downloading the model: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        classifier = explainer.classifier(found.source.record.name, arguments.device)
        effects = {}
        for cluster in found.clusters:
            for step in cover_steps(found, cluster, classifier, explainer, baseline):
                show(f"{cluster.name}: {step.done:,} of {step.total:,} passes")
            assert step.found is not None
            effects[cluster.number] = step.found
    return effects


def _tell(found: Clusters, chosen: Choice, effects: dict[int, Covered]) -> None:
    source, pictures = found.source, counted(len(chosen.rows), "picture")
    say(f"Maps of {source.method} of {pictures} {chosen.words}".rstrip() + ".")
    say(words.headline(found))
    for note in words.notes(found):
        say(note)
    for cluster in found.groups if found.clusters else ():
        say(f"{cluster.name}, {cluster.place}: {'; '.join(words.facts(cluster, found.maps))}.")
        for sentence in _sentences(cluster, effects.get(cluster.number)):
            say(f"  {sentence}")


def _sentences(cluster: Cluster, effect: Covered | None) -> Iterator[str]:
    if sentence := words.accuracy(cluster):
        yield sentence
    if effect is not None:
        yield words.covered(effect)
        yield words.verdict(effect)
        yield words.cost(effect)


def _write(arguments: argparse.Namespace, found: Clusters, effects: list[Covered]) -> None:
    results = found.source.results
    whole = replace(results, table=with_column(results, found))
    rows = select(results, Filters())
    files = {
        "clusters.json": as_json(recording.record(found, effects)),
        "clusters.parquet": as_parquet(whole, rows),
        "clusters.csv": as_csv(whole, rows),
    }
    replaced: list[str] = []
    for cluster in found.groups:
        name = f"cluster_{cluster.number}" if cluster.number else "rest"
        *_, step = recording.mean_steps(found, cluster)
        means = step.snapshot()
        replaced += means.replaced
        for kind, picture in (
            ("mean_map", recording.mean_map_picture(found, means)),
            ("mean_picture", means.photo),
            ("nearest", recording.contact_sheet(found, cluster)),
        ):
            if picture is not None:
                files[f"{name}_{kind}.png"] = _png(picture)
    written = write(arguments.out, files)
    say(f"Wrote {', '.join(map(str, written))}")
    if replaced:
        say(replaced_words(replaced, ("it is not drawn", "they are not drawn")), aside=True)
    pictures = {each.name for each in arguments.out.glob("*.png") if _OURS.fullmatch(each.name)}
    if earlier := sorted(pictures - set(files)):
        say(f"Of an earlier run, and not of this one: {', '.join(earlier)}.", aside=True)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
