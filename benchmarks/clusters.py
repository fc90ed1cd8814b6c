"""Clusters of maps of many pictures: ``python -m benchmarks.clusters``.

Makes results of so many rows whose maps are files as `core.folders` writes them, blobs near the
centre and, in every tenth, in a corner; then finds the clusters, and prints seconds and the largest
memory of the process. Copies of a few hundred files stand for all, so that making them is quick;
each is read and unpacked by itself.

``--limits`` looks for clusters in few such maps, with so many of them in a corner and under so many
seeds, and prints how often the corner is found; without any, how often a cluster is claimed.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.clusters.finding import find_clusters
from core.clusters.grids import grid_of, points_of, relevance
from core.clusters.reading import Source
from core.clusters.spectral import grouping
from core.clusters.words import headline
from core.folders.map_files import map_file
from core.folders.results_schema import SCHEMA
from core.folders.results_table import open_results
from core.folders.selection import Filters, select
from core.models.registry import DEFAULT_MODEL, record

_DIFFERENT = 400
_COUNTS = (30, 60, 120, 240, 480)
_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


def main() -> None:
    """Print what each part takes, or what is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=int, default=50_000)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    if given.limits:
        _print_limits(given.seeds)
    else:
        _print_speed(given.maps)


def _print_limits(seeds: int) -> None:
    print("maps", *(f"{share:.0%}" for share in _SHARES), sep="\t")
    for count in _COUNTS:
        corners = [np.arange(count) < round(count * share) for share in _SHARES]
        hits = [sum(_found(corner, seed) for seed in range(seeds)) for corner in corners]
        print(count, *(f"{hit} of {seeds}" for hit in hits), sep="\t", flush=True)


def _found(corner: np.ndarray, seed: int) -> bool:
    """Whether one cluster has nine of ten of the maps in a corner and few others, or is any."""
    random = np.random.default_rng(seed)
    maps = [relevance(_map(random, bool(each)), "positive") for each in corner]
    grids = [grid for each in maps if (grid := grid_of(each)) is not None]
    steps = grouping(points_of(np.stack(grids), anywhere=False), None, seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            labels = end.value.labels
            break
    clusters = [labels == number for number in range(1, labels.max() + 1)]
    if not corner.any():
        return bool(clusters)
    return any(min(each[corner].mean(), corner[each].mean()) >= 0.9 for each in clusters)


def _print_speed(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        _make(Path(place), count)
        before = _peak()
        started = time.perf_counter()
        results = open_results(Path(place))
        opened = time.perf_counter()
        source = Source(results, record(DEFAULT_MODEL), "occlusion")
        read = opened
        for step in find_clusters(source, select(results, Filters())):
            if step.what == "maps read":
                read = time.perf_counter()
        ended = time.perf_counter()
    assert step.found is not None
    print(f"{count:,} maps of 224 x 224, {os.cpu_count()} cores. {headline(step.found)}")
    print(f"sizes: {[each.size for each in step.found.groups]}")
    print(f"opening {opened - started:.1f} s, reading {read - opened:.1f} s", end=", ")
    print(f"clustering {ended - read:.1f} s, all {ended - started:.1f} s", end=", ")
    print(f"processor {time.process_time():.0f} s of the whole program")
    print(f"largest memory {_peak():,.0f} MB, before {before:,.0f} MB")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _make(place: Path, count: int) -> None:
    random = np.random.default_rng(0)
    first = [_file(random, number % 10 == 0) for number in range(_DIFFERENT)]
    names = [f"maps/{number % 256:02x}/{number:064x}.npz" for number in range(count)]
    for number, name in enumerate(names):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < _DIFFERENT:
            path.write_bytes(first[number])
        else:
            path.hardlink_to(place / names[number % _DIFFERENT])
    rows = {field.name: pa.nulls(count, field.type) for field in SCHEMA}
    rows["path"] = pa.array([f"{number:06d}.png" for number in range(count)])
    rows["maps"] = pa.array(names)
    pq.write_table(pa.table(rows, schema=SCHEMA), place / "results.parquet")
    told = {"address": str(place), "model": DEFAULT_MODEL}
    (place / "manifest.json").write_text(json.dumps(told))


def _file(random: np.random.Generator, corner: bool) -> bytes:
    return map_file(
        {"occlusion": _map(random, corner)}, {"maps": {"occlusion": {"units": "logits"}}}
    )


def _map(random: np.random.Generator, corner: bool) -> np.ndarray:
    """A map as occlusion makes it: the same value in each cell of 8 pixels."""
    down, right = (20, 20) if corner else random.normal(112, 15, 2)
    rows, columns = np.mgrid[4:224:8, 4:224:8]
    blob = np.exp(-((rows - down) ** 2 + (columns - right) ** 2) / 2 / random.uniform(15, 30) ** 2)
    values = blob + random.normal(0, 0.05, blob.shape)
    full = np.asarray(np.kron(values, np.ones((8, 8))), np.float32)
    full += random.normal(0, 0.001, full.shape).astype(np.float32)  # no two pixels are quite equal
    return full


if __name__ == "__main__":
    main()
