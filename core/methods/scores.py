"""The explained score: target class, contrast class and kind (logit, probability, ...).

All methods explain the same score: that of the target, or the score of the target minus that of the
contrast. Page, files and command line use the same names.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from ..errors import SettingError
from ..models.heads import SCORE_KINDS as SCORE_KINDS
from ..models.heads import SOFTMAX, Head
from ..models.heads import ScoreKind as ScoreKind
from ..text import plain

if TYPE_CHECKING:
    from torch import Tensor  # what can be asked is known without torch

UNITS: dict[ScoreKind, str] = {
    "logit": "logits",
    "probability": "probability",
    "log_probability": "nats",
}


@dataclass(frozen=True)
class Question:
    """The explained score: that of ``target``, minus that of ``contrast`` if given.

    Attributes:
        target: index of a class.
        contrast: index of another class, or None.
        kind: the scale. Logits are the network's raw outputs; probability is what the head makes
            of them (0..1), by default their softmax; log_probability its natural logarithm.
        head: what the network's outputs mean.
    """

    target: int
    contrast: int | None = None
    kind: ScoreKind = "logit"
    head: Head = SOFTMAX

    def check(self, classes: int) -> "Question":
        """Return self if it can be asked of a network with so many outputs.

        Raises:
            SettingError: a class or kind that does not exist, or the contrast is the target.
        """
        for role, index in (("target", self.target), ("contrast", self.contrast)):
            if index is None and role == "contrast":
                continue
            noun = self.head.noun
            if isinstance(index, bool) or not isinstance(index, Integral):
                raise SettingError(
                    f"The {role} is {index!r}: give the index of a {noun}, a whole number between "
                    f"0 and {classes - 1}."
                )
            if not 0 <= index < classes:
                raise SettingError(
                    f"The {role} is {noun} {index}: choose one between 0 and {classes - 1}."
                )
        if self.contrast == self.target:
            raise SettingError(self._same(classes))
        if self.kind not in self.head.scores:
            if self.head.has_probabilities:
                choice = ", ".join(self.head.scores)
                raise SettingError(f'There is no score "{self.kind}": choose one of {choice}.')
            raise SettingError(
                f"This model gives values, which have no {plain(self.kind).replace('_', ' ')}: "
                "leave the score out, and the value itself is explained."
            )
        if self.contrast is not None and self.head.kind == "binary":
            raise SettingError("This model has one logit: leave the contrast out.")
        return self

    def _same(self, outputs: int) -> str:
        noun = self.head.noun
        if outputs == 1:
            return f"This model gives one {noun}, and nothing to contrast it with: leave it out."
        return f"Target and contrast are the same {noun}: choose two that differ."

    @property
    def scale(self) -> str:
        """The kind of score as people read it, such as "logit", or of values "value"."""
        return self.head.scale(self.kind)

    @property
    def units(self) -> str:
        """What one unit of the score is; a value's own, such as years."""
        return self.head.unit or "units" if self.head.kind == "value" else UNITS[self.kind]

    def record(self) -> dict[str, int | str | None]:
        """Target, contrast and kind as JSON types; the head is told by the model's record."""
        return {"target": self.target, "contrast": self.contrast, "kind": self.kind}

    def of_class(self, target: int) -> "Question":
        """The most telling scale for one class alone: its probability, or where none, its value."""
        return Question(target, None, self.head.telling, self.head)

    def scores(self, logits: "Tensor") -> "Tensor":
        """Logits (N, classes) -> the asked score of each row (N,); differentiable."""
        values = logits
        if self.kind == "probability":
            values = self.head.probabilities(logits)
        elif self.kind == "log_probability":
            values = self.head.log_probabilities(logits)
        asked = values[:, self.target]
        return asked if self.contrast is None else asked - values[:, self.contrast]
