"""The contents of a bundle: exhibits, each a picture, a model and their attribution maps.

Several exhibits, of several pictures or models, make a comparison, in which maps of the same title
share their scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..drawing.readout import Readout, readout
from ..drawing.rendering import Display, scale
from ..engine.watched_layers import Layer
from ..errors import SettingError
from ..explaining.explainer import Explainer
from ..methods.attribution import Attribution
from ..methods.baselines import PICTURE
from ..methods.cam_methods import ChannelCamSetting, GradCamSetting
from ..methods.cover_methods import OcclusionSetting, PatchSetting
from ..methods.scores import Question
from ..methods.settings import Setting, baseline_of
from ..models.classifiers import Classifier, ClassScore
from ..pictures.channels import PHOTOS
from ..pictures.label_image import Region
from ..pictures.picture import Picture
from ..pictures.preprocessing import Box, Preprocessing

MOST_EXHIBITS, MOST_MAPS = 8, 24
_TOP = 5


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A picture, a model, and the maps to be computed.

    Attributes:
        classifier, picture: the model and its input.
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
        patches: int (H, W), of a method that covers superpixels.
        layers: that a CAM looked at, by name.
        read: the map as a pointer reads it.
        baseline: the other picture, as the model sees it, if that was the baseline; as numbers
            (H, W, C), float32, where 8 bits do not say all of it.
        trust: how far to trust it, as JSON types.
        regions: what the patches are called, where they are regions of a label image.
    """

    title: str
    setting: Setting
    attribution: Attribution
    stem: str
    ends: tuple[float, float]
    read: Readout
    patches: np.ndarray | None = None
    layers: Mapping[str, Layer] = field(default_factory=dict)
    baseline: Image.Image | np.ndarray | None = None
    trust: Mapping[str, Any] | None = None
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, eq=False)
class Shown:
    """An exhibit with everything computed.

    Attributes:
        exhibit: what was asked.
        seen: the model's input before normalisation, RGB.
        pixels: the same as (H, W, C), where the picture has other channels than a photo's.
        ranking: the most probable classes.
        plates: the maps.
    """

    exhibit: Exhibit
    seen: Image.Image
    ranking: tuple[ClassScore, ...]
    plates: tuple[Plate, ...]
    pixels: np.ndarray | None = None

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
        seen = exhibit.picture.as_seen(preprocessing)
        plates = [
            _plate(
                explainer,
                exhibit,
                title,
                attribution,
                f"{number}-{place}-{exhibit.maps[title][0].name}",
                ends[_scale_key(title, attribution, same_scale)],
            )
            for place, (title, attribution) in enumerate(maps.items(), 1)
        ]
        logits = explainer.logits(exhibit.classifier, exhibit.picture)
        ranking = exhibit.classifier.ranking(logits, min(_TOP, len(logits)))
        shown.append(Shown(exhibit, seen.image, ranking, tuple(plates), seen.pixels))
    return shown


def _scale_key(title: str, attribution: Attribution, same_scale: bool) -> tuple[str, str]:
    """Maps with the same key share a scale."""
    return ("" if same_scale else title), attribution.units


def _plate(
    explainer: Explainer,
    exhibit: Exhibit,
    title: str,
    attribution: Attribution,
    stem: str,
    ends: tuple[float, float],
) -> Plate:
    setting = exhibit.maps[title][0]
    survey = patches = other = None
    layers: Mapping[str, Layer] = {}
    if isinstance(setting, OcclusionSetting):
        survey = explainer.survey(exhibit.classifier, exhibit.picture, setting)
    regions: tuple[Region, ...] = ()
    if isinstance(setting, PatchSetting):
        patches = explainer.survey(exhibit.classifier, exhibit.picture, setting).patches
        if setting.regions:
            _, regions = explainer.regions(exhibit.classifier, exhibit.picture, setting.regions)
    if isinstance(setting, GradCamSetting | ChannelCamSetting):
        layers = explainer.looked_at(exhibit.classifier, exhibit.picture, setting)
    baseline = baseline_of(setting)
    if baseline.startswith(f"{PICTURE}:"):
        tensor = explainer.baseline(exhibit.classifier, exhibit.picture, baseline)
        other = _kept(exhibit.classifier.record.preprocessing, tensor)
    return Plate(
        title,
        setting,
        attribution,
        stem,
        ends,
        readout(attribution, survey, exhibit.classifier.class_names),
        patches,
        layers,
        other,
        exhibit.trust.get(title),
        regions,
    )


def _kept(preprocessing: Preprocessing, tensor: Tensor) -> Image.Image | np.ndarray:
    """A model's input (1, C, H, W) as a picture, where that says all of it, or as numbers."""
    if preprocessing.channels in PHOTOS:
        image = preprocessing.image(tensor)
        if preprocessing.tensor(image, Box(0, 0, *image.size)).equal(tensor.cpu()):
            return image
    return preprocessing.undone(tensor).astype(np.float32)
