"""From the graph of a network to the steps in which it is computed."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, fx, nn
from torch.nn import functional as F

from core.folding import attribute
from core.layers import BorderAverage, Join, Kernel, Pad, Pointwise, ShapeQuery, Sliding, Step
from core.winograd import TILE, WinogradConvolution

WINOGRAD_CHANNELS = 64
"""With fewer channels, Winograd's transforms cost more than they spare."""

# Functions and methods of these names, and modules of these types, treat every pixel alike.
_POINTWISE_NAMES = frozenset(
    (
        *("abs", "celu", "clamp", "clip", "clone", "contiguous", "dropout", "elu", "exp", "float"),
        *("gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid"),
        *("mish", "neg", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink"),
        *("softsign", "sqrt", "square", "stochastic_depth", "tanh", "tanhshrink", "threshold"),
    )
)
_POINTWISE_MODULES = (
    *(nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout),
    *(nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.GELU, nn.Sigmoid),
    *(nn.Tanh, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.Softplus, nn.Softsign),
    *(nn.Mish, nn.LogSigmoid, nn.Threshold, nn.Softshrink, nn.Hardshrink, nn.Tanhshrink),
)
_ARITHMETIC_NAMES = frozenset(
    (
        *("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "truediv"),
        *("true_divide", "pow", "maximum", "minimum"),
    )
)
_SHAPE_NAMES = ("shape", "ndim", "device", "dtype")


@dataclass(frozen=True)
class Program:
    """The steps of a network, in the order in which they run.

    Attributes:
        input: the picture.
        output: the logits.
        steps: everything between the two.
        finished: for each step, the values that nobody reads after it.
        local: the values in which a local change of the picture can stay local.
        layers: the values that are computed with weights.
    """

    input: fx.Node
    output: fx.Node
    steps: list[Step]
    finished: dict[Step, list[fx.Node]]
    local: set[fx.Node]
    layers: set[fx.Node]

    @staticmethod
    def of(traced: fx.GraphModule) -> "Program":
        """Compile a graph made by `core.folding.folded_graph`.

        Raises:
            ValueError: the network does not read exactly one input.
        """
        nodes = list(traced.graph.nodes)
        inputs = [node for node in nodes if node.op == "placeholder" and node.users]
        if len(inputs) != 1:
            raise ValueError(f"it reads {len(inputs)} inputs instead of one")
        output: Any = nodes[-1].args[0]
        steps = _steps(traced)
        last_readers = {node: step for step in steps for node in step.inputs if node is not output}
        finished: dict[Step, list[fx.Node]] = {step: [] for step in steps}
        for node, step in last_readers.items():
            finished[step].append(node)
        local = {inputs[0]}
        for step in steps:
            if step.local and local.issuperset(step.inputs):
                local.add(step.node)
        layers = {step.node for step in steps if _has_weights(traced, step.node)}
        return Program(inputs[0], output, steps, finished, local, layers)


def _has_weights(traced: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return any(True for _ in traced.get_submodule(str(node.target)).parameters())
    return any(source.op == "get_attr" for source in node.all_input_nodes)


def _steps(traced: fx.GraphModule) -> list[Step]:
    steps: list[Step] = []
    allocated: set[fx.Node] = set()
    for node in traced.graph.nodes:
        if not node.op.startswith("call"):
            continue
        inputs = tuple(source for source in node.all_input_nodes if source.op != "get_attr")
        # An activation may write over what was allocated for it alone.
        in_place = (
            inputs[:1] == node.args[:1] and inputs[0] in allocated and len(inputs[0].users) == 1
        )
        step = _step(traced, node, inputs, _operation(traced, node, inputs, in_place))
        steps.append(step)
        if isinstance(step, Sliding | Join) or step.terms:
            allocated.add(node)
    return steps


def _operation(
    traced: fx.GraphModule, node: fx.Node, inputs: tuple[fx.Node, ...], in_place: bool
) -> Callable[..., Any]:
    """What a node computes, as a function of its inputs."""
    target: Any = node.target
    kwargs = dict(node.kwargs)
    if node.op == "call_module":
        target = traced.get_submodule(str(node.target))
        if hasattr(target, "inplace"):
            target = copy.copy(target)
            target.inplace = in_place
    elif node.op == "call_method":
        target = getattr(Tensor, str(node.target))
    elif "inplace" in kwargs:
        kwargs["inplace"] = in_place
    if node.args == inputs and not kwargs:
        return target

    def constant(source: fx.Node) -> Any:
        return attribute(traced, source) if source.op == "get_attr" else source

    args, kwargs = fx.node.map_arg((node.args, kwargs), constant)

    def operation(*values: Any) -> Any:
        known = dict(zip(inputs, values, strict=True))
        actual, named = fx.node.map_arg((args, kwargs), known.__getitem__)
        return target(*actual, **named)

    return operation


def _step(
    traced: fx.GraphModule, node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any]
) -> Step:
    """The kind of step that a node is."""
    if node.op == "call_module":
        return _module_step(node, inputs, run, traced.get_submodule(str(node.target)))
    name = getattr(node.target, "__name__", str(node.target))
    if name in ("size", "dim") or (name == "getattr" and node.args[1] in _SHAPE_NAMES):
        return ShapeQuery(node, inputs, run)
    constants = [attribute(traced, s) for s in node.all_input_nodes if s.op == "get_attr"]
    if name in _ARITHMETIC_NAMES and all(_same_for_all_pixels(value) for value in constants):
        return Join(node, inputs, run) if len(inputs) > 1 else Pointwise(node, inputs, run)
    if constants:
        return Step(node, inputs, run)
    if name in ("cat", "concat") and 1 in (*node.args[1:], *node.kwargs.values()):
        return Join(node, inputs, run)
    selects_channels = name == "getitem" and _selects_channels(node.args[1])
    if len(inputs) == 1 and (name in _POINTWISE_NAMES or selects_channels):
        return Pointwise(node, inputs, run)
    return Step(node, inputs, run)


def _same_for_all_pixels(constant: Any) -> bool:
    """Whether an operand broadcasts over the pixels of a map (n, C, H, W)."""
    if not isinstance(constant, Tensor) or constant.numel() == 1:
        return True
    return constant.dim() >= 3 and constant.shape[-2:] == (1, 1)


def _selects_channels(index: Any) -> bool:
    """Whether an index is [:, a:b], which leaves the pixels in their places."""
    return (
        isinstance(index, tuple)
        and len(index) == 2
        and index[0] == slice(None)
        and isinstance(index[1], slice)
    )


def _module_step(
    node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any], part: nn.Module
) -> Step:
    """The kind of step that a module is."""
    if type(part) is nn.Conv2d and part.padding_mode == "zeros":
        return _convolution(node, inputs, run, part)
    if isinstance(part, nn.Linear):
        return Step(node, inputs, run, part.in_features)
    if type(part) in _POINTWISE_MODULES:
        return Pointwise(node, inputs, run)
    if isinstance(part, nn.ConstantPad2d) and min(part.padding) >= 0:
        left, _, top, _ = part.padding
        return Pad(node, inputs, run, before=np.array([top, left]))
    if isinstance(part, nn.MaxPool2d) and not part.return_indices:
        return _max_pooling(node, inputs, run, part)
    if isinstance(part, nn.AvgPool2d):
        return _average_pooling(node, inputs, run, part)
    return Step(node, inputs, run)


def _convolution(
    node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any], part: nn.Conv2d
) -> Step:
    padding: Any = 0 if part.padding == "valid" else part.padding
    if padding == "same":
        pairs = zip(part.kernel_size, part.dilation, strict=True)
        padding = [(size - 1) * dilation // 2 for size, dilation in pairs]
    kernel = Kernel.of(part.kernel_size, part.stride, part.dilation, padding)
    weight, bias = part.weight, part.bias
    terms = weight[0].numel()
    unit_steps = (kernel.stride == 1).all() and (kernel.dilation == 1).all()
    if unit_steps and (kernel.size == 1).all() and not kernel.before.any():
        return Pointwise(node, inputs, run, terms)
    wide = part.groups == 1 and min(weight.shape[:2]) >= WINOGRAD_CHANNELS
    if unit_steps and (kernel.size == 3).all() and wide:
        winograd = WinogradConvolution(weight, bias, (int(kernel.before[0]), int(kernel.before[1])))
        return Sliding(
            node, inputs, winograd.padded, terms, kernel=kernel, slide=winograd, tile=TILE
        )

    def slide(x: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, part.stride, 0, part.dilation, part.groups)

    return Sliding(node, inputs, run, terms, kernel=kernel, slide=slide)


def _max_pooling(
    node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any], part: nn.MaxPool2d
) -> Step:
    def slide(x: Tensor) -> Tensor:
        return F.max_pool2d(x, part.kernel_size, part.stride, 0, part.dilation)

    kernel = Kernel.of(part.kernel_size, part.stride, part.dilation, part.padding)
    return Sliding(node, inputs, run, kernel=kernel, slide=slide, fill=-np.inf)


def _average_pooling(
    node: fx.Node, inputs: tuple[fx.Node, ...], run: Callable[..., Any], part: nn.AvgPool2d
) -> Step:
    divisor = part.divisor_override

    def slide(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, part.kernel_size, part.stride, divisor_override=divisor)

    kernel = Kernel.of(part.kernel_size, part.stride, 1, part.padding)
    uneven = part.ceil_mode or (kernel.before.any() and not part.count_include_pad)
    if uneven and divisor is None:
        counted = kernel.before * int(part.count_include_pad)
        return BorderAverage(node, inputs, run, kernel=kernel, slide=slide, counted=counted)
    return Sliding(node, inputs, run, kernel=kernel, slide=slide)
