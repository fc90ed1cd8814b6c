"""What a bundle shows: pictures before models, and the maps that were asked of them.

One exhibit is a picture, a model and maps; two of them, of two pictures or two models, are a
comparison, and then maps of the same title share their scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from core.attribution import Attribution
from core.baselines import PICTURE
from core.errors import SettingError
from core.explainer import Explainer
from core.models import Classifier, ClassScore
from core.picture import Picture
from core.readout import Readout, readout
from core.rendering import Display, scale
from core.scores import Question
from core.settings import (
    GradCamSetting,
    OcclusionSetting,
    Setting,
    SuperpixelSetting,
    baseline_of,
    method_name,
)
from core.superpixels import superpixels

MOST_EXHIBITS, MOST_MAPS = 8, 24
_TOP = 5


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A picture, a model, and the maps that are asked of them.

    Attributes:
        classifier, picture: what looks at what.
        maps: setting and question by title.
        name: of the picture, for people.
        trust: how far to trust each map, by title, as JSON types; not every map needs one.
        original: the picture's file as it was, if it is to be handed on with all that it says of
            place and camera; its sha256 is the picture's.
    """

    classifier: Classifier
    picture: Picture
    maps: Mapping[str, tuple[Setting, Question]]
    name: str = "picture"
    trust: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    original: bytes | None = None


@dataclass(frozen=True, eq=False)
class Plate:
    """A finished map, and what is needed to draw it and to make it again.

    Attributes:
        title, setting, attribution: what it is.
        stem: of its files' names.
        ends: the numbers at the ends of its colour bar.
        patches: int (H, W), of a superpixel ablation.
        layer: that Grad-CAM looked at.
        read: the map as a pointer reads it.
        baseline: the other picture, as the model sees it, if that was the baseline.
        trust: how far to trust it, as JSON types.
    """

    title: str
    setting: Setting
    attribution: Attribution
    stem: str
    ends: tuple[float, float]
    read: Readout
    patches: np.ndarray | None = None
    layer: str | None = None
    baseline: Image.Image | None = None
    trust: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """An exhibit with everything computed.

    Attributes:
        exhibit: what was asked.
        seen: the model's input before normalisation, RGB.
        ranking: the most probable classes.
        plates: the maps.
    """

    exhibit: Exhibit
    seen: Image.Image
    ranking: tuple[ClassScore, ...]
    plates: tuple[Plate, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the model."""
        return self.exhibit.classifier.class_names


def gather(
    explainer: Explainer, exhibits: Sequence[Exhibit], display: Display, same_scale: bool
) -> list[Shown]:
    """Compute what is not known yet, and fix the scales.

    Args:
        explainer: computes and remembers.
        exhibits: at least one, each with at least one map.
        display: how maps are shown.
        same_scale: whether all maps in the same units share one scale; else only those of the same
            title in several exhibits do.

    Raises:
        SettingError: there is nothing to show, or too much.
    """
    counts = [len(exhibit.maps) for exhibit in exhibits]
    if not 1 <= len(exhibits) <= MOST_EXHIBITS or not all(1 <= n <= MOST_MAPS for n in counts):
        raise SettingError(
            f"A bundle holds 1 to {MOST_EXHIBITS} pictures or models, each with 1 to {MOST_MAPS} "
            "maps: choose as many."
        )
    made = [
        {
            title: explainer.attribution(exhibit.classifier, exhibit.picture, *asked)
            for title, asked in exhibit.maps.items()
        }
        for exhibit in exhibits
    ]
    together: dict[tuple[str, str], list[np.ndarray]] = {}
    for maps in made:
        for title, attribution in maps.items():
            key = _scale_key(title, attribution, same_scale)
            together.setdefault(key, []).append(attribution.values)
    ends = {key: scale(values, display) for key, values in together.items()}
    shown = []
    for number, (exhibit, maps) in enumerate(zip(exhibits, made, strict=True), 1):
        preprocessing = exhibit.classifier.record.preprocessing
        seen = preprocessing.picture(exhibit.picture.image, exhibit.picture.region)
        plates = [
            _plate(
                explainer,
                exhibit,
                seen,
                title,
                attribution,
                f"{number}-{place}-{method_name(exhibit.maps[title][0])}",
                ends[_scale_key(title, attribution, same_scale)],
            )
            for place, (title, attribution) in enumerate(maps.items(), 1)
        ]
        logits = explainer.logits(exhibit.classifier, exhibit.picture)
        ranking = exhibit.classifier.ranking(logits, min(_TOP, len(logits)))
        shown.append(Shown(exhibit, seen, ranking, tuple(plates)))
    return shown


def _scale_key(title: str, attribution: Attribution, same_scale: bool) -> tuple[str, str]:
    """Maps with the same key share a scale."""
    return ("" if same_scale else title), attribution.units


def _plate(
    explainer: Explainer,
    exhibit: Exhibit,
    seen: Image.Image,
    title: str,
    attribution: Attribution,
    stem: str,
    ends: tuple[float, float],
) -> Plate:
    setting = exhibit.maps[title][0]
    survey = patches = layer = other = None
    if isinstance(setting, OcclusionSetting):
        survey = explainer.survey(exhibit.classifier, exhibit.picture, setting)
    if isinstance(setting, SuperpixelSetting):
        patches = superpixels(seen, setting.segments)
    if isinstance(setting, GradCamSetting):
        layer = setting.layer or explainer.layers(exhibit.classifier, exhibit.picture)[-1]
    baseline = baseline_of(setting)
    if baseline.startswith(f"{PICTURE}:"):
        tensor = explainer.baseline(exhibit.classifier, exhibit.picture, baseline)
        other = exhibit.classifier.record.preprocessing.image(tensor)
    return Plate(
        title,
        setting,
        attribution,
        stem,
        ends,
        readout(attribution, survey, exhibit.classifier.class_names),
        patches,
        layer,
        other,
        exhibit.trust.get(title),
    )
