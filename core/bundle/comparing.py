"""Compares recomputed scores and maps with those in a bundle."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from ..drawing.sentences import number
from ..engine.agreement import is_rounding
from ..errors import BundleError, ImageError
from ..explaining.explainer import Explainer
from ..files.untrusted import UnfoldingError, read_array
from ..methods.attribution import Attribution
from ..methods.baselines import PICTURE
from ..methods.cover_methods import MOST_REGIONS, PatchSetting
from ..methods.scores import Question
from ..models.classifiers import Classifier
from ..pictures.channels import as_pixels, view
from ..pictures.images import digest, grey16, open_image
from ..pictures.label_image import LabelImage
from ..pictures.picture import Picture
from ..pictures.preprocessing import Box
from ..text import plain
from .manifest import Json, setting_from
from .plain_captum import BY_COVERING, BY_GRADIENT, COVERING, difference
from .unpacking import Unpacked, array

SCORE_LIMIT = 1e-3
"""Logits that differ by less are called equal, and probabilities that differ by a tenth of it."""

Report = Callable[[str], object]


@dataclass
class Verdict:
    """What a check found.

    Attributes:
        equal: sentences on what was computed again and is the same.
        different: sentences on what is not, where, and by how much; none if the bundle is right.
        notes: what could not be checked, or is different without being wrong.
    """

    equal: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_scores(
    explainer: Explainer,
    classifier: Classifier,
    picture: Picture,
    top: list[Json],
    where: str,
    verdict: Verdict,
) -> None:
    """The most probable classes, and their logits and probabilities."""
    logits = explainer.logits(classifier, picture)
    ranking = classifier.ranking(logits, min(len(top), len(logits)))
    worst, wrong = 0.0, len(verdict.different)
    for rank, (now, said) in enumerate(zip(ranking, top, strict=False), 1):
        if (now.index, now.name) != (said["index"], said["name"]):
            verdict.different.append(
                f"{where}, scores: number {rank} is {now.name}, the manifest says "
                f"{plain(said['name'])} ({said['index']})."
            )
            continue
        for what, value, limit in (
            ("logit", now.logit, SCORE_LIMIT),
            ("probability", now.probability, SCORE_LIMIT / 10),
        ):
            if value is None or said[what] is None:  # of values there are no probabilities
                off = 0.0 if value == said[what] else math.inf
            else:
                off = abs(value - said[what])
            worst = max(worst, off if what == "logit" else 0.0)
            if not off <= limit:
                verdict.different.append(
                    f"{where}, scores: the {classifier.head.scale(what)} of {now.name} is "
                    f"{_figure(value)}, the manifest says {_figure(said[what])}."
                )
    if len(verdict.different) == wrong:
        units = Question(0, head=classifier.head).units
        to = f"to {worst:.1e} {units}" if worst else "bit by bit"
        verdict.equal.append(f"{where}: scores equal, {to}.")


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def compare_map(
    explainer: Explainer,
    classifier: Classifier,
    picture: Picture,
    entry: Json,
    found: Unpacked,
    where: str,
    verdict: Verdict,
    report: Report,
) -> None:
    """A map's pixels, and what the manifest says of it; ``where`` names the picture and model.

    Raises:
        BundleError: the map is not of the size that it should be.
        SettingError: there is no such method, setting or class.
    """
    where = f"{where}, {plain(entry['title'])}"
    setting = setting_from(entry["method"], entry["settings"])
    asked = {key: entry["question"][key] for key in ("target", "contrast", "kind")}
    question = Question(**asked, head=classifier.head)
    question.check(len(classifier.class_names))
    baseline = str(entry["settings"].get("baseline", ""))
    if baseline.startswith(f"{PICTURE}:"):
        other = opened(found, str(entry.get("baseline_picture")), classifier)
        if other is None:
            verdict.different.append(f"{where}: the picture that was the baseline is missing.")
            return
        explainer.as_baseline(replace(other, sha256=baseline.partition(":")[2]))
    if isinstance(setting, PatchSetting) and setting.regions:
        size = classifier.record.preprocessing.size
        labels = _labels(found, str(entry.get("patches")), size, setting.regions)
        if labels is None:
            verdict.different.append(f"{where}: the regions are missing.")
            return
        explainer.as_regions(labels)
    if entry["values"] not in found.files:
        verdict.different.append(f"{where}: the map is missing.")
        return
    kept = array(found.files[entry["values"]], np.float32, classifier.record.preprocessing.size)
    for step in explainer.steps(classifier, picture, setting, question):
        report(f"{plain(entry['title'])}: {step.done:,} of {step.total:,} passes")
    made = step.snapshot()
    before = len(verdict.different)
    limits = BY_COVERING if entry["method"] in COVERING else BY_GRADIENT
    largest, mean = difference(made.values, kept)
    if not (largest <= limits[0] and mean <= limits[1]):
        off = np.abs(made.values - kept)
        row, column = np.unravel_index(int(off.argmax()), off.shape)
        beyond = (off > limits[0] * np.abs(kept).max()).mean()
        verdict.different.append(
            f"{where}: the map differs by up to {number(float(off.max()))} {made.units}, at row "
            f"{row}, column {column}; {100 * beyond:.1f} % of its pixels are off by more than "
            f"{100 * limits[0]:g} % of its largest value, all together by {100 * mean:.2g} %."
        )
    _compare_numbers(made, entry, classifier, where, verdict)
    if made.errors is not None:
        _compare_errors(made.errors, entry, found, where, verdict)
    if "agreement" in entry:  # older bundles do not say
        logits = explainer.logits(classifier, picture)
        _compare_agreement(made, entry["agreement"], logits, where, verdict)
    _compare_greys(entry, kept, found, where, verdict)
    if len(verdict.different) == before:
        verdict.equal.append(f"{where}: {_to(largest, mean)}.")


def _to(largest: float, mean: float) -> str:
    """How far two maps agree, in words."""
    if not largest:
        return "equal, bit by bit"
    return f"equal, to {largest:.1e} of its largest value and {mean:.1e} of all together"


def _compare_numbers(
    made: Attribution, entry: Json, classifier: Classifier, where: str, verdict: Verdict
) -> None:
    """What the manifest says of a map besides its pixels."""
    names = classifier.class_names
    contrast = None if made.contrast is None else names[made.contrast]
    for what, value, said in (
        ("target_name", names[made.target], entry["target_name"]),
        ("contrast_name", contrast, entry.get("contrast_name")),
        ("units", made.units, entry["units"]),
    ):
        if value != said:
            verdict.different.append(f"{where}: {what} is {value}, not {plain(str(said))}.")
    scale = max(abs(made.change or 0.0), 1e-6)
    for what, now, said, limit in (
        ("score_change", made.change, entry["score_change"], 1e-3 * scale),
        ("completeness_gap", made.gap, entry["completeness_gap"], BY_GRADIENT[1] * scale),
    ):
        if (now is None) != (said is None) or (
            now is not None and said is not None and not abs(now - said) <= limit
        ):
            verdict.different.append(f"{where}: {what} is {now}, the manifest says {said}.")


def _labels(found: Unpacked, file: str, size: tuple[int, int], name: str) -> LabelImage | None:
    """The regions of a map as the model saw them, under the name of the label image.

    Raises:
        BundleError: they are none of ours.
    """
    if file not in found.files:
        return None
    labels = array(found.files[file], np.int64, size)
    if labels.min() < 0 or not 1 <= labels.max() <= MOST_REGIONS:
        raise BundleError("The regions in the bundle are damaged: take the bundle as it was made.")
    keys = tuple(str(number) for number in range(1, int(labels.max()) + 1))
    return LabelImage(name.partition(":")[2], labels.astype(np.uint16), keys)


def _compare_errors(
    errors: np.ndarray, entry: Json, found: Unpacked, where: str, verdict: Verdict
) -> None:
    """The standard errors of a map's values."""
    name = str(entry.get("standard_errors"))
    if name not in found.files:
        verdict.different.append(f"{where}: the standard errors are missing.")
        return
    kept = array(found.files[name], np.float32, errors.shape)
    largest, mean = difference(errors, kept)
    if not (largest <= BY_COVERING[0] and mean <= BY_COVERING[1]):
        verdict.different.append(
            f"{where}: the standard errors differ by up to {100 * largest:.2g} % of the largest."
        )


def _compare_agreement(
    made: Attribution, said: Json | None, logits: Tensor, where: str, verdict: Verdict
) -> None:
    """How far the model's own scores were from the map's, beside what they are here.

    Up to rounding, which differs between machines. The number of recomputed windows is not
    compared: it depends on which maps were computed before.
    """
    now = made.agreement
    if now is None and said is None:
        return
    if now is None or said is None:
        here, there = _windows(now and now.windows), _windows(said["windows"] if said else None)
        verdict.different.append(
            f"{where}: the model itself recomputed {here}, the manifest says {there}."
        )
        return
    off = abs(now.difference - said["difference"])
    if not (off <= SCORE_LIMIT or is_rounding(off, logits, logits.dtype)):
        verdict.different.append(
            f"{where}: the model's own scores differ from the map's by {now.difference:.1e}, the "
            f"manifest says by {said['difference']:.1e}."
        )


def _windows(count: int | None) -> str:
    return f"{count} of its windows" if count else "none of its windows"


def _compare_greys(
    entry: Json, kept: np.ndarray, found: Unpacked, where: str, verdict: Verdict
) -> None:
    """Whether the map's 16-bit picture and its scale say the same as its numbers."""
    grey = entry["grey16"]
    if grey["file"] not in found.files:
        verdict.different.append(f"{where}: {plain(grey['file'])} is missing.")
        return
    height, width = kept.shape
    try:
        pixels = grey16(found.files[grey["file"]], (width, height))
    except ImageError as error:
        raise BundleError(
            f"{plain(grey['file'])} in the bundle is not the picture of a map: take the file as "
            "it was made."
        ) from error
    share = np.frombuffer(pixels, "<u2").reshape(kept.shape) / 65535
    span = grey["white"] - grey["black"]
    off = float(np.abs(grey["black"] + span * share - kept).max())
    if off > abs(span) / 65535 + 1e-6 * float(np.abs(kept).max()):
        verdict.different.append(
            f"{where}: its 16-bit picture says something else, by up to {number(off)}."
        )


def opened(found: Unpacked, name: str, classifier: Classifier) -> Picture | None:
    """What the model saw, as a picture all of which it sees, unchanged; None where it is missing.

    Raises:
        BundleError: it is of another size than the model's input, or no array of its channels.
        ImageError: it cannot be opened.
    """
    if name not in found.files:
        return None
    height, width = classifier.record.preprocessing.size
    if name.endswith(".npy"):
        pixels = _pixels(found.files[name], classifier.record.preprocessing.shape, name)
        whole = Box(0, 0, width, height)
        return Picture(
            digest(pixels.tobytes()), view(pixels), region=whole, pixels=pixels, is_photo=False
        )
    image = open_image(found.files[name])
    if image.size != (width, height):
        raise BundleError(
            f"{plain(name)} in the bundle is {image.width} × {image.height} pixels, but the model "
            f"sees {width} × {height}: take the file as it was made."
        )
    return Picture(digest(image.tobytes()), image, region=Box(0, 0, width, height))


def _pixels(data: bytes, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """The pixels (H, W, C) in a file, for an input of this shape (C, H, W)."""
    try:
        found = read_array(data)
        if found.dtype.name not in ("uint8", "float32") or found.shape != (*shape[1:], shape[0]):
            raise ValueError(f"it is {found.dtype} {found.shape}")
        return as_pixels(found)
    except (UnfoldingError, ValueError, ImageError) as error:
        raise BundleError(
            f"{plain(name)} in the bundle is not the {shape[1]} × {shape[2]} × {shape[0]} numbers "
            "that it should be: take the file as it was made."
        ) from error
