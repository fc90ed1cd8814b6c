"""A table of ATen operations by what they do to the pixels of a feature map.

Names are those of `torch.ops.aten`, as `core.engine.capture` records them.
"""

from typing import Any

import torch
from torch import fx

POINTWISE = frozenset(
    [
        "abs",
        "celu",
        "ceil",
        "clamp",
        "clamp_max",
        "clamp_min",
        "elu",
        "erf",
        "exp",
        "expm1",
        "floor",
        "gelu",
        "hardshrink",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "log",
        "log1p",
        "log_sigmoid",
        "logical_not",
        "mish",
        "nan_to_num",
        "neg",
        "pow",
        "prelu",
        "reciprocal",
        "relu",
        "relu6",
        "round",
        "rsqrt",
        "selu",
        "sigmoid",
        "sign",
        "silu",
        "softplus",
        "softshrink",
        "sqrt",
        "square",
        "tanh",
        "threshold",
        "to",
        "_to_copy",
    ]
)
"""Of one value: each number of the output depends on that number of the input alone."""

UNCHANGED = frozenset(
    ["alias", "detach", "contiguous", "clone", "lift_fresh_copy", "dropout", "feature_dropout"]
)
"""Of one value, which they leave as it is, dropout in eval mode; only its memory may differ."""

ARITHMETIC = frozenset(
    [
        "add",
        "sub",
        "rsub",
        "mul",
        "div",
        "pow",
        "maximum",
        "minimum",
        "where",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
    ]
)
"""Of several values, which are broadcast to one shape."""

OVER_CHANNELS = frozenset(
    [
        "softmax",
        "log_softmax",
        "mean",
        "sum",
        "amax",
        "amin",
        "linalg_vector_norm",
        "norm",
        "cumsum",
    ]
)
"""Of one value along the axes that are named ``dim``: within a pixel if that is the channels'."""

POOLING = frozenset(
    [
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        "upsample_nearest2d",
        "upsample_bilinear2d",
        "upsample_bicubic2d",
    ]
)
"""From one map to another, channel by channel, rows and columns staying in their order."""

RECTIFIERS = frozenset(
    [
        "relu",
        "relu6",
        "hardtanh",
        "clamp",
        "clamp_min",
    ]
)
"""Which may be rectifiers: it depends on their bounds."""

RANDOM = torch.Tag.nondeterministic_seeded


def name(node: fx.Node) -> str:
    """The name of a node's operation: conv2d; empty if it is not ATen's."""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.name.partition("::")[2]
    return ""


def schema_of(node: fx.Node) -> torch._C.FunctionSchema:
    """The schema of an operation of ATen."""
    assert isinstance(node.target, torch._ops.OpOverload)
    return node.target._schema


def arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of an operation of ATen by name, defaults included."""
    schema = schema_of(node).arguments
    given = dict(zip((each.name for each in schema), node.args, strict=False))
    return {each.name: each.default_value for each in schema if each.has_default_value()} | (
        given | dict(node.kwargs)
    )


def shape(node: fx.Node) -> tuple[Any, ...] | None:
    """The shape of a value, the batch as a symbol; None if it is no tensor."""
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def ceiling(node: fx.Node) -> float | None:
    """Above what a rectifier is flat: infinity for ReLU, 6 for ReLU6; None for all else."""
    found = name(node)
    if found == "relu":
        return float("inf")
    if found == "relu6":
        return 6.0
    given = arguments(node) if found in RECTIFIERS else {}
    if found == "hardtanh" and given["min_val"] == 0:
        return float(given["max_val"])
    if found in ("clamp", "clamp_min") and given.get("min") == 0:
        return float("inf") if given.get("max") is None else float(given["max"])
    return None
