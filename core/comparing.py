"""Scores and maps that were computed again, beside those that a bundle holds."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import Tensor

from core.attribution import Attribution
from core.baselines import PICTURE
from core.checking import is_rounding
from core.errors import BundleError, ImageError
from core.explainer import Explainer
from core.images import grey16, open_image
from core.manifest import Json, setting_from
from core.models import Classifier
from core.picture import Picture
from core.plain_captum import BY_COVERING, BY_GRADIENT, COVERING, difference
from core.preprocessing import Box
from core.scores import Question
from core.story import number
from core.text import plain
from core.unpacking import Unpacked, array

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
            off = abs(value - said[what])
            worst = max(worst, off if what == "logit" else 0.0)
            if not off <= limit:
                verdict.different.append(
                    f"{where}, scores: the {what} of {now.name} is {value:.6g}, the manifest says "
                    f"{said[what]:.6g}."
                )
    if len(verdict.different) == wrong:
        to = f"to {worst:.1e} logits" if worst else "bit by bit"
        verdict.equal.append(f"{where}: scores equal, {to}.")


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
    side = classifier.record.preprocessing.crop
    setting = setting_from(entry["method"], entry["settings"])
    question = Question(**{key: entry["question"][key] for key in ("target", "contrast", "kind")})
    question.check(len(classifier.class_names))
    baseline = str(entry["settings"].get("baseline", ""))
    if baseline.startswith(f"{PICTURE}:"):
        other = opened(found, str(entry.get("baseline_picture")), classifier)
        if other is None:
            verdict.different.append(f"{where}: the picture that was the baseline is missing.")
            return
        explainer.as_baseline(as_seen(other, baseline.partition(":")[2]))
    if entry["values"] not in found.files:
        verdict.different.append(f"{where}: the map is missing.")
        return
    kept = array(found.files[entry["values"]], np.float32, (side, side))
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
    if "agreement" in entry:  # older bundles do not say
        logits = explainer.logits(classifier, picture)
        _compare_agreement(made, entry["agreement"], logits, where, verdict)
    _compare_greys(entry, kept, found, where, verdict)
    if len(verdict.different) == before:
        verdict.equal.append(f"{where}: {_to(largest, mean)}.")


def _to(largest: float, mean: float) -> str:
    """How equal two maps are."""
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


def _compare_agreement(
    made: Attribution, said: Json | None, logits: Tensor, where: str, verdict: Verdict
) -> None:
    """How far the model's own scores were from the map's, beside what they are here.

    As rounding goes, since other machines round otherwise. How many windows the model itself
    computed is left: whoever saw other maps before had it compute more.
    """
    now = made.agreement
    if now is None and said is None:
        return
    if now is None or said is None:
        here, there = _windows(now and now.windows), _windows(said["windows"] if said else None)
        verdict.different.append(
            f"{where}: the model itself computed {here} again, the manifest says {there}."
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


def opened(found: Unpacked, name: str, classifier: Classifier) -> Image.Image | None:
    """A picture of the size that the model sees; None where it is missing."""
    if name not in found.files:
        return None
    image = open_image(found.files[name])
    side = classifier.record.preprocessing.crop
    if image.size != (side, side):
        raise BundleError(
            f"{plain(name)} in the bundle is {image.width} × {image.height} pixels, but the model "
            f"sees {side} × {side}: take the file as it was made."
        )
    return image


def as_seen(seen: Image.Image, name: str) -> Picture:
    """What the model saw, as a picture all of which it sees, unchanged."""
    return Picture(name, seen, region=Box(0, 0, *seen.size))
