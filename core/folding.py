"""A private copy of a network, traced into a graph and simplified for inference.

The graph computes what the network computes in eval mode. No operation writes into its input;
convolution, pooling and constant padding are modules however they were called; and a batch norm
that follows a convolution is part of it, as are zeros padded before it.
"""

import copy
import operator
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

_PARAMETERS = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "pad": ("input", "pad", "mode", "value"),
}


def inference_copy(module: nn.Module) -> nn.Module:
    """A copy in eval mode, without hooks and gradients, its weights in channels_last.

    The module itself is only read.
    """
    twin = copy.deepcopy(module).eval().requires_grad_(False)
    for part in twin.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return _channels_last(twin)


_tracing = threading.Lock()


class _Tracer(fx.Tracer):
    """While torch.fx traces, it replaces `nn.Module.__call__` in the whole process.

    What other threads compute meanwhile with modules of their own passes through.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _channels_last(module: nn.Module) -> nn.Module:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def folded_graph(twin: nn.Module) -> fx.GraphModule:
    """Trace what `inference_copy` returned and simplify the graph.

    Raises:
        Exception: of any type, where torch.fx cannot follow the module, most often because its
            control flow depends on the values it computes.
    """
    with _tracing:
        traced = fx.GraphModule(twin, _Tracer().trace(twin))
    _make_functional(traced)
    _fold_constants(traced)
    _use_modules(traced)
    _keep_channels(traced)
    _fold_batch_norms(traced)
    _fold_padding(traced)
    traced.graph.eliminate_dead_code()
    return traced


def _make_functional(traced: fx.GraphModule) -> None:
    """Let no operation write into its input: who read the input afterwards reads the result."""
    modules = dict(traced.named_modules())
    in_place = {name for name, part in modules.items() if getattr(part, "inplace", False)}
    for name in in_place:
        modules[name].inplace = False
    earlier: set[fx.Node] = set()
    for node in traced.graph.nodes:
        earlier.add(node)
        name = getattr(node.target, "__name__", node.target)
        underscored = name.endswith("_") and not name.endswith("__")
        if node.kwargs.get("inplace", False):
            node.kwargs = {**node.kwargs, "inplace": False}
        elif node.op == "call_method" and underscored:
            node.target = name.rstrip("_")
        elif node.op == "call_function" and underscored and hasattr(torch, name.rstrip("_")):
            node.target = getattr(torch, name.rstrip("_"))
        elif node.op != "call_module" or name not in in_place:
            continue
        node.args[0].replace_all_uses_with(node, lambda user: user not in earlier)


def _fold_constants(traced: fx.GraphModule) -> None:
    """Compute once whatever does not depend on the input, such as standardised weights."""
    values: dict[fx.Node, Any] = {}
    for node in list(traced.graph.nodes):
        if node.op == "get_attr":
            values[node] = attribute(traced, node)
        elif node.all_input_nodes and all(source in values for source in node.all_input_nodes):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            if node.op == "call_function":
                values[node] = node.target(*args, **kwargs)
            elif node.op == "call_method":
                values[node] = getattr(args[0], node.target)(*args[1:], **kwargs)
            if isinstance(values.get(node), Tensor):
                traced.register_buffer(f"_constant_{node.name}", values[node])
                with traced.graph.inserting_before(node):
                    node.replace_all_uses_with(traced.graph.get_attr(f"_constant_{node.name}"))


def _use_modules(traced: fx.GraphModule) -> None:
    """Replace calls such as `F.conv2d(x, self.weight, padding=1)` by modules of their own."""
    for node in list(traced.graph.nodes):
        name = getattr(node.target, "__name__", "")
        if node.op != "call_function":
            continue
        if node.target in (F.max_pool2d, torch.max_pool2d):
            name = "max_pool2d"
        elif node.target not in (F.conv2d, torch.conv2d, F.avg_pool2d, F.pad):
            continue
        if len(node.args) > len(_PARAMETERS[name]):
            continue
        arguments = dict(zip(_PARAMETERS[name], node.args, strict=False)) | dict(node.kwargs)
        inputs = arguments.pop("input")
        part = _module(traced, name, arguments)
        if part is not None:
            traced.add_submodule(f"_{node.name}", part.eval())
            with traced.graph.inserting_before(node):
                node.replace_all_uses_with(traced.graph.call_module(f"_{node.name}", (inputs,)))
    traced.graph.eliminate_dead_code()


def _module(traced: fx.GraphModule, name: str, arguments: dict[str, Any]) -> nn.Module | None:
    """The module that a function with these arguments stands for; None where there is none."""
    tensors = {key: arguments.pop(key, None) for key in ("weight", "bias")}
    if any(isinstance(value, fx.Node) for value in arguments.values()):
        return None
    if name == "max_pool2d":
        return None if arguments.pop("return_indices", False) else nn.MaxPool2d(**arguments)
    if name == "avg_pool2d":
        return nn.AvgPool2d(**arguments)
    if name == "pad":
        constant = arguments.get("mode", "constant") == "constant" and len(arguments["pad"]) == 4
        return (
            nn.ConstantPad2d(arguments["pad"], arguments.get("value") or 0.0) if constant else None
        )
    if any(tensor is not None and tensor.op != "get_attr" for tensor in tensors.values()):
        return None
    weight = attribute(traced, tensors["weight"])
    outputs, inputs = weight.shape[0], weight.shape[1] * arguments.get("groups", 1)
    part = nn.Conv2d(inputs, outputs, weight.shape[2:], bias=False, **arguments)
    part.weight = nn.Parameter(weight, requires_grad=False)
    if tensors["bias"] is not None:
        part.bias = nn.Parameter(attribute(traced, tensors["bias"]), requires_grad=False)
    return part


def _keep_channels(traced: fx.GraphModule) -> None:
    """Select a channel as `x[:, i : i + 1]` instead of `x[:, i].unsqueeze(1)`: maps stay maps."""
    for node in traced.graph.nodes:
        name = getattr(node.target, "__name__", node.target)
        if name != "unsqueeze" or node.args[1:] != (1,):
            continue
        selection = node.args[0]
        index: Any = selection.args[1] if selection.target is operator.getitem else None
        alone = len(selection.users) == 1 and isinstance(index, tuple) and len(index) == 2
        if alone and index[0] == slice(None) and type(index[1]) is int and index[1] >= 0:
            channel = index[1]
            selection.args = (selection.args[0], (slice(None), slice(channel, channel + 1)))
            node.replace_all_uses_with(selection)


def _fold_batch_norms(traced: fx.GraphModule) -> None:
    """Make a batch norm that follows a convolution, and nothing else does, part of it."""
    for node, convolution, follower, norm in _couples(traced):
        if (
            type(convolution) is nn.Conv2d
            and type(norm) is nn.BatchNorm2d
            and norm.running_mean is not None
        ):
            folded = _channels_last(fuse_conv_bn_eval(convolution, norm))
            traced.add_submodule(f"_folded_{node.name}", folded)
            node.target = f"_folded_{node.name}"
            follower.replace_all_uses_with(node)


def _fold_padding(traced: fx.GraphModule) -> None:
    """Let a convolution pad by itself where zeros are padded for it alone, as many on each side."""
    for node, padding, follower, convolution in _couples(traced):
        if not isinstance(padding, nn.ConstantPad2d) or type(convolution) is not nn.Conv2d:
            continue
        left, right, top, bottom = padding.padding
        even = padding.value == 0 and left == right >= 0 and top == bottom >= 0
        if even and convolution.padding in ("valid", (0, 0)):
            padded = copy.copy(convolution)  # with the same weights
            padded.padding, padded.padding_mode = (top, left), "zeros"
            traced.add_submodule(f"_padded_{follower.name}", padded)
            follower.target = f"_padded_{follower.name}"
            node.replace_all_uses_with(node.all_input_nodes[0])


def _couples(traced: fx.GraphModule) -> Iterator[tuple[fx.Node, nn.Module, fx.Node, nn.Module]]:
    """Calls of a module whose result only a call of another module reads, each with its module."""
    for node in list(traced.graph.nodes):
        follower = next(iter(node.users)) if len(node.users) == 1 else None
        if follower is not None and node.op == follower.op == "call_module":
            first, second = (traced.get_submodule(str(each.target)) for each in (node, follower))
            yield node, first, follower, second


def copied(traced: fx.GraphModule) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """A copy whose graph can be changed, and its node for each node; modules are shared."""
    graph, nodes = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(traced.graph, nodes))
    return fx.GraphModule(traced, graph), nodes


def attribute(traced: fx.GraphModule, node: fx.Node) -> Any:
    """The tensor that a `get_attr` node names."""
    return operator.attrgetter(str(node.target))(traced)
