"""A judgement of a map: what is judged, and what was found."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from core.attribution import Attribution
from core.faithfulness import Faithfulness, FaithfulnessSetting
from core.identity import identity
from core.infidelity import Infidelity
from core.models import Classifier
from core.picture import Picture
from core.randomisation import Randomisation
from core.sensitivity import Sensitivity
from core.settings import Setting

MEASURES = ("curves", "infidelity", "sensitivity", "randomisation")
"""In the order in which they are taken."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is known of a map's worth; a measure that is not there yet is None.

    Attributes:
        attribution: the map.
        setting: how it was judged.
        curves: deletion and insertion beside their controls.
        infidelity: whether its sums come true.
        randomisation: whether it follows the weights.
        sensitivity: whether it stands still under noise.
        seconds: time taken, without what was known before.
    """

    attribution: Attribution
    setting: FaithfulnessSetting
    curves: tuple[Faithfulness, ...] | None = None
    infidelity: Infidelity | None = None
    randomisation: Randomisation | None = None
    sensitivity: Sensitivity | None = None
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every measure is there."""
        return all(getattr(self, name) is not None for name in MEASURES)


class JudgementStep(NamedTuple):
    """A point on the way to a judgement.

    Attributes:
        done, total: forward passes, about; the judgement is complete when they are equal.
        snapshot: gives what is known of it.
    """

    done: int
    total: int
    snapshot: Callable[[], Judgement]


@dataclass(frozen=True, eq=False)
class Case:
    """A map that is to be judged, and what it was made of.

    Attributes:
        classifier, picture: the model and what it looked at.
        setting: of the map's method.
        attribution: the map.
    """

    classifier: Classifier
    picture: Picture
    setting: Setting
    attribution: Attribution

    @property
    def size(self) -> tuple[int, int]:
        """Of the model's input, (H, W)."""
        height, width = self.attribution.values.shape
        return height, width

    @property
    def scene(self) -> Hashable:
        """Stands for model and picture."""
        return identity(self.classifier), self.picture.key
