"""Cache keys of loaded models, the provenance of maps, and keys for the cost of passes."""

import math
from collections.abc import Callable, Hashable
from dataclasses import replace

from ..models.classifiers import Classifier
from ..pictures.picture import Picture
from .attribution import Attribution, Provenance
from .cam_methods import ChannelCamSetting
from .cover_methods import OcclusionSetting, RegionSetting, SuperpixelSetting
from .given_setting import GIVEN, GivenSetting
from .settings import Setting, SurveySetting, parameters


def identity(classifier: Classifier) -> tuple[Hashable, ...]:
    """What tells one loaded model from another.

    Weights alone do not: an operator may say how they are to be used, and change it.
    """
    record = classifier.record
    device = str(classifier.device)
    how = record.preprocessing, record.network, record.head, *([record.code] if record.code else ())
    return record.name, classifier.weights_sha256, device, *how


def provenance_of(classifier: Classifier, picture: Picture) -> Provenance:
    """Which model and picture a map belongs to."""
    return Provenance(
        classifier.record.name,
        classifier.weights_sha256,
        picture.sha256,
        str(classifier.device),
        picture.region,
    )


def signed(
    snapshot: Callable[[], Attribution], setting: Setting, provenance: Provenance
) -> Attribution:
    """A snapshot that says which picture, model and named settings it belongs to."""
    made = snapshot()
    return replace(
        made, parameters={**made.parameters, **parameters(setting)}, provenance=provenance
    )


def kinds(classifier: Classifier, setting: Setting) -> list[Hashable]:
    """What decides how long a pass takes; then, nearest first, what stands in until it is measured.

    A pass takes longer with a larger window: one of half the size would be a bad guess.
    """
    model = identity(classifier)
    if isinstance(setting, GivenSetting):
        return [(model, GIVEN)]
    if isinstance(setting, ChannelCamSetting):
        return [(model, setting.kind, setting.layer)]
    if isinstance(setting, SuperpixelSetting):
        return [(model, "patches")]
    if not isinstance(setting, OcclusionSetting):
        whole = isinstance(setting, SurveySetting | RegionSetting)  # forward passes alone
        return [(model, "pictures" if whole else "gradients")]
    window = setting.window
    alike = range(math.ceil(window / 1.5), int(window * 1.5) + 1)
    return [(model, size) for size in sorted(alike, key=lambda size: abs(size - window))]
