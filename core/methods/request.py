"""Input and output of the gradient methods: `Asked` and the steps that they yield."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from ..engine.incremental import IncrementalNetwork
from ..engine.norms import ExactRun
from ..engine.teams import heed, teams_for
from ..errors import ModelError
from .scores import Question

_LARGEST_BATCH = {"cpu": 4, "cuda": 64, "mps": 16}  # also what bounds the memory


class Progress(NamedTuple):
    """A point on the way to a map.

    Attributes:
        done, total: passes forward and back; ``values`` are final when the two are equal.
        values: gives the map as far as it is known, float64 on the CPU, (C, H, W) or (1, H, W).
        path: where the points lie between baseline (0) and picture (1), sorted, if the method
            chose them; else empty.
        found: what the method found besides the map, JSON types.
    """

    done: int
    total: int
    values: Callable[[], Tensor]
    path: tuple[float, ...] = ()
    found: Mapping[str, Any] = MappingProxyType({})


class Heeding(ExactRun):
    """Runs a graph and asks before each operation, there and back, whether to go on."""

    def __init__(self, graph: fx.GraphModule, *, forgets: bool = True) -> None:
        """Take a graph; ``forgets`` drops each value of it after its last use."""
        super().__init__(graph, garbage_collect_values=forgets)
        self.extra_traceback = False  # an error's own words

    def run_node(self, n: fx.Node) -> Any:
        """As the graph does."""
        heed()
        found = super().run_node(n)
        if isinstance(found, Tensor) and found.requires_grad:
            found.register_hook(lambda _: heed())
        return found


@dataclass(frozen=True, eq=False)
class Asked:
    """A network, a picture and a question.

    Attributes:
        network: the network, prepared.
        inputs: (1, C, H, W).
        reference: the baseline, of the same shape.
        question: which score is explained.
    """

    network: IncrementalNetwork
    inputs: Tensor
    reference: Tensor
    question: Question

    @property
    def module(self) -> nn.Module:
        """What is differentiated: it takes inputs (n, C, H, W) to logits (n, classes)."""
        return self.network.module

    def score(self, batch: Tensor) -> Tensor:
        """The asked score of each of the inputs (n, C, H, W): (n,)."""
        module = self.module
        forward = Heeding(module).run if isinstance(module, fx.GraphModule) else module
        return self.question.scores(forward(batch))

    def gradients(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) of inputs (n, C, H, W) and their gradients, of the inputs' shape.

        Raises:
            ModelError: they are not finite.
        """
        with torch.inference_mode(False), torch.enable_grad():
            batch = batch.detach().clone(memory_format=torch.channels_last).requires_grad_()
            scores = self.score(batch)
            (gradients,) = torch.autograd.grad(scores.sum(), batch)
        return scores.detach(), finite_gradients(gradients)

    @property
    def batch_size(self) -> int:
        """How many inputs to take at once."""
        return 1 if self.network.single else _LARGEST_BATCH[self.inputs.device.type]

    @property
    def teams(self) -> int:
        """How many batches to compute side by side: the network's own code may not bear it."""
        return 1 if self.network.captured is None else teams_for(self.inputs.device)


def finite_gradients(gradients: Tensor) -> Tensor:
    """The same, if they are numbers.

    Raises:
        ModelError: they are not finite.
    """
    if not torch.isfinite(gradients).all():
        raise ModelError(
            "The gradients are not finite numbers, so there is no map: "
            "choose another score, baseline or picture."
        )
    return gradients


def ends(asked: Asked) -> tuple[float, float]:
    """Score of the picture and of the baseline.

    Raises:
        SettingError: there is no such class.
        ModelError: the scores are not finite.
    """
    pictures = asked.inputs, asked.reference
    with torch.inference_mode(False), torch.no_grad():
        logits = torch.cat([asked.module(picture) for picture in pictures])
        asked.question.check(logits.shape[-1])
        scores = asked.question.scores(logits.cpu().double())
    if not scores.isfinite().all():
        raise ModelError(
            "The model's scores are not finite numbers, so there is no map: "
            "choose another model, baseline or picture."
        )
    return float(scores[0]), float(scores[1])
