"""Weight randomisation: whether a map depends on what the network has learnt.

Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity Checks for Saliency Maps", NeurIPS 2018.
The weights are randomised from the last layer towards the first, and the map is computed again at
each stage (cascading randomisation). A map that does not change says nothing about the network: it
might as well be an edge detector.
"""

import copy
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .coarse_maps import Asking, quick_map
from .similarity import Likeness, likeness

SHARES = (0.25, 0.5, 1.0)  # of the layers, after the last one alone
_MOST_BYTES = 256 << 20  # of weights; what is prepared of them takes as much again
_ALIKE = 0.5  # mean rank correlation from which a map hardly changes


@dataclass(frozen=True, eq=False)
class Stage:
    """The map of a network whose last layers are random.

    Attributes:
        layers: how many of the last layers are random.
        values: the map, float32 (H, W).
        like: similarity to the map of the trained network.
    """

    layers: int
    values: np.ndarray
    like: Likeness


@dataclass(frozen=True, eq=False)
class Randomisation:
    """A map before and after the weights were randomised.

    Attributes:
        values: the map of the trained network, float32 (H, W), computed as the others.
        layers: how many layers the network has.
        stages: from the last layer to all; none where the weights are not known, which then say
            nothing.
    """

    values: np.ndarray
    layers: int
    stages: tuple[Stage, ...]

    @property
    def spearman(self) -> float:
        """Mean rank correlation with the trained network's map, -1..1; nearer 0 is better.

        Over all stages, since smooth maps correlate by chance with any one of them.
        """
        return float(np.mean([stage.like.spearman for stage in self.stages]))

    @property
    def changes(self) -> bool:
        """Whether the map depends on the weights."""
        return self.spearman < _ALIKE

    @property
    def verdict(self) -> str:
        """The finding in words."""
        if self.changes:
            return "the map depends on the weights"
        return "the map hardly changes with random weights, so it does not explain the model"


def randomised(module: nn.Module, layers: int, seed: int = 0) -> nn.Module:
    """A copy of a network whose last layers have random weights.

    Each tensor is drawn from a normal distribution of its own mean and standard deviation, so that
    the scores neither vanish nor explode. Layers count in the order in which the network registers
    them, which for the networks of the registry is that of the computation.
    """
    changed = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    found = _layers(changed)
    for layer in found[len(found) - layers :]:
        for weights in layer.parameters(recurse=False):
            drawn = torch.randn(weights.shape, generator=generator).to(weights)
            with torch.no_grad():
                weights.copy_(weights.mean() + weights.std(correction=0) * drawn)
    return changed


class Networks:
    """Copies of a network by how many of its last layers are random; 0 is the network itself.

    They are used again for the next map or class, and preparing one takes as long as a map. So they
    are kept, if they are small.

    Attributes:
        stages: see `stages_of`.
        layers: that the network has.
    """

    def __init__(self, module: nn.Module, seed: int = 0) -> None:
        """Begin with no copy; ``seed`` is that of the weights."""
        self._module, self._seed = module, seed
        self._made: dict[int, nn.Module] = {}
        self.stages, self.layers = stages_of(module), len(_layers(module))
        held = sum(each.nbytes for each in module.state_dict().values())
        self._kept = (1 + len(self.stages)) * held <= _MOST_BYTES

    def __call__(self, layers: int) -> nn.Module:
        """The network, in the state in which its module was when it was first asked for."""
        made = self._made.get(layers) or randomised(self._module, layers, self._seed)
        if self._kept:
            self._made[layers] = made
        return made


def stages_of(module: nn.Module) -> tuple[int, ...]:
    """How many layers are random at each stage, rising; none where the weights are not known."""
    count = len(_layers(module))
    if not count:
        return ()
    return tuple(sorted({1, *(max(1, round(share * count)) for share in SHARES)}))


def randomisation_steps(
    networks: Networks, inputs: Tensor, asking: Asking, reference: np.ndarray
) -> Generator[int, None, Randomisation]:
    """Compute the map at each stage, yielding after each batch how many passes it took.

    Args:
        networks: the network with randomised layers.
        inputs: float32 (1, C, H, W).
        asking: question, method and baseline.
        reference: the coarse map of the trained network, (H, W).
    """
    stages = []
    for layers in networks.stages:
        values = yield from quick_map(networks(layers), inputs, asking)
        stages.append(Stage(layers, values, likeness(reference, values)))
    return Randomisation(reference, networks.layers, tuple(stages))


def _layers(module: nn.Module) -> list[nn.Module]:
    """The layers that have weights of their own."""
    return [each for each in module.modules() if any(True for _ in each.parameters(recurse=False))]
