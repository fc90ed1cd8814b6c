"""Batch norms in eval mode as a product and a sum, for passes back through a network.

The gradient of torch's own batch norm is wrong on the CPU where it arrives in another order of
memory than the values have (torch 2.13): channels last on the one side and not on the other, as
between a convolution and the tokens that are made of it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from .operations import arguments, name
from .outputs import logits_of

_ATEN = torch.ops.aten
_HELD = ("running_mean", "running_var", "weight", "bias")


class ExactNorms(TorchFunctionMode):
    """Within it, batch norms in eval mode are a product and a sum, in this thread."""

    def __torch_function__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch."""
        order = _ORDERS.get(func)
        if order is None:
            return func(*args, **(kwargs or {}))
        given = {"weight": None, "bias": None, "training": False, "eps": 1e-5}
        given |= dict(zip(order, args, strict=False)) | dict(kwargs or {})
        return _normed(given, lambda: func(*args, **(kwargs or {})))


_ORDERS: dict[Any, tuple[str, ...]] = {
    F.batch_norm: (
        "input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"
    ),
    torch.batch_norm: (
        "input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps"
    ),
}  # fmt: skip


class ExactLogits(nn.Module):
    """A network of any output as one of logits, its batch norms a product and a sum."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network."""
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, C, H, W) to logits (n, classes)."""
        with ExactNorms():
            return logits_of(self.network(x))


class ExactRun(fx.Interpreter):
    """Runs a graph, its batch norms as a product and a sum."""

    def run_node(self, n: fx.Node) -> Any:
        """As the graph does."""
        if name(n) != "batch_norm":
            return super().run_node(n)
        given = fx.node.map_arg(arguments(n), lambda each: self.env[each])
        return _normed(given, lambda: super(ExactRun, self).run_node(n))


def separated(graph: fx.GraphModule) -> None:
    """Let batch norms of known weights be a product and a sum in a graph."""
    for node in list(graph.graph.nodes):
        given = arguments(node) if name(node) == "batch_norm" else {}
        held = {key: given.get(key) for key in _HELD}
        if not given or given["training"] or held["running_mean"] is None:
            continue
        if any(each is not None and each.op != "get_attr" for each in held.values()):
            continue
        values = given["input"]
        known = {key: each and getattr(graph, str(each.target)) for key, each in held.items()}
        parts = _scale_and_shift({**given, **known}, len(values.meta["val"].shape))
        for part, operation in zip(parts, (_ATEN.mul.Tensor, _ATEN.add.Tensor), strict=True):
            key = f"_{name(node)}_{operation.__name__.partition('.')[0]}_{node.name}"
            graph.register_buffer(key, part)
            with graph.graph.inserting_before(node):
                constant = graph.graph.get_attr(key)
                values = graph.graph.call_function(operation, (values, constant))
            constant.meta["val"] = part
            values.meta = dict(node.meta)
        node.replace_all_uses_with(values)
        graph.graph.erase_node(node)


def _normed(given: dict[str, Any], otherwise: Callable[[], Any]) -> Any:
    if given["training"] or given["running_mean"] is None:
        return otherwise()
    values = given["input"]
    scale, shift = _scale_and_shift(given, values.dim())
    return (values * scale + shift).to(values.dtype)


def _scale_and_shift(given: dict[str, Any], axes: int) -> tuple[Tensor, Tensor]:
    """By what the values are multiplied, and what is added then: (1, C, 1, ...)."""
    mean, variance, weight, bias = (given[key] for key in _HELD)
    scale = (variance + given["eps"]).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    sides = (1, -1, *[1] * (axes - 2))
    return scale.detach().view(sides), shift.detach().view(sides)
