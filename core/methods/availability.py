"""Which methods a network supports, and why it does not support the others."""

from torch import Tensor, nn

from ..engine.remembered import memory
from ..engine.teams import alone
from ..models.heads import SOFTMAX, Head
from .cover_methods import RegionSetting
from .registry import METHODS, reason_why_none


def why_not(module: nn.Module, inputs: Tensor, name: str, head: Head = SOFTMAX) -> str | None:
    """Why a method is not available for a network, as the end of a sentence; None if it is."""
    if isinstance(METHODS[name].setting, RegionSetting) and not head.has_probabilities:
        return "it gives values, which are no answer that a part could keep or change"
    network = memory.prepared(module, inputs).network
    # Where the network cannot be exported, looking at its layers sets hooks.
    return alone(lambda: reason_why_none(name, network, inputs))
