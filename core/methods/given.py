"""Maps made elsewhere as maps of this program: their values come from a file or an array."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from ..engine.checks import baseline_like, check_inputs
from ..engine.remembered import memory
from ..engine.teams import alone
from ..errors import MapError
from ..pictures.given_map import is_smooth
from ..pictures.preprocessing import Box
from .attribution import Attribution, Step
from .given_setting import GIVEN, GivenSetting
from .request import Asked, ends
from .scores import Question
from .settings import parameters


def given_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    setting: GivenSetting,
    values: np.ndarray,
    baseline: float | Tensor = 0.0,
) -> Generator[Step, None, None]:
    """A map made elsewhere, in one step.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes).
        inputs: float32 (1, C, H, W).
        question: the score that the map explains.
        setting: what was said of the map.
        values: the map at the model's input, float32 (H, W).
        baseline: from which the score changes, where the values are said to sum to that.

    Raises:
        MapError: values are below zero, and the map was said to have none.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    below = int((values < 0).sum())
    if below and setting.sign != "signed":
        raise MapError(
            f"{below:,} of the map's {values.size:,} values are below zero, and it was said to be "
            f"{setting.sign}: say that it is signed, or give the sizes of the values."
        )
    made = Attribution(
        values,
        GIVEN,
        question,
        {**parameters(setting), "coarse": is_smooth(values)},
    )
    if setting.adds_up:
        network = memory.prepared(module, inputs).network
        asked = Asked(network, inputs, baseline_like(baseline, inputs), question)
        at_input, at_baseline = alone(lambda: ends(asked))
        made = replace(made, change=at_input - at_baseline, forward_passes=2)
    yield Step(1, 1, lambda: made)


def check_asked(
    setting: GivenSetting,
    model: str,
    question: Question,
    class_names: Sequence[str],
    region: Box | None,
) -> None:
    """See that a map is asked about what it was given for.

    Raises:
        MapError: it was given for another model or score; or, where it is no map of the photo, for
            another part of the photo.
    """
    was = setting.given_for
    if was is None:
        return
    if was.model != model:
        raise MapError(
            f"This map was given for the model {was.model}: choose that model, or give a map of "
            "this one."
        )
    if setting.map_of != "photo" and was.region != region:
        raise MapError(
            "This map was given for another part of the photo: choose that crop, or give a map of "
            "this one."
        )
    if (was.target, was.contrast, was.kind) != (question.target, question.contrast, question.kind):
        against = "" if was.contrast is None else f" minus {class_names[was.contrast]}"
        raise MapError(
            f"This map was given for the {question.head.scale(was.kind)} of "
            f"{class_names[was.target]}{against}: choose that score, or give a map of this one."
        )
