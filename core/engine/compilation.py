"""Compiles the graph of a network into steps for incremental inference."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from .folding import attribute, constant_padding
from .layers import (
    BorderAverage,
    Concatenation,
    Join,
    Kernel,
    Pad,
    Pointwise,
    ShapeQuery,
    Sliding,
    Step,
)
from .operations import ARITHMETIC, OVER_CHANNELS, POINTWISE, arguments, name, shape
from .positions import Places, positions
from .winograd import TILE, WinogradConvolution

WINOGRAD_CHANNELS = 64
"""With fewer channels, Winograd's transforms cost more than they spare."""


_ALLOCATING = (POINTWISE - {"to"}) | ARITHMETIC | {"batch_norm", "layer_norm"}
"""By pixel, and never a view of the input."""


@dataclass(frozen=True)
class Program:
    """The steps of a network, in the order in which they run.

    Attributes:
        input: the picture.
        output: the logits.
        steps: everything between the two.
        finished: for each step, the values that nobody reads after it.
        places: where the values that have places have them.
        local: the values in which a local change of the picture can stay local.
        layers: the values that are computed with weights.
    """

    input: fx.Node
    output: fx.Node
    steps: list[Step]
    finished: dict[Step, list[fx.Node]]
    places: dict[fx.Node, Places]
    local: set[fx.Node]
    layers: set[fx.Node]

    @staticmethod
    def of(graph: fx.GraphModule) -> "Program":
        """Compile a graph made by `core.engine.folding.folded`."""
        nodes = list(graph.graph.nodes)
        (entry,) = (node for node in nodes if node.op == "placeholder")
        output: Any = nodes[-1].args[0]
        places = positions(graph.graph)
        steps = _Compiler(graph, places).steps()
        last_readers = {node: step for step in steps for node in step.inputs if node is not output}
        finished: dict[Step, list[fx.Node]] = {step: [] for step in steps}
        for node, step in last_readers.items():
            finished[step].append(node)
        local = {entry}
        for step in steps:
            if step.local and local.issuperset(step.inputs):
                local.add(step.node)
        layers = {
            step.node
            for step in steps
            if any(source.op == "get_attr" for source in step.node.all_input_nodes)
        }
        return Program(entry, output, steps, finished, places, local, layers)


class _Compiler:
    """Makes a step of each operation of a graph."""

    def __init__(self, graph: fx.GraphModule, places: dict[fx.Node, Places]) -> None:
        self._graph = graph
        self._places = places
        self._allocated: set[fx.Node] = set()

    def steps(self) -> list[Step]:
        """In the order of the graph."""
        steps = []
        for node in self._graph.graph.nodes:
            if node.op == "call_function":
                step = self._step(node)
                steps.append(step)
                if isinstance(step, Sliding | Join) or step.terms or name(node) in _ALLOCATING:
                    self._allocated.add(node)
        return steps

    def _step(self, node: fx.Node) -> Step:
        """The kind of step that a node is."""
        kind = name(node)
        inputs = tuple(source for source in node.all_input_nodes if source.op != "get_attr")
        run = self._operation(node, inputs, node.target)
        if kind in ("sym_size", "sym_numel"):
            return ShapeQuery(node, inputs, run)
        places = self._places.get(node)
        source = inputs[0] if inputs else None
        before = self._places.get(source) if source is not None else None
        if places is None or before is None or not places.is_map or not before.is_map:
            return Step(node, inputs, run, self._terms(node))
        if kind in ("permute", "transpose"):
            return Pointwise(node, inputs, run, run_local=lambda x: x)
        if kind in ARITHMETIC or kind == "cat":
            return self._join(node, inputs, places, run)
        if kind == "conv2d":
            return self._convolution(node, inputs, run)
        if kind in ("pad", "constant_pad_nd"):
            return self._padding(node, inputs, run)
        if kind == "max_pool2d":
            return _max_pooling(node, inputs, run)
        if kind == "avg_pool2d":
            return _average_pooling(node, inputs, run)
        if self._by_pixel(node, kind, places):
            run = self._in_place(node, inputs) or run
            local = _reordered(run, before, places)
            return Pointwise(node, inputs, run, self._terms(node), run_local=local)
        return Step(node, inputs, run, self._terms(node))

    def _by_pixel(self, node: fx.Node, kind: str, places: Places) -> bool:
        """Whether an operation of one map treats every pixel alike and by itself."""
        given = arguments(node)
        if kind in POINTWISE or kind in OVER_CHANNELS:  # that it is over channels is proved already
            return kind != "cumsum" or places.axes == "NCHW"
        if kind == "batch_norm":
            return not given["training"] and places.axes[1] == "C"
        if kind == "layer_norm":
            return len(given["normalized_shape"]) == 1 and places.axes[-1] == "C"
        if kind == "linear":
            return places.axes[-1] == "C" and self._constant(node.args[1]) is not None
        return kind in ("slice", "index_select") and places.axes[given["dim"]] == "C"

    def _terms(self, node: fx.Node) -> int:
        """Multiply-adds of a convolution or linear layer for one number of its output."""
        weight = self._constant(node.args[1]) if name(node) in ("conv2d", "linear") else None
        return 0 if weight is None else weight[0].numel()

    def _constant(self, node: Any) -> Tensor | None:
        known = isinstance(node, fx.Node) and node.op == "get_attr"
        return attribute(self._graph, node) if known else None

    def _operation(
        self, node: fx.Node, inputs: tuple[fx.Node, ...], target: Any
    ) -> Callable[..., Any]:
        """What a node computes, as a function of its inputs."""
        if node.args == inputs and not node.kwargs:
            return target

        def constant(source: fx.Node) -> Any:
            return attribute(self._graph, source) if source.op == "get_attr" else source

        args, kwargs = fx.node.map_arg((node.args, node.kwargs), constant)
        if node.args[:1] == inputs and node not in inputs and not _holds(args[1:], kwargs):
            rest = args[1:]
            return lambda x: target(x, *rest, **kwargs)

        def operation(*values: Any) -> Any:
            known = dict(zip(inputs, values, strict=True))
            actual, named = fx.node.map_arg((args, kwargs), known.__getitem__)
            return target(*actual, **named)

        return operation

    def _in_place(self, node: fx.Node, inputs: tuple[fx.Node, ...]) -> Callable[..., Any] | None:
        """An activation that writes over what was allocated for it alone."""
        packet = getattr(torch.ops.aten, f"{name(node)}_", None)
        overload = getattr(packet, node.target._overloadname, None)  # type: ignore[union-attr]
        alone = inputs[0] in self._allocated and len(inputs[0].users) == 1
        if overload is None or not alone or name(node) not in POINTWISE:
            return None
        return self._operation(node, inputs, overload)

    def _join(
        self, node: fx.Node, inputs: tuple[fx.Node, ...], places: Places, run: Callable[..., Any]
    ) -> Step:
        """Maps of one size, pixel by pixel; a constant has to be the same for all pixels."""
        others = [source for source in node.all_input_nodes if source.op == "get_attr"]
        sizes = [shape(source) or () for source in others]
        rows_and_columns = [places.axes.index(axis) - 4 for axis in "HW"]
        even = all(
            len(size) < -axis or size[axis] == 1 for size in sizes for axis in rows_and_columns
        )
        axes = {self._places[source].axes if source in self._places else "" for source in inputs}
        over_channels = name(node) != "cat" or places.axes[arguments(node)["dim"]] == "C"
        if (
            not even
            or axes != {places.axes}
            or not over_channels
            or (others and name(node) == "cat")
        ):
            return Step(node, inputs, run)
        local = _reordered(run, places, places)
        if len(inputs) == 1:
            return Pointwise(node, inputs, run, run_local=local)
        if name(node) == "cat":
            parts = tuple(arguments(node)["tensors"])
            return Concatenation(
                node, inputs, run, run_local=local, parts=parts, order=places.order
            )
        return Join(node, inputs, run, run_local=local)

    def _convolution(
        self, node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any]
    ) -> Step:
        given = arguments(node)
        weight, bias = self._constant(given["weight"]), self._constant(given["bias"])
        if weight is None or (bias is None and given["bias"] is not None):
            return Step(node, inputs, run)
        stride, dilation, groups = given["stride"], given["dilation"], given["groups"]
        padding, size = given["padding"], weight.shape[2:]
        if isinstance(padding, str):
            same = padding == "same"
            padding = [
                (side - 1) * step // 2 * same for side, step in zip(size, dilation, strict=True)
            ]
        kernel = Kernel.of(size, stride, dilation, padding)
        terms = weight[0].numel()
        unit_steps = (kernel.stride == 1).all() and (kernel.dilation == 1).all()
        if unit_steps and (kernel.size == 1).all() and not kernel.before.any():
            return Pointwise(node, inputs, run, terms)
        wide = groups == 1 and min(weight.shape[:2]) >= WINOGRAD_CHANNELS
        precise = weight.dtype in (torch.float32, torch.float64)
        if unit_steps and (kernel.size == 3).all() and wide and precise:
            sides = (int(kernel.before[0]), int(kernel.before[1]))
            winograd = WinogradConvolution(weight, bias, sides)
            return Sliding(
                node, inputs, winograd.padded, terms, kernel=kernel, slide=winograd, tile=TILE
            )

        def slide(x: Tensor) -> Tensor:
            return F.conv2d(x, weight, bias, stride, 0, dilation, groups)

        return Sliding(node, inputs, run, terms, kernel=kernel, slide=slide)

    def _padding(self, node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any]) -> Step:
        padded = constant_padding(node)
        if padded is None or self._places[node].axes != "NCHW" or min(padded[1]) < 0:
            return Step(node, inputs, run)
        left, _, top, _ = padded[1]
        return Pad(node, inputs, run, before=np.array([top, left]))


def _holds(*values: Any) -> bool:
    """Whether arguments name values that are still to be computed."""
    found: list[fx.Node] = []
    fx.node.map_arg(values, found.append)
    return bool(found)


def _reordered(run: Callable[..., Any], before: Places, after: Places) -> Callable[..., Any] | None:
    """An operation on maps (n, C, h, w) that is written for other axes; None if it is not."""
    if before.axes == after.axes == "NCHW":
        return None
    back = after.axes

    def operation(*maps: Tensor) -> Tensor:
        return run(*(each.permute(before.order) for each in maps)).permute(
            [back.index(axis) for axis in "NCHW"]
        )

    return operation


def _max_pooling(node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any]) -> Step:
    given = arguments(node)
    size, stride, dilation = given["kernel_size"], given["stride"], given["dilation"]
    kernel = Kernel.of(size, stride or size, dilation, given["padding"])

    def slide(x: Tensor) -> Tensor:
        return F.max_pool2d(x, size, stride or size, 0, dilation)

    return Sliding(node, inputs, run, kernel=kernel, slide=slide, fill=-np.inf)


def _average_pooling(node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any]) -> Step:
    given = arguments(node)
    size, divisor = given["kernel_size"], given["divisor_override"]
    stride = given["stride"] or size
    kernel = Kernel.of(size, stride, 1, given["padding"])

    def slide(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, size, stride, divisor_override=divisor)

    counts = given["count_include_pad"]
    uneven = given["ceil_mode"] or (kernel.before.any() and not counts)
    if uneven and divisor is None:
        counted = kernel.before * int(counts)
        return BorderAverage(node, inputs, run, kernel=kernel, slide=slide, counted=counted)
    return Sliding(node, inputs, run, kernel=kernel, slide=slide)
