"""Exact re-inference of a convolutional network on pictures that differ from a kept one locally.

Covering a window of a picture changes only part of each feature map, until late in the network.
So the activations of the clean picture are kept; for each window only the rectangle of each map
that the window can reach is computed, and what lies around it is read from what was kept. The
result is exact. The idea is Krypton's (Nakandala, Kumar & Papakonstantinou, "Incremental and
Approximate Inference for Faster Occlusion-based Deep CNN Explanations", SIGMOD 2019), which knew
three networks by hand; here it follows from the graph of any network that torch.fx can trace:

    network = IncrementalNetwork(model)
    kept = network.keep(picture)                       # (1, 3, H, W)
    logits = kept.rescore(grey_patches, tops, lefts)   # (n, 3, h, w) -> (n, classes)

`core.folding` copies, traces and simplifies the network, `core.compilation` makes steps of its
graph, `core.layers` knows what each kind of step does to a rectangle, `core.passes` runs them.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.compilation import Program
from core.differentiable import differentiable
from core.errors import SettingError
from core.folding import folded_graph, inference_copy
from core.layers import Pairs
from core.passes import ChangedPass, DensePass, KeepingPass

LOCAL_SHARE = 0.1
"""A network is evaluated densely if a local change stays local in fewer of its layers than this."""

Positions = Tensor | Sequence[int]


class IncrementalNetwork:
    """A convolutional network prepared for exact re-inference on locally changed inputs.

    The module is copied and left as it is; the copy is in eval mode. Once made, an instance does
    not change: it serves any number of pictures and threads at once.

    Attributes:
        fallback: None, or a sentence that says why every change is computed densely.
        mixes_batch: whether the inputs of a batch depend on each other.
        layers: the copy, its submodules named as the module's; none writes into its input.
    """

    def __init__(self, module: nn.Module) -> None:
        """Prepare a module that takes pictures (n, C, H, W) to logits (n, classes)."""
        self.fallback: str | None = None
        self.layers = inference_copy(module)
        self._graph: fx.GraphModule | None = None
        self._program: Program | None = None
        self.mixes_batch = any(
            isinstance(part, _BatchNorm) and part.running_mean is None
            for part in self.layers.modules()
        )
        if self.mixes_batch:
            self.fallback = (
                "A batch norm without running statistics lets the pictures of a batch depend on "
                "each other, so every change is computed densely and by itself."
            )
            return
        try:
            graph = folded_graph(self.layers)
            self._program = Program.of(graph)
            graph.recompile()
            self._graph = graph
        except Exception as error:  # noqa: BLE001 - the module's own code may raise anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.fallback = (
                f"The network cannot be traced, so every change is computed densely: {reason}"
            )
            return
        layers = self._program.layers
        local = self._program.local.intersection(layers)
        if len(local) < LOCAL_SHARE * len(layers):
            self.fallback = (
                f"The whole picture is mixed after {len(local)} of {len(layers)} layers, so every "
                "change is computed densely."
            )

    @cached_property
    def module(self) -> nn.Module:
        """The copy, simplified if possible: what the gradient methods differentiate."""
        if self._program is None or self._graph is None:
            return self.layers
        return differentiable(self._graph, self._program)

    def dense(self, batch: Tensor) -> Tensor:
        """Logits (n, classes) of whole pictures (n, C, H, W)."""
        with torch.inference_mode():
            scores = self._dense(batch)
        return scores.clone()

    def _dense(self, batch: Tensor) -> Tensor:
        if self.mixes_batch:
            return torch.cat([self.layers(picture) for picture in batch.split(1)])
        batch = batch.contiguous(memory_format=torch.channels_last)
        if self._program is None:
            return self.layers(batch)
        return DensePass(self._program).run(batch)

    def keep(self, inputs: Tensor) -> "KeptActivations":
        """Run once on a picture (1, C, H, W) and keep what changes of it will need.

        Raises:
            SettingError: there is not exactly one picture, or the network does not return logits.
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
        if inputs.dim() != 4 or inputs.shape[0] != 1:
            raise SettingError(
                f"The input has the shape {tuple(inputs.shape)}; pass one picture, "
                "(1, channels, height, width)."
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
        if not isinstance(scores, Tensor) or scores.dim() != 2:
            raise SettingError(
                "The network does not return one tensor of logits (pictures, classes); wrap it in "
                "a module that does."
            )
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
                scores = ChangedPass(self._pass, start, size).run(patches)
        return scores.clone()

    def _whole(self, patches: Tensor, start: Pairs) -> Tensor:
        pictures = self._inputs.repeat(len(patches), 1, 1, 1)
        height, width = patches.shape[2:]
        for picture, patch, (top, left) in zip(pictures, patches, start.T.tolist(), strict=True):
            picture[:, top : top + height, left : left + width] = patch
        return pictures

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
