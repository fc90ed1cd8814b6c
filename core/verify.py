"""Does a bundle hold what it says? Everything is computed again from its manifest and compared.

Maps begin with the picture as the model saw it, which every bundle holds. That this is the part of
the photo that the manifest says is checked where the photo can be had.
"""

import hashlib
from dataclasses import asdict

import numpy as np
from PIL import Image

from core import models
from core.attribution import versions
from core.comparing import (
    Report,
    Verdict,
    as_seen,
    compare_map,
    compare_scores,
    opened,
)
from core.errors import BundleError, ModelError, SettingError
from core.explainer import Explainer
from core.forecast import all_passes
from core.images import digest, open_image
from core.manifest import Json, changed_sections, own_model, setting_from
from core.models import Classifier
from core.picture import Picture
from core.preprocessing import Box
from core.text import plain
from core.unpacking import Unpacked, unpack

MOST_PASSES = 20_000
"""Passes that are made unasked: some minutes on two cores."""


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
        device: where to compute, one of `models.DEVICES`.
        passes: how many passes through its networks the maps may take.
        report: told how far it is.

    Raises:
        BundleError: this is not a bundle, or it holds what no bundle holds, or its maps take more
            passes.
        ImageError: a picture cannot be opened.
        ModelError: the model cannot be had.
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
        for done, total in models.download(exhibit["model"]["name"]):
            report(f"Downloading: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        classifier = explainer.classifier(exhibit["model"]["name"], device)
        _compare_model(classifier, exhibit["model"], where, verdict)
        seen = opened(found, exhibit["picture"]["seen"], classifier)
        if seen is None:
            verdict.different.append(f"{where}: the picture as the model saw it is missing.")
            continue
        used |= _compare_photo(found, exhibit, classifier, seen, image, where, verdict)
        picture = as_seen(seen, digest(seen.tobytes()))
        compare_scores(explainer, classifier, picture, exhibit["top"], where, verdict)
        for entry in exhibit["maps"]:
            report(f"{plain(entry['title'])} …")
            compare_map(explainer, classifier, picture, entry, found, where, verdict, report)
    if image is not None and not used:
        verdict.different.append("The given picture is none of those that the bundle is of.")
    return verdict


def _check_passes(manifest: Json, most: int) -> None:
    """Refuse work that nobody asked for: a few numbers in a manifest can ask for days."""
    total = 0
    for exhibit in manifest["exhibits"]:
        record = models.registry().get(exhibit["model"]["name"])
        if record is None:  # which is said when it is to be loaded
            continue
        total += sum(
            all_passes(setting_from(entry["method"], entry["settings"]), record.preprocessing.crop)
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
    """Say whose model is missing, where one of somebody's own is."""
    name = said["name"]
    if "own" in said and name not in models.registry() and name not in models.broken():
        raise ModelError(
            f"The bundle is of {plain(name)}, a model of somebody's own: give the folder that "
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
    preprocessing = asdict(classifier.record.preprocessing)
    for name, value in preprocessing.items():
        kept = said["preprocessing"].get(name)
        if (list(value) if isinstance(value, tuple) else value) != kept:
            verdict.different.append(
                f"{where}: the model's {name} is {value}, the manifest says {plain(str(kept))}."
            )
    if str(classifier.device) != said["device"]:
        verdict.notes.append(
            f"{where}: made on {plain(said['device'])}, computed again on {classifier.device}."
        )


def _compare_photo(
    found: Unpacked,
    exhibit: Json,
    classifier: Classifier,
    seen: Image.Image,
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
        photo = open_image(original)
    elif given and image is not None:
        photo = open_image(image)
    elif said["photo_exact"] and said["photo"] in found.files:
        photo = open_image(found.files[said["photo"]])
    else:
        verdict.notes.append(
            f"{where}: the photo is not here, so that only the part that the model saw could be "
            "checked: give the photo with --image."
        )
        return given
    region = None if said["region"] is None else Box(*said["region"])
    picture = Picture("", photo)
    try:
        picture = picture if region is None else picture.cropped(region)
    except SettingError as error:
        verdict.different.append(f"{where}: {error}")
        return given
    if list(photo.size) != said["size"]:
        verdict.different.append(
            f"{where}: the photo is {photo.width} × {photo.height}, the manifest says "
            f"{' × '.join(map(str, said['size']))}."
        )
    part = classifier.record.preprocessing.picture(photo, picture.region)
    off = np.abs(np.asarray(part, dtype=int) - np.asarray(seen, dtype=int))
    if off.any():
        verdict.different.append(
            f"{where}: what the model saw is not that part of the photo; it differs by up to "
            f"{off.max()} of 255 in {(off.max(axis=2) > 0).sum():,} pixels."
        )
    else:
        verdict.equal.append(f"{where}: the model saw that part of the photo.")
    return given
