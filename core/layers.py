"""What each operation of a network does to a changed rectangle.

A picture that differs from a kept one inside a rectangle has feature maps that differ inside rectangles too. A step
knows, for its operation, which outputs a changed rectangle of its input reaches (`region`), and how to compute them
from a `Pass`, which hands out the values around the rectangle (`compute`).

Pairs are (vertical, horizontal); arrays of shape (2, n) hold one pair for each of n windows.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional as F

from core.winograd import TILE, WinogradConvolution

Pairs = NDArray[np.int64]

WORTH_A_REGION = 0.85
"""Share of a map above which gathering a region costs more than the outputs it spares."""


@dataclass(frozen=True, eq=False)
class Region:
    """For n windows, the rectangle of a feature map that is recomputed: one size, n places.

    Attributes:
        first, last: (2, n), the outputs that the change can reach, both ends included.
        start: (2, n), where the recomputed rectangle begins; it holds first to last.
        size: (2,), its height and width.
    """

    first: Pairs
    last: Pairs
    start: Pairs
    size: Pairs

    @staticmethod
    def around(first: Pairs, last: Pairs, limit: Pairs) -> Region:
        """The region for a change from first to last in a map of size limit (2,).

        The largest rectangle sets the size; near the border the smaller ones are moved inward.
        """
        first = np.clip(first, 0, limit[:, None] - 1)
        last = np.clip(last, first, limit[:, None] - 1)
        size = (last - first).max(axis=1) + 1
        return Region(first, last, np.minimum(first, (limit - size)[:, None]), size)


class Pass(Protocol):
    """The values of one pass through the network, as steps see them."""

    def value(self, node: fx.Node) -> Any:
        """What was computed: all of a value, or its region only."""

    def whole(self, node: fx.Node) -> Any:
        """All of a value, for every window."""

    def window(self, node: fx.Node, start: Pairs, size: Pairs, fill: float) -> Tensor:
        """(n, C, *size) of a map from start (2, n) on, `fill` outside of the map."""


class Plan(Protocol):
    """Regions and sizes that are known before anything is computed."""

    def region(self, node: fx.Node) -> Region | None:
        """Where a value is recomputed; None for all of it."""

    def limit(self, node: fx.Node) -> Pairs:
        """(2,) size of a map."""


@dataclass(frozen=True, eq=False)
class Step:
    """An operation about which nothing is known: it needs all of its inputs and yields all of its output.

    Attributes:
        node: the operation in the graph.
        inputs: the values it reads that depend on the picture.
        run: computes the whole output from the whole inputs.
        weights: number of weights, each used once for every position of the output.
    """

    node: fx.Node
    inputs: tuple[fx.Node, ...]
    run: Callable[..., Any]
    weights: int = 0

    keeps = True
    """Whether the unchanged values around a changed region of the input are needed."""

    def margins(self, limit: Pairs, output: Pairs) -> tuple[Pairs, Pairs, float]:
        """Padding before and after a kept input of size limit, and what it is filled with."""
        return np.zeros(2, np.int64), np.zeros(2, np.int64), 0.0

    def region(self, plan: Plan) -> Region | None:
        """The part of the output that a change of the inputs reaches; None for all of it."""
        return None

    def compute(self, state: Pass, region: Region | None) -> Any:
        """The output inside the region that this step asked for."""
        return self.run(*(state.whole(node) for node in self.inputs))


class Pointwise(Step):
    """Every output pixel depends on one input pixel: activations, 1 x 1 convolutions, scaling."""

    keeps = False

    def region(self, plan: Plan) -> Region | None:
        return plan.region(self.inputs[0])

    def compute(self, state: Pass, region: Region | None) -> Any:
        return self.run(state.value(self.inputs[0]))


class Join(Step):
    """Several maps of one size, pixel by pixel: sums, products, concatenation of channels."""

    def region(self, plan: Plan) -> Region | None:
        regions = [plan.region(node) for node in self.inputs]
        limit = plan.limit(self.node)
        first = last = None
        for node, region in zip(self.inputs, regions, strict=True):
            if region is None or (plan.limit(node) != limit).any():
                return None
            first = region.first if first is None else np.minimum(first, region.first)
            last = region.last if last is None else np.maximum(last, region.last)
        assert first is not None and last is not None
        return Region.around(first, last, limit)

    def compute(self, state: Pass, region: Region | None) -> Any:
        if region is None:
            return super().compute(state, region)
        return self.run(
            *(state.window(node, region.start, region.size, 0.0) for node in self.inputs)
        )


@dataclass(frozen=True, eq=False)
class Pad(Step):
    """Constant padding moves the changed rectangle and computes nothing."""

    before: tuple[int, int] = (0, 0)

    def region(self, plan: Plan) -> Region | None:
        region = plan.region(self.inputs[0])
        if region is None:
            return None
        shift = np.array(self.before)[:, None]
        return Region(region.first + shift, region.last + shift, region.start + shift, region.size)

    def compute(self, state: Pass, region: Region | None) -> Any:
        return super().compute(state, region) if region is None else state.value(self.inputs[0])


@dataclass(frozen=True, eq=False)
class Sliding(Step):
    """A kernel that slides over the map: convolution and pooling.

    Attributes:
        kernel, stride, dilation, before: (2,) each; before is the padding above and to the left.
        fill: what the padding consists of.
        slide: computes outputs from inputs that hold all padding already.
        tile: outputs along an axis come in multiples of this.
    """

    kernel: Pairs = None
    stride: Pairs = None
    dilation: Pairs = None
    before: Pairs = None
    fill: float = 0.0
    slide: Callable[[Tensor], Tensor] = None
    tile: int = 1

    def _extent(self, outputs: Pairs) -> Pairs:
        """Inputs that so many outputs in a row read."""
        outputs = -(-outputs // self.tile) * self.tile
        return (outputs - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    def margins(self, limit: Pairs, output: Pairs) -> tuple[Pairs, Pairs, float]:
        after = self._extent(output) - self.before - limit
        # a region smaller than the map may be rounded up to tiles and begin anywhere
        after = (
            np.maximum(after, 0)
            if self.tile == 1
            else self.kernel - 1 - self.before + self.tile - 1
        )
        return self.before, after, self.fill

    def region(self, plan: Plan) -> Region | None:
        region = plan.region(self.inputs[0])
        if region is None:
            return None
        reach = ((self.kernel - 1) * self.dilation)[:, None]
        first = -(-(region.first + self.before[:, None] - reach) // self.stride[:, None])
        last = (region.last + self.before[:, None]) // self.stride[:, None]
        limit = plan.limit(self.node)
        region = Region.around(first, last, limit)
        if region.size.prod() > WORTH_A_REGION * limit.prod():
            return Region.around(first * 0, last * 0 + limit[:, None], limit)
        return region

    def compute(self, state: Pass, region: Region | None) -> Any:
        if region is None:
            return self.run(state.value(self.inputs[0]))
        start = region.start * self.stride[:, None] - self.before[:, None]
        inputs = state.window(self.inputs[0], start, self._extent(region.size), self.fill)
        return self.slide(inputs)[:, :, : region.size[0], : region.size[1]]


_POINTWISE_NAMES = frozenset(
    "abs add celu clamp clip clone contiguous div dropout dropout1d dropout2d dropout3d elu exp float gelu hardshrink "
    "hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish mul neg pow prelu relu relu6 rsub selu sigmoid silu "
    "softplus softshrink softsign sqrt square stochastic_depth sub subtract multiply true_divide truediv tanh "
    "tanhshrink threshold batch_norm alpha_dropout feature_alpha_dropout".split()
)
_JOIN_NAMES = frozenset("add sub mul div truediv true_divide multiply subtract maximum minimum".split())
_POINTWISE_MODULES = (
    nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.GELU, nn.Sigmoid, nn.Tanh, nn.ELU,
    nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.Softplus, nn.Softsign, nn.Mish, nn.LogSigmoid, nn.Threshold,
    nn.Softshrink, nn.Hardshrink, nn.Tanhshrink,
)


def _call(traced: fx.GraphModule, node: fx.Node, inputs: tuple[fx.Node, ...], in_place: bool) -> Callable[..., Any]:
    """The node's operation as a function of its inputs."""
    target: Any = node.target
    kwargs = dict(node.kwargs)
    if node.op == "call_module":
        target = traced.get_submodule(str(node.target))
        if hasattr(target, "inplace"):
            target = copy.copy(target)
            target.inplace = in_place
    elif node.op == "call_method":
        target = getattr(torch.Tensor, str(node.target))
    if "inplace" in kwargs:
        kwargs["inplace"] = in_place

    def constant(value: fx.Node) -> Any:
        return operator.attrgetter(str(value.target))(traced) if value.op == "get_attr" else value

    args, kwargs = fx.node.map_arg((node.args, kwargs), constant)
    if len(inputs) == 1 and args and args[0] is inputs[0] and inputs[0] not in node.all_input_nodes[1:]:
        rest = args[1:]
        return lambda value: target(value, *rest, **kwargs)

    def call(*values: Any) -> Any:
        known = dict(zip(inputs, values, strict=True))
        actual, named = fx.node.map_arg((args, kwargs), known.__getitem__)
        return target(*actual, **named)

    return call


def compile_steps(traced: fx.GraphModule) -> tuple[fx.Node, list[Step], fx.Node]:
    nodes = list(traced.graph.nodes)
    constant: set[fx.Node] = set()
    steps: list[Step] = []
    fresh: set[fx.Node] = set()
    source = None
    for node in nodes:
        if node.op == "placeholder":
            if source is not None:
                raise ValueError("several inputs")
            source = node
        elif node.op == "get_attr":
            constant.add(node)
        elif node.op == "output":
            (result,) = node.args
            return source, steps, result
        else:
            inputs = tuple(n for n in node.all_input_nodes if n not in constant)
            reuse = bool(inputs) and inputs[0] in fresh and len(inputs[0].users) == 1
            run = _call(traced, node, inputs, reuse)
            step = _step(traced, node, inputs, run)
            steps.append(step)
            if isinstance(step, (Sliding, Join)) or (step.weights and type(step) is Pointwise):
                fresh.add(node)
    raise AssertionError


def _pair(v, tail=2):
    return np.array([v, v] if isinstance(v, int) else list(v))


def _step(traced, node, inputs, run) -> Step:
    name = getattr(node.target, "__name__", str(node.target))
    part = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
    if type(part) is nn.Conv2d and part.padding_mode == "zeros":
        return _convolution(node, inputs, run, part)
    if type(part) is nn.Linear:
        return Step(node, inputs, run, part.weight.numel())
    if type(part) in _POINTWISE_MODULES:
        return Pointwise(node, inputs, run)
    if type(part) in (nn.MaxPool2d,) and not part.return_indices:
        return _max_pool(node, inputs, run, part.kernel_size, part.stride, part.padding, part.dilation, part.ceil_mode)
    if type(part) is nn.ZeroPad2d:
        l, r, t, b = part.padding
        if min(part.padding) >= 0:
            return Pad(node, inputs, run, 0, (t, l))
    if part is None and len(inputs) == 1 and name in _POINTWISE_NAMES:
        return Pointwise(node, inputs, run)
    if part is None and len(inputs) > 1 and (name in _JOIN_NAMES or (name in ("cat", "concat") and 1 in (*node.args[1:], *node.kwargs.values()))):
        return Join(node, inputs, run)
    return Step(node, inputs, run)


def _convolution(node, inputs, run, part):
    kernel, stride, dilation = (np.array(v) for v in (part.kernel_size, part.stride, part.dilation))
    if part.padding == "valid":
        before = np.zeros(2, int)
    elif part.padding == "same":
        before = (kernel - 1) * dilation // 2
    else:
        before = np.array(part.padding)
    w, b = part.weight, part.bias
    if (kernel == 1).all() and (stride == 1).all() and (before == 0).all():
        return Pointwise(node, inputs, run, w.numel())

    def slide(x):
        return F.conv2d(x, w, b, part.stride, 0, part.dilation, part.groups)

    tile = 1
    if (kernel == 3).all() and (stride == 1).all() and (dilation == 1).all() and part.groups == 1 and min(w.shape[:2]) >= 64:
        slide = WinogradConvolution(w, b)
        tile = TILE
        t, l = before.tolist()

        def run(x):
            h, wd = x.shape[2] + 2 * t - 2, x.shape[3] + 2 * l - 2
            x = F.pad(x, (l, l + -wd % 4, t, t + -h % 4))
            return slide(x)[:, :, :h, :wd]

    return Sliding(node, inputs, run, w.numel(), kernel, stride, dilation, before, 0.0, slide, tile)


def _max_pool(node, inputs, run, k, s, p, d, ceil_mode):
    k = _pair(k)
    s = k if s is None else _pair(s)
    p, d = _pair(p), _pair(d)
    kk, ss, dd = tuple(k.tolist()), tuple(s.tolist()), tuple(d.tolist())
    return Sliding(node, inputs, run, 0, k, s, d, p, -float("inf"), lambda x: F.max_pool2d(x, kk, ss, 0, dd), 1)
