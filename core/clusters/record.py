"""Clusters of maps as JSON types, and their pictures."""

import math
from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from ..drawing.method_display import display_of
from ..drawing.rendering import backdrop, colours, overlay, scale
from ..errors import ImageError
from ..folders.mean_maps import Means, MeanStep, mean_maps
from ..folders.results_table import ResultsTable
from ..folders.run_pictures import picture_of_run
from ..models.catalogue import ModelRecord
from . import words
from .covering import Covered
from .finding import Cluster, Clusters
from .proportions import Difference, Share

_GAP = 4  # pixels between the pictures of a sheet
_IN_A_ROW = 3


def record(found: Clusters, covered: Sequence[Covered] = ()) -> dict[str, Any]:
    """All that is known of clusters, as JSON types; grids row by row."""
    source, paths = found.source, found.source.results.table["path"]
    effects = {each.cluster: each for each in covered}
    return {
        "results_sha256": source.results.digest,
        "model": source.results.model,
        "method": source.method,
        "sign": source.sign,
        "output": source.output,
        "setting": asdict(found.setting),
        "headline": words.headline(found),
        "rows": found.rows,
        "maps": found.maps,
        "units": found.units,
        "unreadable": found.unreadable,
        "without_relevance": found.empty,
        "copies": found.copies,
        "without_mask": found.unmasked,
        "changed_since_the_run": list(found.replaced),
        "chance_silhouette": None if math.isnan(found.chance) else found.chance,
        "clusters": [_cluster(each, paths, effects.get(each.number)) for each in found.groups],
    }


def _cluster(cluster: Cluster, paths: pa.ChunkedArray, effect: Covered | None) -> dict[str, Any]:
    return {
        "number": cluster.number,
        "name": cluster.name,
        "size": cluster.size,
        "share": cluster.share,
        "silhouette": cluster.silhouette,
        "stands_out": cluster.stands_out,
        "place": cluster.place,
        "region": np.argwhere(cluster.region).tolist(),
        "grid": cluster.grid.astype(float).tolist(),
        "right": _share(cluster.right),
        "others_right": _share(cluster.others_right),
        "difference": _difference(cluster.gap),
        "border_share": cluster.border,
        "outside_mask_share": cluster.outside,
        "unlike": cluster.unlike,
        "success": cluster.success,
        "score": cluster.score,
        "answers": dict(cluster.answers),
        "nearest": paths.take(cluster.nearest).to_pylist(),
        "covered": None if effect is None else _effect(effect),
    }


def _effect(found: Covered) -> dict[str, Any]:
    gaps = [_difference(gap) for gap in found.gaps]
    return {
        "place": found.place,
        "area": found.area,
        "control": found.other_place,
        "baseline": found.baseline,
        "changed": _share(found.inside),
        "changed_with_control": _share(found.elsewhere),
        "changed_with_either": found.both,
        "changed_of_others": _share(found.others),
        "more_than_control": gaps[0],
        "more_than_others": gaps[1],
        "answers_depend_on_it": found.depends,
        "forward_passes": found.passes,
        "unreadable": found.unreadable,
        "changed_since_the_run": list(found.replaced),
        "other_answer_in_table": found.otherwise,
        "sentence": words.covered(found),
    }


def _share(found: Share | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"count": found.part, "of": found.whole, "interval_95": list(found.interval)}


def _difference(found: Difference | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.value, "interval_95": [found.low, found.high]}


def mean_steps(found: Clusters, cluster: Cluster) -> Generator[MeanStep, None, None]:
    """Mean map and mean picture of a cluster, of at most 500 nearest to its middle."""
    source = found.source
    return mean_maps(source.results, pa.array(cluster.rows), source.record, source.output)


def mean_map_picture(found: Clusters, means: Means) -> Image.Image | None:
    """The mean map over the mean picture; over white where there is none. None without a map."""
    mean = means.maps.get(found.source.method)
    if mean is None:
        return None
    display = display_of(found.source.method, mean.values)
    coloured = colours(mean.values, display, scale([mean.values], display))
    ground = means.photo or Image.new("RGB", mean.values.shape[::-1], "white")
    return overlay(backdrop(ground), coloured)


def _seen(
    results: ResultsTable, model: ModelRecord, path: str, sha256: str | None
) -> Image.Image | None:
    """What a model saw of a picture, RGB; None if it cannot be read, or is another one now."""
    try:
        picture = picture_of_run(results, path, sha256)
        return model.preprocessing.picture(picture.image).convert("RGB")
    except ImageError:
        return None


def contact_sheet(found: Clusters, cluster: Cluster) -> Image.Image | None:
    """The nine nearest pictures of a cluster, three in a row; None if none can be read.

    Those that are not the run's are left out: `Means.replaced` of the cluster names them.
    """
    source = found.source
    named = source.results.table.select(["path", "sha256"]).take(cluster.nearest).to_pylist()
    shown = [_seen(source.results, source.record, **each) for each in named]
    pictures = [each for each in shown if each is not None]
    if not pictures:
        return None
    height, width = source.record.preprocessing.size
    down = -(-len(pictures) // _IN_A_ROW)
    size = (_IN_A_ROW * (width + _GAP) - _GAP, down * (height + _GAP) - _GAP)
    sheet = Image.new("RGB", size, "white")
    for number, picture in enumerate(pictures):
        row, column = divmod(number, _IN_A_ROW)
        sheet.paste(picture, (column * (width + _GAP), row * (height + _GAP)))
    return sheet
