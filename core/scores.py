"""The number that is explained: which class, against which, and on which scale.

One vocabulary for the page, the files and the command line. All methods explain the same score:
that of a target class, or the score of the target minus that of a contrast class.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal, get_args

from torch import Tensor

from core.errors import SettingError

ScoreKind = Literal["logit", "probability", "log_probability"]
SCORE_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)

UNITS: dict[ScoreKind, str] = {
    "logit": "logits",
    "probability": "probability",
    "log_probability": "nats",
}


@dataclass(frozen=True)
class Question:
    """What is asked of the model: the score of ``target``, less that of ``contrast`` if given.

    Attributes:
        target: index of a class.
        contrast: index of another class, or None.
        kind: the scale. Logits are the network's raw outputs; probability is their softmax (0..1);
            log_probability its natural logarithm.
    """

    target: int
    contrast: int | None = None
    kind: ScoreKind = "logit"

    def check(self, classes: int) -> "Question":
        """Return self if it can be asked of a network with so many outputs.

        Raises:
            SettingError: a class or kind that does not exist, or the contrast is the target.
        """
        for role, index in (("target", self.target), ("contrast", self.contrast)):
            if index is None and role == "contrast":
                continue
            if isinstance(index, bool) or not isinstance(index, Integral):
                raise SettingError(
                    f"The {role} is {index!r}: give the index of a class, a whole number between 0 "
                    f"and {classes - 1}."
                )
            if not 0 <= index < classes:
                raise SettingError(
                    f"The {role} is class {index}: choose one between 0 and {classes - 1}."
                )
        if self.contrast == self.target:
            raise SettingError("Target and contrast are the same class: choose two that differ.")
        if self.kind not in SCORE_KINDS:
            raise SettingError(
                f'There is no score "{self.kind}": choose one of {", ".join(SCORE_KINDS)}.'
            )
        return self

    def scores(self, logits: Tensor) -> Tensor:
        """Logits (N, classes) -> the asked score of each row (N,); differentiable."""
        values = logits
        if self.kind == "probability":
            values = logits.softmax(-1)
        elif self.kind == "log_probability":
            values = logits.log_softmax(-1)
        asked = values[:, self.target]
        return asked if self.contrast is None else asked - values[:, self.contrast]
