"""Records of the trust measures of a map: `Case`, `Judgement` and `JudgementStep`."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from ..methods.attribution import Attribution
from ..methods.given_setting import GIVEN
from ..methods.identity import identity
from ..methods.settings import Setting
from ..models.classifiers import Classifier
from ..pictures.picture import Picture
from .faithfulness import Faithfulness
from .infidelity import Infidelity
from .randomisation import Randomisation
from .sensitivity import Sensitivity
from .settings import FaithfulnessSetting

MEASURES = ("curves", "infidelity", "sensitivity", "randomisation")
"""In the order in which they are taken."""
_FROM_VALUES = ("curves", "infidelity")


def measures_of(attribution: Attribution) -> tuple[str, ...]:
    """The measures that can be taken of a map, of `MEASURES`.

    A map made elsewhere cannot be made again, as weight randomisation and noise stability need it.
    Infidelity needs to know where zero is, which a map of known order alone does not say.
    """
    if attribution.method != GIVEN:
        return MEASURES
    return _FROM_VALUES[:1] if attribution.parameters["order_only"] else _FROM_VALUES


@dataclass(frozen=True, eq=False)
class Judgement:
    """The trust measures of a map; None for a measure that has not been taken yet.

    Attributes:
        attribution: the map.
        setting: how it was judged.
        curves: deletion and insertion curves with their controls.
        infidelity: how well sums of the map predict drops of the score.
        randomisation: how much it changes when the weights are randomised.
        sensitivity: how much it changes under input noise.
        seconds: computing time, without results that were known before.
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
        """Whether every measure that can be taken of the map has been taken."""
        return all(getattr(self, name) is not None for name in measures_of(self.attribution))


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
    """A map that is to be judged, with its model, picture and setting.

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
