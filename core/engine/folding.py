"""Simplifies a captured network for inference: constant folding, batch norms, padding.

What does not depend on the picture is computed once; a batch norm that follows a convolution is
part of it, as are zeros padded before it; operations that change nothing in eval mode are gone.
Convolutions have their weights in channels_last.
"""

from typing import Any

import torch
from torch import Tensor, fx
from torch.nn.utils.fusion import fuse_conv_bn_weights

from .operations import RANDOM, UNCHANGED, arguments, name, shape
from .positions import positions

_ops = torch.ops.aten
_RESHAPED = frozenset(["view", "_unsafe_view"])


def folded(network: fx.GraphModule) -> fx.GraphModule:
    """A simplified copy of a captured network; it shares the weights that stay as they are."""
    graph, _ = copied(network)
    for simplify in (
        _norms,
        _constants,
        _identities,
        _channels,
        _shuffles,
        _batch_norms,
        _padding,
        _order_tokens,
    ):
        simplify(graph)
        graph.graph.eliminate_dead_code()
    _channels_last(graph)
    graph.delete_all_unused_submodules()
    _forget_unused(graph)
    graph.recompile()
    return graph


def _forget_unused(graph: fx.GraphModule) -> None:
    """Hold no weights that were replaced."""
    used = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    for key in list(graph._buffers):
        if key not in used:
            delattr(graph, key)


def _norms(graph: fx.GraphModule) -> None:
    """One form of a norm over the pixels of each channel.

    The gradient of `instance_norm` of a single picture is wrong where it lies in channels_last.
    """
    for node in list(graph.graph.nodes):
        if name(node) == "instance_norm":
            _instance_norm(graph, node)


def _instance_norm(graph: fx.GraphModule, node: fx.Node) -> None:
    given, sides = arguments(node), shape(node)
    assert sides is not None
    values, scales = given["input"], (given["weight"], given["bias"])
    if given["use_input_stats"]:
        _insert(graph, node, _ops.group_norm.default, values, sides[1], *scales, given["eps"])
    else:
        rest = given["running_mean"], given["running_var"], False, 0.0, given["eps"], False
        _insert(graph, node, _ops.batch_norm.default, values, *scales, *rest)


def _constants(graph: fx.GraphModule) -> None:
    """Compute once what does not depend on the picture, such as standardised weights."""
    values: dict[fx.Node, Any] = {}
    for node in list(graph.graph.nodes):
        if node.op == "get_attr":
            values[node] = attribute(graph, node)
        elif node.op == "call_function" and all(each in values for each in node.all_input_nodes):
            if RANDOM in getattr(node.target, "tags", ()):
                continue
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
            if isinstance(values[node], Tensor):
                constant = _constant(graph, node, values[node])
                values[constant] = values[node]
                node.replace_all_uses_with(constant)


def _constant(graph: fx.GraphModule, before: fx.Node, value: Tensor) -> fx.Node:
    key = f"_constant_{before.name}"
    graph.register_buffer(key, value)
    with graph.graph.inserting_before(before):
        node = graph.graph.get_attr(key)
    node.meta["val"] = value
    return node


def _identities(graph: fx.GraphModule) -> None:
    """Drop what changes nothing, and let no operation depend on how its input lies in memory.

    Maps lie in memory as suits convolutions. Other values, such as the heads of an attention, are
    put in order where the network does so: what follows is faster then.
    """
    places = positions(graph.graph)
    for node in list(graph.graph.nodes):
        kind = name(node)
        if kind in ("contiguous", "clone") and node not in places:
            continue
        if kind in _RESHAPED:
            _insert(graph, node, _ops.reshape.default, *node.args)
        elif _changes_nothing(node, kind):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)  # dropout is not taken for dead code by itself


def _order_tokens(graph: fx.GraphModule) -> None:
    """Put transposed tokens in order before a linear layer, which would else be many small ones."""
    places = positions(graph.graph)
    for node in list(graph.graph.nodes):
        source: Any = node.args[0] if name(node) == "linear" else None
        if source is None or name(source) not in ("transpose", "permute"):
            continue
        if source in places and places[source].is_map:
            continue  # in order already where the map is in channels_last
        with graph.graph.inserting_before(node):
            ordered = graph.graph.call_function(_ops.contiguous.default, (source,))
        ordered.meta = dict(source.meta)
        node.replace_input_with(source, ordered)


def _changes_nothing(node: fx.Node, kind: str) -> bool:
    if kind in UNCHANGED:
        return not (kind.endswith("dropout") and arguments(node)["train"])
    if kind in ("pad", "constant_pad_nd"):
        return not any(arguments(node)["pad"])
    return kind in ("to", "_to_copy", "adaptive_avg_pool2d", "expand") and _alike(node)


def _alike(node: fx.Node) -> bool:
    """Whether the output has the shape, type and device of the input."""
    before, after = node.args[0].meta.get("val"), node.meta.get("val")  # type: ignore[union-attr]
    return (
        isinstance(before, Tensor)
        and isinstance(after, Tensor)
        and before.dim() == after.dim()
        and all(_same(a, b) for a, b in zip(before.shape, after.shape, strict=True))
        and (before.dtype, before.device) == (after.dtype, after.device)
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two sides are the same number, or the same symbol."""
    return str(a) == str(b)


def _channels(graph: fx.GraphModule) -> None:
    """Take channels by slices: ``x[:, i].unsqueeze(1)``, and the parts of a split."""
    for node in list(graph.graph.nodes):
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node):
            continue
        if (
            name(node) == "unsqueeze"
            and name(source) == "select"
            and source.args[1] == node.args[1]
        ):
            given, dimension = arguments(source), node.args[1]
            sides = shape(given["self"])
            assert sides is not None
            if dimension in (0, -len(sides)):
                continue
            index = given["index"] % sides[dimension]
            _insert(graph, node, _ops.slice.Tensor, given["self"], dimension, index, index + 1)
        elif name(source) in ("chunk", "split", "split_with_sizes", "unbind"):
            given = arguments(source)
            parts: Any = source.meta["val"]
            sides = shape(node)
            dimension = given["dim"]
            if sides is None or name(source) == "unbind" or dimension % len(sides) == 0:
                continue
            first = sum(int(part.shape[dimension]) for part in parts[: int(node.args[1])])
            end = first + int(sides[dimension])
            _insert(graph, node, _ops.slice.Tensor, given["self"], dimension, first, end)


def _shuffles(graph: fx.GraphModule) -> None:
    """Channels in another order: cut into groups, the groups transposed, and flattened again."""
    for node in list(graph.graph.nodes):
        if name(node) not in ("reshape", "flatten"):
            continue
        turned: Any = node.args[0]
        cut: Any = turned.args[0] if name(turned) == "transpose" else turned
        if name(cut) != "reshape" or turned is cut:
            continue
        before, groups, after = shape(cut.args[0]), shape(cut), shape(node)
        if before is None or groups is None or after is None or len(before) != 4:
            continue
        rest = [str(side) for side in (before[0], *before[2:])]
        same = [str(side) for side in before] == [str(side) for side in after]
        whole = len(groups) == 5 and [str(side) for side in (groups[0], *groups[3:])] == rest
        if same and whole and set(turned.args[1:3]) == {1, 2}:
            order = torch.arange(int(before[1])).view(int(groups[1]), int(groups[2])).T.flatten()
            chosen = _constant(graph, node, order.to(node.meta["val"].device))
            _insert(graph, node, _ops.index_select.default, cut.args[0], 1, chosen)


def _batch_norms(graph: fx.GraphModule) -> None:
    """Make a batch norm part of the convolution or linear layer that nothing else follows."""
    layers = [*_couples(graph, "conv2d", "batch_norm"), *_couples(graph, "linear", "batch_norm")]
    for layer, norm in layers:
        given, follows = arguments(layer), arguments(norm)
        keys = ("weight", "bias", "running_mean", "running_var")
        tensors = [given["weight"], given["bias"], *(follows[key] for key in keys)]
        if follows["training"] or follows["running_mean"] is None or not _all_known(tensors):
            continue
        if name(layer) == "linear" and len(shape(layer) or ()) != 2:
            continue  # the norm is over the tokens
        known: list[Any] = [_known(graph, each) for each in tensors]
        weight, bias, gamma, beta, mean, variance = known
        wide = torch.promote_types(weight.dtype, torch.float32)  # folding in half would round twice
        folded = fuse_conv_bn_weights(
            weight.to(wide), bias, mean, variance, follows["eps"], gamma, beta
        )
        new = [_constant(graph, layer, each.detach().to(weight.dtype)) for each in folded[:1]]
        new.append(_constant(graph, norm, folded[1].detach().to(weight.dtype)))
        geometry = _geometry(given) if name(layer) == "conv2d" else ()
        _insert(graph, norm, layer.target, given["input"], *new, *geometry)


def _geometry(given: dict[str, Any]) -> tuple[Any, ...]:
    return given["stride"], given["padding"], given["dilation"], given["groups"]


def _all_known(tensors: list[Any]) -> bool:
    return all(each is None or each.op == "get_attr" for each in tensors)


def _known(graph: fx.GraphModule, node: fx.Node | None) -> Tensor | None:
    return None if node is None else attribute(graph, node)


def _padding(graph: fx.GraphModule) -> None:
    """Let a convolution pad by itself where zeros are padded for it alone, as many on each side."""
    for padding, convolution in _couples(graph, "pad", "conv2d"):
        pads = constant_padding(padding)
        given = arguments(convolution)
        if pads is None or pads[0] != 0 or not isinstance(given["padding"], list):
            continue
        left, right, top, bottom = pads[1]
        even = left == right >= 0 and top == bottom >= 0 and not any(given["padding"])
        if even and given["input"] is padding:
            given["padding"] = [top, left]
            convolution.args = (
                padding.args[0], given["weight"], given["bias"], *_geometry(given),
            )  # fmt: skip
            convolution.kwargs = {}


def constant_padding(node: fx.Node) -> tuple[float, tuple[int, int, int, int]] | None:
    """Value and sides (left, right, top, bottom) of a padding of maps with a constant."""
    if name(node) not in ("pad", "constant_pad_nd"):
        return None
    given = arguments(node)
    pads = list(given["pad"])
    sides = shape(node)
    if given.get("mode", "constant") != "constant" or sides is None or len(sides) != 4:
        return None
    if any(not isinstance(side, int) for side in pads) or any(pads[4:]):
        return None
    left, right, top, bottom = (*pads, 0, 0, 0, 0)[:4]
    return float(given["value"] or 0.0), (left, right, top, bottom)


def _couples(graph: fx.GraphModule, first: str, second: str) -> list[tuple[fx.Node, fx.Node]]:
    """Operations of one kind whose result only one of another kind reads, as its first input."""
    found = []
    for node in graph.graph.nodes:
        follower = next(iter(node.users)) if len(node.users) == 1 else None
        if (
            follower is not None
            and name(node) == first
            and name(follower) == second
            and follower.args[:1] == (node,)
        ):
            found.append((node, follower))
    return found


def _channels_last(graph: fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        weight = node.args[1] if name(node) == "conv2d" else None
        if isinstance(weight, fx.Node) and weight.op == "get_attr":
            tensor = attribute(graph, weight)
            last = tensor.contiguous(memory_format=torch.channels_last)
            if last.stride() != tensor.stride():
                node.args = (node.args[0], _constant(graph, node, last), *node.args[2:])


def _insert(graph: fx.GraphModule, node: fx.Node, target: Any, *args: Any) -> None:
    """Put another operation in the place of a node."""
    with graph.graph.inserting_before(node):
        made = graph.graph.call_function(target, args)
    made.meta = dict(node.meta)
    node.replace_all_uses_with(made)


def copied(graph: fx.GraphModule) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """A copy whose graph can be changed, and its node for each node; weights are shared."""
    made, nodes = fx.Graph(), dict[fx.Node, fx.Node]()
    made.output(made.graph_copy(graph.graph, nodes))
    return fx.GraphModule(graph, made), nodes


def attribute(graph: fx.GraphModule, node: fx.Node) -> Any:
    """The tensor that a `get_attr` node names."""
    return getattr(graph, str(node.target))
