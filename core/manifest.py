"""The record of a bundle: what its maps are of, how they were made, and digests of it all.

``manifest.json`` holds a digest of each of its own sections and of every other file, so that a
changed number is found and the place where it stands can be named. The digests guard against
accidents and careless edits; whoever changes a number and its digest is found by `core.verify`,
which computes everything again.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from core.attribution import versions
from core.catalogue import ModelRecord
from core.errors import SettingError
from core.exhibits import Plate, Shown
from core.methods import METHODS
from core.models import Classifier
from core.rendering import Display
from core.samples import is_sample
from core.settings import (
    GradientSetting,
    IntegratedGradientsSetting,
    Setting,
    SmoothSetting,
    method_name,
    parameters,
)
from core.text import quoted

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
    """The setting whose method and `core.settings.parameters` a manifest holds.

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
        fixed = {
            name: getattr(template, name)
            for name in ("method", "guided")
            if hasattr(template, name)
        }
    right &= own.keys() == expected
    if not (right and all(_alike(value, getattr(template, name)) for name, value in own.items())):
        raise SettingError(
            f"{quoted(dict(found), 200)} are not the settings of {method}, which has "
            f"{', '.join(parameters(template)) or 'none'}: take the bundle as it was made."
        )
    return type(template)(**own, **fixed)


def _alike(value: object, usual: object) -> bool:
    """Whether a value is of a type that a setting can have, going by what it usually is."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(usual, bool)
    if isinstance(usual, float):
        return isinstance(value, int | float)
    if usual is None:
        return value is None or isinstance(value, str)
    if usual == "enough" or isinstance(usual, int):
        return isinstance(value, int) or (value == "enough" and usual == "enough")
    return isinstance(value, str)


def _picture(shown: Shown, photo: Json) -> Json:
    picture = shown.exhibit.picture
    preprocessing = shown.exhibit.classifier.record.preprocessing
    return {
        "name": shown.exhibit.name,
        "sha256": picture.sha256,
        "size": list(picture.image.size),
        "region": None if picture.region is None else list(picture.region),
        "seen_part": list(picture.region or preprocessing.crop_box(picture.image.size)),
        "sample": is_sample(picture.sha256),
        "notes": list(picture.notes),
        **photo,
    }


def _model(classifier: Classifier) -> Json:
    record = classifier.record
    return {
        "name": record.name,
        "title": record.title,
        "weights_file": record.weights.path.name,
        "weights_sha256": classifier.weights_sha256,
        "device": str(classifier.device),
        "preprocessing": asdict(record.preprocessing),
        "licence": record.licence,
        "source": record.source,
        "top1_imagenet_percent": record.accuracy if record.network is None else None,
        **own_model(record),
    }


def own_model(record: ModelRecord) -> Json:
    """What it takes to build a model of one's own; nothing for those that come along."""
    if record.network is None:
        return {}
    options = {key: _plain(value) for key, value in record.network.options}
    return {
        "own": {
            "architecture": record.network.name,
            "options": options,
            "top1_percent": record.accuracy,
        }
    }


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _map(shown: Shown, plate: Plate) -> Json:
    made, names = plate.attribution, shown.class_names
    contrast = None if made.contrast is None else names[made.contrast]
    low, high = float(made.values.min()), float(made.values.max())
    entry = {
        "title": plate.title,
        "method": method_name(plate.setting),
        "settings": parameters(plate.setting),
        "question": asdict(made.question),
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
    if plate.layer is not None:
        entry["layer"] = plate.layer
    if plate.patches is not None:
        entry["patches"] = f"maps/{plate.stem}-patches.npy"
    if plate.baseline is not None:
        entry["baseline_picture"] = f"maps/{plate.stem}-baseline.png"
    if plate.trust is not None:
        entry["trust"] = dict(plate.trust)
    return entry


def _canonical(section: object) -> bytes:
    return json.dumps(section, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
