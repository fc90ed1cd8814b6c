"""Exact incremental inference on pictures that differ locally from a kept one.

Covering a window of a picture changes only part of each feature map, until late in the network.
So the activations of the clean picture are kept; for each window only the rectangle of each map
that the window can reach is computed, and what lies around it is read from what was kept. The
result is exact. The idea is Krypton's (Nakandala, Kumar & Papakonstantinou, "Incremental and
Approximate Inference for Faster Occlusion-based Deep CNN Explanations", SIGMOD 2019), which knew
three networks by hand; here it follows from the graph of any network that torch can export:

    network = IncrementalNetwork(model, picture)       # (1, 3, H, W)
    kept = network.keep(picture)
    logits = kept.rescore(grey_patches, tops, lefts)   # (n, 3, h, w) -> (n, classes)

`core.engine.capture` records the network, `core.engine.folding` simplifies the record,
`core.engine.compilation` makes steps of it, `core.engine.layers` knows what each kind of step does
to a rectangle, `core.engine.passes` runs them, and `core.engine.agreement` compares what comes out
with the network itself.
"""

import logging
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, fx, nn

from ..errors import ModelError, SettingError, UserError
from .agreement import (
    Agreement,
    covered,
    difference,
    first_line,
    is_rounding,
    only_rounding,
    own_batch,
    own_scores,
    paler,
    probes,
    unsteady,
)
from .capture import Captured, captured
from .compilation import Program
from .differentiable import differentiable
from .folding import folded
from .free_memory import out_of_memory
from .layers import Pairs
from .mixing import mixing
from .norms import ExactLogits
from .passes import ChangedPass, DensePass, KeepingPass
from .twin import Network, private_twin

LOCAL_SHARE = 0.1
"""A network is evaluated densely if a local change stays local in fewer of its layers than this."""

_log = logging.getLogger(__name__)

Positions = Tensor | Sequence[int]
Recorder = Callable[[Network, Tensor, bool], Captured]


def record(network: Network, inputs: Tensor, single: bool) -> Captured:
    """The graph of a network. Its forward runs on a twin of its own, which is thrown away."""
    return captured(private_twin(network), inputs, single=single)


class IncrementalNetwork:
    """A network prepared for exact re-inference on locally changed inputs of one size.

    The module is left as it is: what runs is a private twin of it in eval mode. It serves any
    number of pictures of that size and threads at once.

    Attributes:
        twin: the network itself, in eval mode, as a module.
        captured: the network as a graph; None if there is none that agrees with it.
        single: whether pictures are computed one by one, since a batch would change their scores.
        fallback: None, or a sentence that says why every change is computed densely.
        agreement: how far the scores of the graph were from the network's own.
    """

    def __init__(self, module: Network, inputs: Tensor, recorder: Recorder = record) -> None:
        """Prepare a network and compare what was prepared with the network itself.

        Args:
            module: takes pictures (n, C, H, W) to logits, as `core.engine.outputs` finds them.
            inputs: a picture (1, C, H, W), on which both are compared.
            recorder: makes the graph.

        Raises:
            ModelError: the network cannot be computed, returns no logits, or gives other scores
                each time.
        """
        with torch.inference_mode(False):  # what is made in it cannot be differentiated later
            self._begin(module, inputs, recorder)

    def _begin(self, module: Network, inputs: Tensor, recorder: Recorder) -> None:
        self.twin = private_twin(module)
        self.captured: Captured | None = None
        self.single = False
        self.fallback: str | None = None
        self.agreement = Agreement()
        self._graph: fx.GraphModule | None = None
        self._program: Program | None = None
        inputs = inputs.detach().clone()
        self._like = inputs.new_empty((0, *inputs.shape[1:]))
        patches, tops, lefts = probes(inputs)
        pictures = torch.cat([inputs, covered(inputs, patches, tops, lefts), paler(inputs)])
        truth = own_scores(self.twin, pictures)
        reason = self._prepare(module, pictures, truth, recorder)
        if reason is not None:
            self._compute_by_itself(pictures, truth, reason)

    def _prepare(
        self, module: Network, pictures: Tensor, truth: Tensor, recorder: Recorder
    ) -> str | None:
        """Find a graph that gives the network's own scores; if there is none, say why."""
        reason = ""
        for single in (False, True):
            try:
                found = recorder(module, pictures[:1], single)
                self._use(found)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001 - the network's own code may raise anything
                # What keeps it from being recorded for any batch says more than what follows.
                reason = reason or f"it cannot be exported ({first_line(error)})"
                continue
            for self.single in (False, True)[int(single) :]:
                apart = self._apart(pictures, truth)
                if only_rounding(self.twin, apart, pictures, truth):
                    self.agreement = Agreement(2, apart)
                    return None
            reason = reason or (
                f"its exported graph gives scores that differ by {apart:.2g}"
                if math.isfinite(apart)
                else "its exported graph cannot be computed"
            )
        self.captured = self._graph = self._program = None
        return reason

    def _use(self, found: Captured) -> None:
        self.captured = found
        self._graph = folded(found.of(self.twin))
        self._program = Program.of(self._graph)
        cause = mixing(self._program)
        layers = self._program.layers
        local = self._program.local.intersection(layers)
        self.fallback = None
        if cause is not None and len(local) < LOCAL_SHARE * len(layers):
            self.fallback = f"{cause[0].upper()}{cause[1:]}, so every change is computed densely."

    def _apart(self, pictures: Tensor, truth: Tensor) -> float:
        """How far the graph's scores of the picture and of changes of it are from the truth."""
        inputs = pictures[:1]
        patches, tops, lefts = probes(inputs)
        try:
            kept = self.keep(inputs)
            changed = torch.cat([kept.scores, kept.rescore(patches, tops, lefts)])
            together = self.dense(pictures)
            alone = kept.rescore(patches[:1], tops[:1], lefts[:1])
        except (MemoryError, UserError):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            _log.info("the exported graph cannot be computed", exc_info=error)
            return float("inf")
        pairs = (changed, truth[: len(changed)]), (together, truth), (alone, truth[1:2])
        return max(difference(found, expected) for found, expected in pairs)

    def _compute_by_itself(self, pictures: Tensor, truth: Tensor, reason: str) -> None:
        """Let the module compute everything, one picture at a time if a batch changes its scores.

        Raises:
            ModelError: it gives other scores each time.
        """
        apart = difference(own_scores(self.twin, pictures), truth)
        if not is_rounding(apart, truth, pictures.dtype):
            raise unsteady(apart)
        try:
            together = own_batch(self.twin, pictures)
        except ModelError:
            self.single = True
        else:
            self.single = not only_rounding(self.twin, difference(together, truth), pictures, truth)
        how = "one by one" if self.single else "densely"
        self.fallback = f"The module itself computes every change {how}, since {reason}."

    def distrust(self, apart: float) -> None:
        """Let the module itself compute from now on, as it is asked when scores are checked.

        One picture at a time: it may be a batch that changed them.
        """
        self.captured = self._graph = self._program = None
        self.__dict__.pop("module", None)
        self.single = True
        self.fallback = (
            "The module itself computes every change one by one, since it gave other scores than "
            f"what was prepared, by up to {apart:.2g}."
        )

    @property
    def alone(self) -> bool:
        """Whether the module itself computes everything, one picture at a time."""
        return self._program is None and self.single

    @property
    def graph(self) -> fx.GraphModule | None:
        """The simplified graph; None where the network itself computes everything."""
        return self._graph

    @cached_property
    def module(self) -> nn.Module:
        """What the gradient methods differentiate: the simplified graph, or the network itself."""
        if self._program is None or self._graph is None:
            return ExactLogits(self.twin)
        with torch.inference_mode(False):
            return differentiable(self._graph, self._program)

    def dense(self, batch: Tensor) -> Tensor:
        """Logits (n, classes) of whole pictures (n, C, H, W)."""
        with torch.inference_mode():
            scores = self._dense(batch)
        return scores.clone()

    def own_scores(self, batch: Tensor) -> Tensor:
        """What the network itself says of pictures (n, C, H, W), one at a time: (n, classes)."""
        return own_scores(self.twin, batch)

    def _dense(self, batch: Tensor) -> Tensor:
        if self._program is None:
            return (own_scores if self.single else own_batch)(self.twin, batch)
        batch = batch.contiguous(memory_format=torch.channels_last)
        parts = batch.split(1) if self.single else (batch,)
        return torch.cat([DensePass(self._program).run(part) for part in parts])

    def keep(self, inputs: Tensor) -> "KeptActivations":
        """Run once on a picture (1, C, H, W) and keep what changes of it will need.

        Raises:
            SettingError: there is not exactly one picture.
        """
        return KeptActivations(self, inputs)


class KeptActivations:
    """The activations of one picture, ready for changes of it.

    Attributes:
        scores: (1, classes) logits of the picture.
        dense_multiply_adds: of the convolutions and linear layers for one picture, as the
            definition of these layers counts them; 0 for a network that cannot be traced.
        live_bytes: the most that the activations of one picture take at one time; 0 likewise.
    """

    def __init__(self, network: IncrementalNetwork, inputs: Tensor) -> None:
        """See `IncrementalNetwork.keep`."""
        like = network._like
        if inputs.shape != (1, *like.shape[1:]) or inputs.dtype != like.dtype:
            raise SettingError(
                f"The input has the shape {tuple(inputs.shape)} and type {inputs.dtype}; pass one "
                f"picture like that which was prepared, {(1, *like.shape[1:])} and {like.dtype}."
            )
        self._network = network
        self._pass: KeepingPass | None = None
        self.dense_multiply_adds = 0
        self.live_bytes = 0
        with torch.inference_mode():
            self._inputs = inputs.detach().clone(memory_format=torch.channels_last)
            if network._program is None:
                scores = network._dense(self._inputs)
            else:
                self._pass = KeepingPass(network._program)
                scores = self._pass.run(self._inputs)
                self.dense_multiply_adds = self._pass.multiply_adds
                self.live_bytes = self._pass.live_bytes
        self.scores = scores.clone()

    def rescore(self, patches: Tensor, tops: Positions, lefts: Positions) -> Tensor:
        """Logits (n, classes) of the picture with one rectangle replaced, for n rectangles.

        Args:
            patches: (n, C, h, w), the new contents.
            tops: n first rows of the rectangles.
            lefts: n first columns.

        Raises:
            SettingError: a rectangle does not lie within the picture.
        """
        start, size = self._rectangles(patches.shape[2], patches.shape[3], tops, lefts)
        if len(patches) == 0:
            return self.scores[:0]
        with torch.inference_mode():
            patches = patches.to(self._inputs).contiguous(memory_format=torch.channels_last)
            if self._pass is None or self._network.fallback is not None:
                scores = self._network._dense(self._whole(patches, start))
            else:
                alone = range(len(patches)) if self._network.single else ()
                parts = [slice(n, n + 1) for n in alone] or [slice(None)]
                scores = torch.cat(
                    [
                        ChangedPass(self._pass, start[:, part], size).run(patches[part])
                        for part in parts
                    ]
                )
        return scores.clone()

    def _whole(self, patches: Tensor, start: Pairs) -> Tensor:
        tops, lefts = start.tolist()
        return covered(self._inputs, patches, tops, lefts)

    def groups(
        self, height: int, width: int, tops: Positions, lefts: Positions, batch: int
    ) -> list[list[int]]:
        """Which rectangles to rescore together: lists of at most `batch` indices.

        A batch costs what its largest regions cost. Rectangles near a border reach less than
        others, and how far the rest reach depends on where the strides of the network cut them.
        So the set is halved, again and again, along the axis in which the reach differs more.
        """
        start, size = self._rectangles(height, width, tops, lefts)
        reach = np.zeros(start.shape)
        if start.size and self._pass is not None and self._network.fallback is None:
            plan = ChangedPass(self._pass, start, size)
            for step in plan.program.steps:
                region = plan.regions[step.node]
                if region is not None:
                    reach += (region.last - region.first + 1) * step.terms**0.5

        def halves(members: Pairs) -> list[list[int]]:
            parts = -(-len(members) // batch)
            if parts <= 1:
                return [members.tolist()]
            axis = int(np.ptp(reach[:, members], axis=1).argmax())
            members = members[np.lexsort((reach[1 - axis, members], reach[axis, members]))]
            middle = len(members) * (parts // 2) // parts
            return halves(members[:middle]) + halves(members[middle:])

        return halves(np.arange(start.shape[1])) if start.size else []

    def multiply_adds(self, height: int, width: int, tops: Positions, lefts: Positions) -> int:
        """What `rescore` of these rectangles in one batch takes, like `dense_multiply_adds`."""
        start, size = self._rectangles(height, width, tops, lefts)
        if self._pass is None or self._network.fallback is not None or not start.size:
            return self.dense_multiply_adds * start.shape[1]
        return ChangedPass(self._pass, start, size).multiply_adds()

    def _rectangles(
        self, height: int, width: int, tops: Positions, lefts: Positions
    ) -> tuple[Pairs, Pairs]:
        """The (2, n) first and the (2,) size of rectangles, which lie within the picture."""
        start = np.array([torch.as_tensor(positions).tolist() for positions in (tops, lefts)], int)
        size, limit = np.array([height, width]), np.array(self._inputs.shape[2:])
        if (size < 1).any() or (start < 0).any() or (start + size[:, None] > limit[:, None]).any():
            raise SettingError(
                f"A rectangle of {height} x {width} pixels does not lie within the picture of "
                f"{limit[0]} x {limit[1]} pixels; move it inside."
            )
        return start, size
