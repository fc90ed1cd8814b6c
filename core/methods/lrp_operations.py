"""Which operation has which rule of layer-wise relevance propagation.

A product of two values has AttnLRP's rule, a half for each, unless one of them is a gate: then all
goes to the other, the signal (Arras et al., "Explaining and Interpreting LSTMs", 2019).
"""

import math
import operator
from collections.abc import Collection
from typing import Any

from torch import Tensor, fx

from ..engine.operations import POINTWISE, UNCHANGED, arguments, ceiling, name
from . import lrp_values
from .lrp_values import Ruled

_MOVED = frozenset(
    [
        "adaptive_max_pool2d",
        "amax",
        "amin",
        "cat",
        "chunk",
        "constant_pad_nd",
        "diagonal",
        "expand",
        "expand_as",
        "flatten",
        "flip",
        "gather",
        "index",
        "index_select",
        "masked_fill",
        "max",
        "max_pool1d",
        "max_pool2d",
        "maximum",
        "min",
        "minimum",
        "movedim",
        "mT",
        "narrow",
        "numpy_T",
        "pad",
        "permute",
        "pixel_shuffle",
        "pixel_unshuffle",
        "repeat",
        "repeat_interleave",
        "reshape",
        "reshape_as",
        "roll",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "stack",
        "swapaxes",
        "t",
        "tile",
        "transpose",
        "unbind",
        "unflatten",
        "unfold",
        "unsqueeze",
        "upsample_nearest2d",
        "view",
        "view_as",
        "where",
    ]
)
"""Whose outputs are values of the inputs at other places; of several values the one chosen."""

_SUMS = frozenset(
    [
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "add",
        "addcmul",
        "avg_pool1d",
        "avg_pool2d",
        "cumsum",
        "mean",
        "rsub",
        "sub",
        "sum",
        "upsample_bicubic2d",
        "upsample_bilinear2d",
    ]
)
"""Linear in their inputs, up to constants."""

_MATRIX_PRODUCTS = frozenset(["matmul", "mm", "bmm", "einsum"])
_ONE_BY_ONE = POINTWISE | UNCHANGED | frozenset(["batch_norm", "rms_norm", "type_as"])
_OF_ONE_SHAPE = frozenset(
    [
        "empty_like",
        "fill",
        "full_like",
        "new_empty",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones_like",
        "rand_like",
        "randn_like",
        "zeros_like",
    ]
)
"""Whose outputs depend on the shape of their input alone."""

_BY_SHAPE = frozenset(["expand_as", "reshape_as", "type_as", "view_as"])
"""Whose second input gives a shape or type alone."""

_GATES = frozenset(
    ["sigmoid", "hardsigmoid", "softmax", "erf", "rsqrt", "reciprocal", "linalg_vector_norm"]
)

_KEEPING = _MOVED | UNCHANGED | frozenset(["add", "sub", "rsub", "mul", "div", "neg"])
"""Through which a gate may have gone on its way to the product."""


def depending(graph: fx.Graph) -> set[fx.Node]:
    """The values of a graph that depend on the picture and can be differentiated by it."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        made = node.meta.get("val")
        parts = made if isinstance(made, tuple | list) else [made]
        floating = made is None or any(
            isinstance(part, Tensor) and part.is_floating_point() for part in parts
        )
        sources = not found.isdisjoint(node.all_input_nodes)
        if node.op == "placeholder" or (sources and floating and name(node) not in _OF_ONE_SHAPE):
            found.add(node)
    return found


def ruled(node: fx.Node, known: Collection[fx.Node]) -> Ruled | None:
    """How an operation passes relevance on; None if there is no rule for it.

    Args:
        node: the operation.
        known: from `depending`.
    """
    kind = name(node)
    sources = tuple(source for source in node.all_input_nodes if source in known)
    if kind in _BY_SHAPE:
        sources = sources[:1]
    if node.target is operator.getitem:
        return Ruled(sources, lrp_values.of_part)
    if kind in _MOVED:
        return Ruled(sources, lrp_values.moved)
    if kind == "mul" and len(sources) == 2:
        return _product(node, known)
    if kind == "div" and node.args[0] in known:
        return Ruled((node.args[0],), lrp_values.whole)  # type: ignore[arg-type]
    if kind in _MATRIX_PRODUCTS:
        factors = _factors(node)
        if sum(each in known for each in factors) == 1:
            return Ruled(sources, lrp_values.shared)
        return Ruled(sources, lrp_values.matrix_product) if len(factors) == 2 else None
    if kind in _SUMS:
        both = kind == "addcmul" and {*node.args[1:3]} <= {*known}
        return None if both else Ruled(sources, lrp_values.shared)
    if kind == "batch_norm" and arguments(node)["training"]:
        return None
    if (kind in _ONE_BY_ONE or kind in ("mul", "div")) and len(sources) == 1:
        return Ruled(sources, lrp_values.whole)
    if kind in ("softmax", "_softmax"):
        return Ruled(sources, lrp_values.softmax)
    if kind in ("layer_norm", "group_norm") and len(sources) == 1:
        return Ruled(sources, lrp_values.norm)
    if kind == "scaled_dot_product_attention":
        given = arguments(node)
        plain = given["attn_mask"] not in known and not given.get("enable_gqa")
        return Ruled(sources, lrp_values.attention) if plain else None
    return None


def multiplies(rule: Ruled) -> bool:
    """Whether an operation is a product of matrices that both depend on the picture: attention."""
    return rule.rule in (lrp_values.matrix_product, lrp_values.attention)


def _product(node: fx.Node, known: Collection[fx.Node]) -> Ruled:
    """The factor that is not a gate gets all; if neither or both are, each gets half."""
    first, second = (each for each in node.args[:2] if isinstance(each, fx.Node))
    apart = _gate(first, known) - _gate(second, known)
    if apart:
        return Ruled((second if apart > 0 else first,), lrp_values.whole)
    return Ruled((first, second), lrp_values.halves)


def _gate(node: fx.Node, known: Collection[fx.Node]) -> int:
    """How sure a factor is a gate: 2 for a scale by its nature, 1 for tanh, which may be a signal.

    Constants may have been added to it or have multiplied it, and its values may have been moved.
    """
    scale = 1.0
    while node in known and node.op == "call_function":
        kind, top = name(node), ceiling(node)
        up_to_one = top is not None and math.isclose(top * scale, 1.0, rel_tol=1e-3)
        if kind in _GATES or up_to_one or _inverse(node, known):
            return 2
        if kind == "tanh":
            return 1
        sources = [each for each in node.all_input_nodes if each in known]
        if kind not in _KEEPING or (len(sources) > 1 and kind != "div"):
            return 0
        factor = node.args[1] if kind in ("mul", "div") else 1.0
        if isinstance(factor, float | int) and factor:
            scale = scale / factor if kind == "div" else scale * factor
        node = sources[0]
    return 0


def _inverse(node: fx.Node, known: Collection[fx.Node]) -> bool:
    """Whether an operation divides by what depends on the picture, as a norm does."""
    first, second, *_ = (*node.args, None, None)
    if name(node) == "pow":
        return isinstance(second, float | int) and second < 0
    return name(node) == "div" and first not in known


def _factors(node: fx.Node) -> tuple[Any, ...]:
    """The operands of a product of matrices."""
    return tuple(node.args[1]) if name(node) == "einsum" else node.args[:2]  # type: ignore[arg-type]
