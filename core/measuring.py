"""The measures of a map, one after the other: the work of judging, without what is remembered."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from core.faithfulness import (
    FaithfulnessSetting,
    control_steps,
    curve_steps,
    faithfulness,
    order_of,
)
from core.infidelity import infidelity, square_steps
from core.quick import Asking, quick_map
from core.randomisation import Networks, randomisation_steps
from core.scores import Question
from core.sensitivity import sensitivity_steps

Parts = Generator[int, None, None]


@dataclass(frozen=True, eq=False)
class Subject:
    """A map that is judged, with the network and the input that it was made of.

    Attributes:
        module: float32 (N, C, H, W) -> logits (N, classes).
        inputs: float32 (1, C, H, W).
        asking: how the map was made.
        values: the map, float32 (H, W).
        how: it is judged.
        reveal: what covered pixels become for the curves, (1, C, H, W).
        networks: the network with random layers.
    """

    module: nn.Module
    inputs: Tensor
    asking: Asking
    values: np.ndarray
    how: FaithfulnessSetting
    reveal: Tensor
    networks: Networks


def measure(subject: Subject, found: dict[str, Any]) -> Parts:
    """Take every measure that is missing, yielding after each batch how many passes it took.

    Args:
        subject: what is judged.
        found: measures by their names in `core.judgement.Judgement`, which are added as they are
            taken; and what maps of one picture can share: ``controls`` of the curves and
            ``squares`` that were covered.

    Raises:
        ModelError: the scores are not finite.
    """
    module, inputs, asking, how = subject.module, subject.inputs, subject.asking, subject.how
    if "curves" not in found:
        found["curves"] = yield from _curves(subject, found)
    if "infidelity" not in found:
        if "squares" not in found:
            found["squares"] = yield from square_steps(
                module, inputs, asking.question, asking.baseline, how.seed
            )
        found["infidelity"] = infidelity(subject.values, found["squares"])
    if "randomisation" in found:
        return
    same = subject.networks(0)  # of the module itself all windows may be known
    reference = yield from quick_map(same, inputs, asking)
    if "sensitivity" not in found:
        steps = sensitivity_steps(same, inputs, asking, reference, how.seed)
        found["sensitivity"] = yield from steps
    del same  # with what was prepared for it, before the next, unless it is kept
    found["randomisation"] = yield from randomisation_steps(
        subject.networks, inputs, asking, reference
    )


def _curves(subject: Subject, found: dict[str, Any]) -> Generator[int, None, Any]:
    question = Question(subject.asking.question.target, kind="probability")
    asked, order = (subject.module, subject.inputs, question), order_of(subject.values, subject.how)
    ways = (subject.how, subject.reveal)
    own = yield from curve_steps(*asked, [order], *ways)
    if "controls" not in found:
        found["controls"] = yield from control_steps(*asked, *ways)
    return faithfulness(own, found["controls"])
