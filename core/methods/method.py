"""What the program knows of an attribution method: `Method`, an entry of the registry."""

from dataclasses import dataclass
from typing import Literal, get_args

from .settings import Setting

Group = Literal["cover", "gradients", "inside", "black_box"]
GROUPS: dict[Group, tuple[str, str]] = {
    "cover": ("Cover a part", "What does the score lose when a part of the picture is covered?"),
    "gradients": ("Gradients", "Which pixels would change the score, or have changed it?"),
    "inside": ("Inside the network", "What do the network's own layers look at for this target?"),
    "black_box": ("Black box", "Which parts does the score need, from answers alone?"),
}
"""Title of each group of methods, and the question that its methods answer."""
NEED_GRADIENTS: tuple[Group, ...] = ("gradients", "inside")
"""Groups whose methods need more of a network than its scores."""
Part = Literal["target", "contrast", "score"]
"""A part of the question that a map answers; the score's is its kind."""

UNITLESS = "no unit"
"""The unit of maps whose values have none, so that no two of them can share a scale."""


@dataclass(frozen=True)
class Method:
    """A method that can be chosen.

    Attributes:
        title: for people.
        setting: what it starts with.
        reading: what a pixel's value means; "{score}" stands for the explained score.
        group: of methods that answer one question; a key of `GROUPS`.
        papers: BibTeX keys of `core.bundle.citations`.
        compute: the function that makes the map of a question, from `core.methods.request.Asked`
            and the setting; for surveys (`SurveySetting`) the one that `survey_of` calls.
        why_none: the function that says why a network (`IncrementalNetwork`, inputs) cannot have
            the method, as the end of a sentence, or None if it can; empty if every network can.
        unit: of the values; "{}" stands for the unit of the score.
        coarse: whether whole windows, patches or places of a layer share a value.
        sign: whether values are for and against the class, only for it, or only sizes.
        adds_up: whether the values sum to the change of the score from the baseline or, without
            one, to the score (completeness).
        may_be_zero: whether a map of zeros is an answer.
        asks: the parts of the question that the map depends on; without any, it is the same for
            every class.
    """

    title: str
    setting: Setting
    reading: str
    group: Group
    papers: tuple[str, ...]
    compute: str
    why_none: str = ""
    unit: str = "{}"
    coarse: bool = False
    sign: Literal["signed", "positive", "unsigned"] = "signed"
    adds_up: bool = False
    may_be_zero: bool = False
    asks: tuple[Part, ...] = get_args(Part)
