"""Computes the trust measures of a map, one after the other, without any cache."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..methods.baselines import road_seed
from ..methods.masked import Cover
from .coarse_maps import Asking, quick_map
from .faithfulness import control_steps, curve_steps, faithfulness, order_of, orders
from .imputation import Imputer
from .infidelity import infidelity, square_steps
from .judgement import MEASURES
from .randomisation import Networks, randomisation_steps
from .sensitivity import sensitivity_steps
from .settings import FaithfulnessSetting

Parts = Generator[int, None, None]


@dataclass(frozen=True, eq=False)
class Subject:
    """A map that is judged, with the network and the input that it was made of.

    Attributes:
        module: float32 (N, C, H, W) -> logits (N, classes).
        inputs: float32 (1, C, H, W).
        asking: how the map was made.
        values: the map, float32 (H, W).
        how: settings of the measures.
        reveal: baseline of the curves, (1, C, H, W); None for ROAD, which makes its own.
        networks: the network with randomised layers.
        measures: which of `core.trust.judgement.MEASURES` are to be taken.
    """

    module: nn.Module
    inputs: Tensor
    asking: Asking
    values: np.ndarray
    how: FaithfulnessSetting
    reveal: Tensor | None
    networks: Networks
    measures: tuple[str, ...] = MEASURES


def measure(subject: Subject, found: dict[str, Any]) -> Parts:
    """Take every measure that is missing, yielding after each batch how many passes it took.

    Args:
        subject: what is judged.
        found: measures by their names in `core.trust.judgement.Judgement`, which are added as they
            are taken; and what maps of one picture can share: ``controls`` of the curves and
            ``squares`` that were covered.

    Raises:
        ModelError: the scores are not finite.
    """
    module, inputs, asking, how = subject.module, subject.inputs, subject.asking, subject.how
    missing = [name for name in subject.measures if name not in found]
    if "curves" in missing:
        found["curves"] = yield from _curves(subject, found)
    if "infidelity" in missing:
        if "squares" not in found:
            found["squares"] = yield from square_steps(
                module, inputs, asking.question, asking.baseline, how.seed
            )
        found["infidelity"] = infidelity(subject.values, found["squares"])
    if "randomisation" not in missing:
        return
    same = subject.networks(0)  # of the module itself all windows may be known
    reference = yield from quick_map(same, inputs, asking)
    if "sensitivity" in missing:
        steps = sensitivity_steps(same, inputs, asking, reference, how.seed)
        found["sensitivity"] = yield from steps
    del same  # with what was prepared for it, before the next, unless it is kept
    found["randomisation"] = yield from randomisation_steps(
        subject.networks, inputs, asking, reference
    )


def _curves(subject: Subject, found: dict[str, Any]) -> Generator[int, None, Any]:
    question = subject.asking.question
    question = question.of_class(question.target)
    asked, order = (subject.module, subject.inputs, question), order_of(subject.values, subject.how)
    ways = (subject.how, _cover(subject))
    own = yield from curve_steps(*asked, [order], *ways)
    if "controls" not in found:
        found["controls"] = yield from control_steps(*asked, *ways)
    return faithfulness(own, found["controls"], orders(subject.values, subject.how))


def _cover(subject: Subject) -> Cover:
    """What covered blocks become."""
    seed = road_seed(subject.how.baseline)
    if seed is not None:
        return Imputer(subject.inputs, seed)
    assert subject.reveal is not None
    return subject.reveal
