"""The manifest of a bundle: provenance, settings and scores of its maps, and digests of all files.

``manifest.json`` holds a digest of each of its own sections and of every other file, so that a
changed number is found and the place where it stands can be named. The digests guard against
accidents and careless edits. If a number is changed together with its digest,
`core.bundle.verification` finds it by recomputing everything.
"""

import hashlib
import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ..drawing.rendering import Display
from ..engine.watched_layers import Layer
from ..errors import SettingError
from ..methods.attribution import versions
from ..methods.cover_methods import REGIONS, PatchSetting
from ..methods.gradient_methods import GradientSetting, IntegratedGradientsSetting, SmoothSetting
from ..methods.options import alike
from ..methods.registry import METHODS
from ..methods.settings import Setting, parameters
from ..methods.superpixels import worths
from ..models.catalogue import ModelRecord
from ..models.classifiers import Classifier
from ..models.heads import SOFTMAX, Head
from ..pictures.preprocessing import Preprocessing
from ..pictures.samples import is_sample
from ..text import quoted
from .exhibits import Plate, Shown

FORMAT = "where-it-looked/1"
NAME = "manifest.json"
Json = dict[str, Any]


def record_of(
    shown: list[Shown],
    display: Display,
    same_scale: bool,
    address: str | None,
    photos: list[Json],
) -> Json:
    """Everything about a bundle but its files.

    Args:
        shown: what is in it.
        display, same_scale: how its maps are drawn.
        address: of the page that shows the same, or None.
        photos: what is to be said of each exhibit's picture besides its digest: files and notes.
    """
    return {
        "format": FORMAT,
        "exhibits": [
            {
                "picture": _picture(each, photo),
                "model": _model(each.exhibit.classifier),
                "top": [asdict(score) for score in each.ranking],
                "maps": [_map(each, plate) for plate in each.plates],
            }
            for each, photo in zip(shown, photos, strict=True)
        ],
        "display": {**asdict(display), "same_scale": same_scale},
        "address": address,
        "versions": {**versions(), "platform": platform.platform()},
    }


def sealed(record: Json, files: Mapping[str, bytes]) -> bytes:
    """The manifest as a file: the record, the digests of the files, and those of its sections."""
    listed = {**record, "files": {name: _sha256(files[name]) for name in sorted(files)}}
    digests = {place: _sha256(_canonical(section)) for place, section in sections(listed)}
    whole = {**listed, "digests": digests}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def changed_sections(manifest: Json) -> list[str]:
    """The sections that are not what they were when the manifest was written, by their place."""
    written = manifest["digests"]
    now = {place: _sha256(_canonical(section)) for place, section in sections(manifest)}
    return [place for place in sorted({*now, *written}) if now.get(place) != written.get(place)]


def sections(manifest: Json) -> Iterator[tuple[str, Any]]:
    """The manifest in parts, each with its place, such as ``exhibits/1/maps/2/settings``."""
    for key, value in manifest.items():
        if key == "exhibits":
            for number, exhibit in enumerate(value, 1):
                for part, content in exhibit.items():
                    if part != "maps":
                        yield f"{key}/{number}/{part}", content
                        continue
                    for place, made in enumerate(content, 1):
                        for name, entry in made.items():
                            yield f"{key}/{number}/maps/{place}/{name}", entry
        elif key == "files":
            for name, digest in value.items():
                yield f"{key}/{name}", digest
        elif key != "digests":
            yield key, value


def setting_from(method: str, found: Mapping[str, Any]) -> Setting:
    """The setting whose method and `core.methods.settings.parameters` a manifest holds.

    Raises:
        SettingError: there is no such method, or the settings are not its own or out of range.
    """
    if method not in METHODS:
        raise SettingError(f'There is no method "{method}": choose one of {", ".join(METHODS)}.')
    template = METHODS[method].setting
    fixed: Json
    if isinstance(template, SmoothSetting):
        own = {name: found[name] for name in ("samples", "stdev", "seed") if name in found}
        within = {name: value for name, value in found.items() if name not in {*own, "method"}}
        inner = setting_from(str(found.get("method")), within)
        fixed = {"method": inner, "kind": template.kind}
        expected = {"samples", "stdev", "seed"}
        right = isinstance(inner, IntegratedGradientsSetting | GradientSetting)
    else:
        own, expected, right = dict(found), set(parameters(template)), True
        if isinstance(template, PatchSetting) and REGIONS in own:
            expected = expected - {"segments"} | {REGIONS}
        fixed = {name: getattr(template, name) for name in template.fixed}
    # A switch that was added later is off in what was written before.
    later = {name for name in expected - own.keys() if getattr(template, name) is False}
    right &= own.keys() == expected - later
    if not (right and all(alike(value, getattr(template, name)) for name, value in own.items())):
        raise SettingError(
            f"{quoted(dict(found), 200)} are not the settings of {method}, which has "
            f"{', '.join(parameters(template)) or 'none'}: take the bundle as it was made."
        )
    return type(template)(**own, **fixed)


def _picture(shown: Shown, photo: Json) -> Json:
    picture = shown.exhibit.picture
    preprocessing = shown.exhibit.classifier.record.preprocessing
    return {
        "name": shown.exhibit.name,
        "sha256": picture.sha256,
        "size": list(picture.image.size),
        "region": None if picture.region is None else list(picture.region),
        "seen_part": list(preprocessing.seen(picture.image.size, picture.region)),
        "sample": is_sample(picture.sha256),
        "notes": list(picture.notes),
        **photo,
    }


def _model(classifier: Classifier) -> Json:
    record = classifier.record
    return {
        "name": record.name,
        "title": record.title,
        "weights_file": record.weights.name,
        "weights_sha256": classifier.weights_sha256,
        "device": str(classifier.device),
        "preprocessing": transform(record.preprocessing),
        "licence": record.licence,
        "source": record.source,
        "top1_imagenet_percent": record.accuracy if record.network is None else None,
        **own_model(record),
    }


def transform(preprocessing: Preprocessing) -> Json:
    """A preprocessing as JSON gives it back, without what it shares with most, the defaults."""
    usual = {each.name: each.default for each in fields(preprocessing)}
    return {
        name: _plain(value) for name, value in asdict(preprocessing).items() if value != usual[name]
    }


def own_model(record: ModelRecord) -> Json:
    """What it takes to build a model of one's own; nothing for those that come along."""
    if record.network is None:
        return {} if record.head == SOFTMAX else {"head": _plain_head(record.head)}
    options = {key: _plain(value) for key, value in record.network.options}
    return {
        "own": {
            "architecture": record.network.name,
            "options": options,
            "top1_percent": record.accuracy,
            # Bundles of exclusive classes have always been without it.
            **({} if record.head == SOFTMAX else {"head": _plain_head(record.head)}),
        }
    }


def _plain_head(head: Head) -> Json:
    return {"kind": head.kind, "thresholds": list(head.thresholds), "unit": head.unit}


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _map(shown: Shown, plate: Plate) -> Json:
    made, names = plate.attribution, shown.class_names
    contrast = None if made.contrast is None else names[made.contrast]
    low, high = float(made.values.min()), float(made.values.max())
    entry: Json = {
        "title": plate.title,
        "method": plate.setting.name,
        "settings": parameters(plate.setting),
        "question": made.question.record(),
        "target_name": names[made.target],
        "contrast_name": contrast,
        "units": made.units,
        "forward_passes": made.forward_passes,
        "score_change": made.change,
        "completeness_gap": made.gap,
        "agreement": None if made.agreement is None else made.agreement._asdict(),
        "values": f"maps/{plate.stem}.npy",
        "grey16": {"file": f"maps/{plate.stem}.png", "black": low, "white": high},
        "colour_bar": list(plate.ends),
    }
    if made.path:
        entry["path"] = list(made.path)
    if plate.layers:
        entry["layers"] = {name: _layer(layer) for name, layer in plate.layers.items()}
    if made.errors is not None:
        entry["standard_errors"] = f"maps/{plate.stem}-errors.npy"
    if plate.patches is not None:
        entry["patches"] = f"maps/{plate.stem}-patches.npy"
    if plate.patches is not None and plate.regions:
        table = worths(made.values, plate.patches, plate.regions)
        entry[REGIONS] = [each._asdict() for each in table]
    if plate.baseline is not None:
        kind = "npy" if isinstance(plate.baseline, np.ndarray) else "png"
        entry["baseline_picture"] = f"maps/{plate.stem}-baseline.{kind}"
    if plate.trust is not None:
        entry["trust"] = dict(plate.trust)
    return entry


def _layer(layer: Layer) -> Json:
    """How a layer's values lie over the picture, and whether those behind a ReLU were taken."""
    rectified = layer.ceiling is not None
    ceiling = layer.ceiling if rectified and layer.ceiling != math.inf else None
    return {**asdict(layer.places), "rectified": rectified, "ceiling": ceiling}


def _canonical(section: object) -> bytes:
    return json.dumps(section, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
