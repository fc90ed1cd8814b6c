"""What a network's outputs mean: exclusive classes, independent labels, two outcomes, or a value.

Nothing here loads torch.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ..errors import SettingError

if TYPE_CHECKING:
    from torch import Tensor

HeadKind = Literal["softmax", "sigmoid", "binary", "value"]
HEAD_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)
ScoreKind = Literal["logit", "probability", "log_probability"]
SCORE_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)

_NOUNS = {"softmax": "class", "sigmoid": "label", "binary": "class", "value": "value"}
_FIRST = {
    "softmax": "predicted",
    "sigmoid": "most probable",
    "binary": "predicted",
    "value": "first",
}


@dataclass(frozen=True)
class Head:
    """How outputs become probabilities and answers.

    Attributes:
        kind: "softmax": classes exclude one another, and their probabilities sum to 1; "sigmoid":
            independent labels, each with a probability of its own; "binary": a network with one
            logit z, computed as the two outputs (-z, z), whose sigmoids sum to 1; "value": numbers
            with a unit, without probabilities.
        thresholds: of "sigmoid", the probability (0..1) from which a label holds: one for all
            labels, or one for each in order.
        unit: of "value", such as "years"; empty for a pure number.
    """

    kind: HeadKind = "softmax"
    thresholds: tuple[float, ...] = (0.5,)
    unit: str = ""

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class is the answer: the one with the largest output."""
        return self.kind in ("softmax", "binary")

    @property
    def has_probabilities(self) -> bool:
        """Whether an output has a probability."""
        return self.kind != "value"

    @property
    def scores(self) -> tuple[ScoreKind, ...]:
        """The scales on which an output can be explained."""
        return SCORE_KINDS if self.has_probabilities else ("logit",)

    def scale(self, kind: str) -> str:
        """A scale as people read it: "log probability"; of values always "value"."""
        return kind.replace("_", " ") if self.has_probabilities else "value"

    @property
    def signs(self) -> tuple[str, str]:
        """What numbers below and above zero say in a map of an output."""
        if self.has_probabilities:
            return "evidence against", "evidence for"
        return "lowers the value", "raises the value"

    @property
    def telling(self) -> ScoreKind:
        """The scale that says most to people: the probability, or the value itself."""
        return "probability" if self.has_probabilities else "logit"

    @property
    def measured(self) -> str:
        """What an output is measured in, for an axis: "probability", or "value (years)"."""
        if self.has_probabilities:
            return "probability"
        return f"value ({self.unit})" if self.unit else "value"

    @property
    def noun(self) -> str:
        """What one output is for."""
        return _NOUNS[self.kind]

    @property
    def first(self) -> str:
        """What a ranking puts first, in words: "predicted class", or "first value"."""
        return f"{_FIRST[self.kind]} {self.noun}"

    def threshold(self, index: int) -> float:
        """The probability from which a label holds."""
        return self.thresholds[index if len(self.thresholds) > 1 else 0]

    def holds(self, index: int, probability: float | None) -> bool:
        """Whether a label reaches its threshold."""
        return probability is not None and probability >= self.threshold(index)

    def probabilities(self, outputs: "Tensor") -> "Tensor":
        """Outputs (..., classes) -> probabilities (..., classes), 0..1; differentiable.

        Raises:
            SettingError: the outputs are values, which have none.
        """
        self._check_probabilities()
        return outputs.softmax(-1) if self.kind == "softmax" else outputs.sigmoid()

    def log_probabilities(self, outputs: "Tensor") -> "Tensor":
        """The natural logarithm of `probabilities`, computed without underflow.

        Raises:
            SettingError: the outputs are values, which have none.
        """
        self._check_probabilities()
        if self.kind == "softmax":
            return outputs.log_softmax(-1)
        from torch.nn.functional import logsigmoid

        return logsigmoid(outputs)

    def _check_probabilities(self) -> None:
        if not self.has_probabilities:
            raise SettingError(
                "This model gives values, which have no probability: leave the score out."
            )


SOFTMAX, VALUE = Head(), Head("value")


def assumed_head(outputs: int) -> Head:
    """What outputs are taken for if nobody says: one for a value, several for exclusive classes."""
    return VALUE if outputs == 1 else SOFTMAX
