"""What tells loaded models, the origin of maps, and the costs of passes apart."""

import math
from collections.abc import Callable, Hashable
from dataclasses import replace

from core.attribution import Attribution, Provenance
from core.models import Classifier
from core.picture import Picture
from core.settings import OcclusionSetting, Setting, SuperpixelSetting, parameters


def identity(classifier: Classifier) -> tuple[Hashable, ...]:
    """What tells one loaded model from another.

    Weights alone do not: an operator may say how they are to be used, and change it.
    """
    record = classifier.record
    device = str(classifier.device)
    return record.name, classifier.weights_sha256, device, record.preprocessing, record.network


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
    if not isinstance(setting, OcclusionSetting):
        return [(model, "patches" if isinstance(setting, SuperpixelSetting) else "gradients")]
    window = setting.window
    alike = range(math.ceil(window / 1.5), int(window * 1.5) + 1)
    return [(model, size) for size in sorted(alike, key=lambda size: abs(size - window))]
