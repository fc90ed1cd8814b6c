"""Kinds of layers: which outputs a changed rectangle reaches, and how to compute them.

A picture that differs from a kept one inside a rectangle has feature maps that differ inside
rectangles. A step knows, for its layer, how much of the output a changed rectangle of the input
reaches, and how to compute that part from the values around it.

Pairs are (vertical, horizontal). Arrays of shape (2, n) hold one pair for each of n windows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

Pairs = NDArray[np.int64]

WORTHWHILE_SHARE = 0.9
"""A rectangle larger than this share of its map costs more to cut out than it spares."""


@dataclass(frozen=True)
class Region:
    """For n windows, the rectangle of a map that is recomputed: one size, n places.

    Attributes:
        first: (2, n) the first row and column that the change can reach.
        last: (2, n) the last ones.
        start: (2, n) where the recomputed rectangle begins, which contains first to last.
        size: (2,) its height and width.
    """

    first: Pairs
    last: Pairs
    start: Pairs
    size: Pairs

    @staticmethod
    def around(first: Pairs, last: Pairs, limit: Pairs) -> "Region":
        """The region that holds first (2, n) to last (2, n) in a map of size limit (2,).

        The largest rectangle sets the size; near the border, smaller ones are moved inward.
        """
        first = np.clip(first, 0, limit[:, None] - 1)
        last = np.clip(last, first, limit[:, None] - 1)
        size = (last - first).max(axis=1) + 1
        return Region(first, last, np.minimum(first, (limit - size)[:, None]), size)


class Plan(Protocol):
    """What is known of a pass through the network before anything is computed."""

    def region(self, node: fx.Node) -> Region | None:
        """Where a value is recomputed; None for a value that is computed as a whole."""

    def limit(self, node: fx.Node) -> Pairs:
        """(2,) height and width of a map."""


class Pass(Plan, Protocol):
    """The values of a pass through the network."""

    def value(self, node: fx.Node) -> Any:
        """What was computed of a value: its region (n, C, h, w), or all of it with its own axes."""

    def whole(self, node: fx.Node) -> Any:
        """All of a value with its own axes, for every window."""

    def window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """(n, C, *size) of a map from start (2, n) on; outside of the map there is `fill`."""

    def kept_window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """The same of the map as it was kept, in memory of its own."""

    def overlay(self, window: Tensor, node: fx.Node, start: Pairs) -> None:
        """Write what changed of a map into a window (n, C, h, w) that begins at start (2, n).

        Of a value that was computed as a whole, all, into a window of the whole map.
        """

    def channels(self, node: fx.Node) -> int:
        """How many channels a map has."""

    def blank(self, node: fx.Node) -> Any:
        """A value of the right shape, for those who look at nothing else."""


@dataclass(frozen=True, eq=False)
class Step:
    """An operation of which nothing is known: it reads all inputs and computes all outputs.

    Attributes:
        node: the operation in the graph.
        inputs: the values that it reads.
        run: computes all outputs from all inputs.
        terms: multiply-adds for one number of the output.
        run_local: the same on maps (n, C, h, w), where the values themselves have other axes.
    """

    node: fx.Node
    inputs: tuple[fx.Node, ...]
    run: Callable[..., Any]
    terms: int = 0
    run_local: Callable[..., Any] | None = None

    local = False
    """Whether a local change of the inputs can stay local."""

    reads_surroundings = True
    """Whether unchanged inputs around a changed rectangle are read."""

    keeps_output = False
    """Whether the unchanged output around a changed rectangle is read."""

    def surroundings(self, limit: Pairs, output: Pairs) -> tuple[Pairs, Pairs, float]:  # noqa: ARG002
        """The padding of an input of size limit (2,): before it, after it, and its value."""
        none = np.zeros(2, np.int64)
        return none, none, 0.0

    def region(self, plan: Plan) -> Region | None:  # noqa: ARG002
        """The part of the output that the inputs' regions reach; None for all of it."""
        return None

    def compute(self, state: Pass, region: Region | None) -> Any:  # noqa: ARG002
        """The outputs inside of that region."""
        return self.run(*(state.whole(node) for node in self.inputs))


class ShapeQuery(Step):
    """Asks for a shape, a device or a type."""

    reads_surroundings = False

    def compute(self, state: Pass, region: Region | None) -> Any:  # noqa: ARG002
        """The answer."""
        return self.run(*(state.blank(node) for node in self.inputs))


class Pointwise(Step):
    """One pixel in, one pixel out: activations, scaling, 1 x 1 convolutions."""

    local = True
    reads_surroundings = False

    def region(self, plan: Plan) -> Region | None:
        """The input's."""
        return plan.region(self.inputs[0])

    def compute(self, state: Pass, region: Region | None) -> Any:
        """What was computed of the input is all that is needed."""
        run = self.run if region is None else self.run_local or self.run
        return run(state.value(self.inputs[0]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Step):
    """Constant padding, `before` (2,) of it above and to the left: a change only moves."""

    before: Pairs

    local = True

    def region(self, plan: Plan) -> Region | None:
        """The input's, moved."""
        region = plan.region(self.inputs[0])
        if region is None:
            return None
        moved = self.before[:, None]
        return Region(region.first + moved, region.last + moved, region.start + moved, region.size)

    def compute(self, state: Pass, region: Region | None) -> Any:
        """The input's region as it is, or all of it with its padding."""
        return super().compute(state, region) if region is None else state.value(self.inputs[0])


class Join(Step):
    """Maps of one size, pixel by pixel: sums, products, concatenated channels."""

    local = True

    def region(self, plan: Plan) -> Region | None:
        """The smallest rectangle around those of all inputs."""
        regions = [plan.region(node) for node in self.inputs]
        known = [region for region in regions if region is not None]
        if len(known) < len(regions):
            return None
        limit = plan.limit(self.node)
        if any((plan.limit(node) != limit).any() for node in self.inputs):
            return None
        first = np.minimum.reduce([region.first for region in known])
        last = np.maximum.reduce([region.last for region in known])
        return Region.around(first, last, limit)

    def compute(self, state: Pass, region: Region | None) -> Any:
        """All inputs are cut to the same rectangle."""
        if region is None:
            return super().compute(state, region)
        start, size = region.start, region.size
        run = self.run_local or self.run
        return run(*(state.window(node, start, size, 0.0) for node in self.inputs))


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenation(Join):
    """Maps of one size whose channels are put side by side.

    Most of them did not change: so the result is kept, not what it is made of, and only what did
    change is written into a copy of it.

    Attributes:
        parts: the maps in order; one may come several times.
        order: the permutation of (n, C, H, W) that gives the axes of the result.
    """

    parts: tuple[fx.Node, ...]
    order: tuple[int, ...]

    reads_surroundings = False
    keeps_output = True

    def compute(self, state: Pass, region: Region | None) -> Any:
        """What was kept of the result, with the changed parts of the inputs on top."""
        starts = [each.start for node in self.inputs if (each := state.region(node)) is not None]
        if not starts:
            return self.run(*(state.value(node) for node in self.inputs))
        start = np.zeros_like(starts[0]) if region is None else region.start
        size = state.limit(self.node) if region is None else region.size
        window = state.kept_window(self.node, start, size, 0.0)
        first = 0
        for part in self.parts:
            channels = state.channels(part)
            state.overlay(window[:, first : first + channels], part, start)
            first += channels
        return window.permute(self.order) if region is None else window


@dataclass(frozen=True)
class Kernel:
    """How a kernel slides over a map.

    Attributes:
        size: (2,) height and width.
        stride: (2,) steps between outputs.
        dilation: (2,) steps between the inputs of one output.
        before: (2,) padding above and to the left.
    """

    size: Pairs
    stride: Pairs
    dilation: Pairs
    before: Pairs

    @staticmethod
    def of(size: Any, stride: Any, dilation: Any, padding: Any) -> "Kernel":
        """From the arguments of a module: each a number or a pair."""
        pairs = (np.array(value, np.int64) for value in (size, stride, dilation, padding))
        return Kernel(*(np.broadcast_to(pair, 2) for pair in pairs))

    @property
    def reach(self) -> Pairs:
        """(2,) steps from the first input of an output to the last."""
        return (self.size - 1) * self.dilation


@dataclass(frozen=True, eq=False, kw_only=True)
class Sliding(Step):
    """A kernel that slides over a map: convolution and pooling.

    Attributes:
        kernel: its geometry.
        fill: the value of the padding.
        slide: computes outputs from inputs that contain their padding.
        tile: the outputs along an axis that `slide` computes at a time.
    """

    kernel: Kernel
    slide: Callable[[Tensor], Tensor]
    fill: float = 0.0
    tile: int = 1

    local = True

    def surroundings(self, limit: Pairs, output: Pairs) -> tuple[Pairs, Pairs, float]:
        """The padding of the layer; behind, enough for a tile that begins at the last output."""
        last = (output + self.tile - 2) * self.kernel.stride + self.kernel.reach
        after = last + 1 - self.kernel.before - limit
        return self.kernel.before, np.maximum(after, 0), self.fill

    def region(self, plan: Plan) -> Region | None:
        """The outputs whose kernel touches the input's region."""
        region = plan.region(self.inputs[0])
        if region is None:
            return None
        limit = plan.limit(self.node)
        before, stride = self.kernel.before[:, None], self.kernel.stride[:, None]
        first = -(-(region.first + before - self.kernel.reach[:, None]) // stride)
        region = Region.around(first, (region.last + before) // stride, limit)
        if region.size.prod() > WORTHWHILE_SHARE * limit.prod():
            return Region.around(first * 0, first * 0 + limit[:, None], limit)
        return region

    def compute(self, state: Pass, region: Region | None) -> Tensor:
        """The kernel slides over the region and as much around it as it reads."""
        if region is None:
            return self.run(state.value(self.inputs[0]))
        kernel = self.kernel
        start = region.start * kernel.stride[:, None] - kernel.before[:, None]
        whole_tiles = -(-region.size // self.tile) * self.tile
        size = (whole_tiles - 1) * kernel.stride + kernel.reach + 1
        height, width = region.size.tolist()
        inputs = state.window(self.inputs[0], start, size, self.fill)
        return self.slide(inputs)[:, :, :height, :width]


@dataclass(frozen=True, eq=False, kw_only=True)
class BorderAverage(Sliding):
    """Average pooling that averages fewer pixels at the border.

    Attributes:
        counted: (2,) rows and columns of padding, on each side, that count as pixels.
    """

    counted: Pairs

    def compute(self, state: Pass, region: Region | None) -> Tensor:
        """`slide` has divided by the kernel's area: make up for what it should not have counted."""
        averages = super().compute(state, region)
        if region is None:
            return averages
        limit = state.limit(self.inputs[0]) + self.counted
        for axis, size in enumerate(region.size.tolist()):
            outputs = region.start[axis, :, None] + np.arange(size)
            first = outputs * self.kernel.stride[axis] - self.kernel.before[axis]
            end = np.minimum(first + self.kernel.size[axis], limit[axis])
            pixels = end - np.maximum(first, -self.counted[axis])
            shape = (-1, 1, size, 1) if axis == 0 else (-1, 1, 1, size)
            factors = torch.from_numpy(self.kernel.size[axis] / pixels).reshape(shape)
            averages = averages * factors.to(averages.device, averages.dtype)
        return averages
