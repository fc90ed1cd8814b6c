"""Verifies a bundle: recomputes scores and maps from its manifest and compares them.

Maps are recomputed from the model's input, which every bundle holds. Whether that is the stated
part of the photo is checked if the photo is available.
"""

import hashlib

import numpy as np

from ..errors import BundleError, ModelError, SettingError
from ..explaining.explainer import Explainer
from ..methods.attribution import versions
from ..models import registry
from ..models.classifiers import Classifier
from ..pictures.images import digest
from ..pictures.picture import Picture, picture_from_bytes
from ..pictures.preprocessing import Box
from ..text import plain
from .comparing import Report, Verdict, compare_map, compare_scores, opened
from .limits import MOST_PASSES
from .manifest import Json, changed_sections, own_model, setting_from, transform
from .unpacking import Unpacked, unpack

_ROUNDING = 1e-3  # of 255, in pixels that are floating point numbers


def verify(
    data: bytes,
    *,
    image: bytes | None = None,
    device: str = "auto",
    passes: int = MOST_PASSES,
    report: Report = lambda _: None,
) -> Verdict:
    """Compute a bundle's maps and scores again.

    Args:
        data: the zip.
        image: the photo's file, where the bundle does not hold it.
        device: where to compute, one of `registry.DEVICES`.
        passes: how many passes through its networks the maps may take.
        report: told how far it is.

    Raises:
        BundleError: this is not a bundle, or it holds what no bundle holds, or its maps take more
            passes.
        ImageError: a picture cannot be opened.
        ModelError: the model is not available.
        SettingError: a setting is out of range.
    """
    found = unpack(data)
    _check_passes(found.manifest, passes)
    verdict = Verdict()
    _check_digests(found, verdict)
    _compare_versions(found.manifest, verdict)
    explainer = Explainer()  # of its own: nothing is remembered from before
    used = False
    for exhibit in found.manifest["exhibits"]:
        where = f"{plain(exhibit['picture']['name'])}, {plain(exhibit['model']['name'])}"
        _check_own(exhibit["model"])
        for done, total in registry.download(exhibit["model"]["name"]):
            report(f"Downloading: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        classifier = explainer.classifier(exhibit["model"]["name"], device)
        _compare_model(classifier, exhibit["model"], where, verdict)
        said = exhibit["picture"]
        seen = opened(found, str(said.get("channels") or said["seen"]), classifier)
        if seen is None:
            verdict.different.append(f"{where}: the picture as the model saw it is missing.")
            continue
        used |= _compare_photo(found, exhibit, classifier, seen, image, where, verdict)
        compare_scores(explainer, classifier, seen, exhibit["top"], where, verdict)
        for entry in exhibit["maps"]:
            report(f"{plain(entry['title'])} …")
            compare_map(explainer, classifier, seen, entry, found, where, verdict, report)
    if image is not None and not used:
        verdict.different.append("The given picture is none of those that the bundle is of.")
    return verdict


def _check_passes(manifest: Json, most: int) -> None:
    """Refuse excessive work: a few numbers in a manifest can ask for days of it."""
    total = 0
    for exhibit in manifest["exhibits"]:
        try:
            record = registry.record(exhibit["model"]["name"])
        except ModelError:  # which is said when it is to be loaded
            continue
        total += sum(
            setting_from(entry["method"], entry["settings"]).passes(record.preprocessing.size)
            for entry in exhibit["maps"]
        )
    if total > most:
        raise BundleError(
            f"The bundle's maps take {total:,} passes through its networks, and {most:,} are made "
            f"unasked: allow them with --passes {total}."
        )


def _check_digests(found: Unpacked, verdict: Verdict) -> None:
    """What was changed, or is missing, since the bundle was made."""
    for section in changed_sections(found.manifest):
        verdict.different.append(f"manifest.json was changed after it was written: {section}.")
    listed = found.manifest["files"]
    for name in sorted(listed):
        if name not in found.files:
            verdict.different.append(f"{name} is missing from the bundle.")
        elif hashlib.sha256(found.files[name]).hexdigest() != listed[name]:
            verdict.different.append(f"{name} was changed after the bundle was made.")


def _compare_versions(manifest: Json, verdict: Verdict) -> None:
    now = versions()
    then = manifest["versions"]
    other = [
        f"{name} {then.get(name)}, here {version}"
        for name, version in now.items()
        if then.get(name) != version
    ]
    if other:
        verdict.notes.append(f"Made with other versions: {plain('; '.join(other), 300)}.")


def _check_own(said: Json) -> None:
    """Report a missing model that is not built in."""
    name = said["name"]
    if "own" in said and not registry.is_named_by_path(name) and not registry.is_listed(name):
        raise ModelError(
            f"The bundle is of {plain(name)}, which is not a built-in model: give the folder that "
            "holds it with --models."
        )


def _compare_model(classifier: Classifier, said: Json, where: str, verdict: Verdict) -> None:
    if classifier.weights_sha256 != said["weights_sha256"]:
        verdict.different.append(
            f"{where}: the weights here have sha256 {classifier.weights_sha256[:12]}…, the "
            f"manifest says {plain(said['weights_sha256'])[:12]}…."
        )
    now, then = (
        [own.get(key) for key in ("architecture", "options")] if isinstance(own, dict) else None
        for own in (own_model(classifier.record).get("own"), said.get("own"))
    )
    if now != then:
        verdict.different.append(
            f"{where}: the network here is {now and now[0]}, the manifest says "
            f"{plain(str(then and then[0]))}, or has other options."
        )
    if own_model(classifier.record).get("head") != said.get("head"):
        verdict.different.append(
            f"{where}: the outputs of the model here mean something else than the manifest says."
        )
    made = transform(classifier.record.preprocessing)
    for name in sorted({*made, *said["preprocessing"]}):  # what neither says is as usual
        value, kept = made.get(name), said["preprocessing"].get(name)
        if value != kept:
            verdict.different.append(
                f"{where}: the model's {plain(name)} is {value}, the manifest says "
                f"{plain(str(kept))}."
            )
    if str(classifier.device) != said["device"]:
        verdict.notes.append(
            f"{where}: made on {plain(said['device'])}, computed again on {classifier.device}."
        )


def _compare_photo(
    found: Unpacked,
    exhibit: Json,
    classifier: Classifier,
    seen: Picture,
    image: bytes | None,
    where: str,
    verdict: Verdict,
) -> bool:
    """Whether what the model saw is the part of the photo that the manifest says it is.

    Returns:
        Whether the given ``image`` is this exhibit's picture.
    """
    said = exhibit["picture"]
    given = image is not None and digest(image) == said["sha256"]
    if said["original"] in found.files:
        original = found.files[said["original"]]
        if digest(original) != said["sha256"]:
            verdict.different.append(
                f"{where}: the original file has sha256 {digest(original)[:12]}…, the manifest "
                f"says {plain(said['sha256'])[:12]}…."
            )
        picture = picture_from_bytes(original)
    elif given and image is not None:
        picture = picture_from_bytes(image)
    elif said["photo_exact"] and said["photo"] in found.files:
        picture = picture_from_bytes(found.files[said["photo"]])
    else:
        verdict.notes.append(
            f"{where}: the photo is not here, so that only the part that the model saw could be "
            "checked: give the photo with --image."
        )
        return given
    region = None if said["region"] is None else Box(*said["region"])
    photo, preprocessing = picture.image, classifier.record.preprocessing
    try:
        picture = picture if region is None else picture.cropped(region, preprocessing.aspect)
    except SettingError as error:
        verdict.different.append(f"{where}: {error}")
        return given
    if list(photo.size) != said["size"]:
        verdict.different.append(
            f"{where}: the photo is {photo.width} × {photo.height}, the manifest says "
            f"{' × '.join(map(str, said['size']))}."
        )
    part, kept = (
        _levels(preprocessing.pixels(each.content(preprocessing.channels), each.region))
        for each in (picture, seen)
    )
    off = np.abs(part - kept)
    if (off > _ROUNDING).any():
        verdict.different.append(
            f"{where}: what the model saw is not that part of the photo; it differs by up to "
            f"{off.max():.4g} of 255 in {(off.max(axis=2) > 0).sum():,} pixels."
        )
    else:
        verdict.equal.append(f"{where}: the model saw that part of the photo.")
    return given


def _levels(pixels: np.ndarray) -> np.ndarray:
    """Pixels on a scale from 0 to 255."""
    return pixels.astype(np.float64) * (1 if pixels.dtype == np.uint8 else 255)
