"""Finds the attention in the graph of a network, and makes its probabilities a value of the graph.

Dot-product attention (Vaswani et al., "Attention Is All You Need", NeurIPS 2017) is a softmax of
the products of queries and keys, times values. Networks call it as one operation, which keeps its
probabilities to itself, or write it out. Here the first is rewritten into the second, and the
second is found, whoever wrote the network.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from .folding import copied
from .operations import POINTWISE, UNCHANGED, arguments, name, shape

_ops = torch.ops.aten
_PRODUCTS = frozenset(["matmul", "bmm"])
_SOFTMAXES = frozenset(["softmax", "_softmax", "_safe_softmax"])
ATTENDING = _SOFTMAXES | {"scaled_dot_product_attention"}
"""A network without these operations has no attention."""

_RESHAPED = frozenset(["view", "reshape", "_unsafe_view", "expand"])
_SAME = UNCHANGED | {"to", "_to_copy"}
_ON_SCORES = frozenset(["add", "sub", "mul", "div", "masked_fill", "where"]) | POINTWISE
"""What may be done to the scores of an attention, number by number: scales, biases, masks."""


@dataclass(frozen=True, eq=False)
class Attention:
    """An attention that is written out.

    Attributes:
        scores: the product of queries (..., queries, d) and keys (..., d, keys).
        probabilities: the softmax, (..., queries, keys); its rows sum to 1.
        output: the product of the probabilities and the values (..., keys, d).
    """

    scores: fx.Node
    probabilities: fx.Node
    output: fx.Node


def unfused(graph: fx.GraphModule) -> fx.GraphModule:
    """A copy of a graph that computes the same, with every attention written out.

    Weights are shared. An attention with dropout stays as it is.
    """
    twin, _ = copied(graph)
    for node in list(twin.graph.nodes):
        fused = name(node) == "scaled_dot_product_attention"
        if fused and not arguments(node)["dropout_p"]:
            with twin.graph.inserting_before(node):
                node.replace_all_uses_with(_written_out(twin.graph, node))
            twin.graph.erase_node(node)
    twin.recompile()
    return twin


def _written_out(graph: fx.Graph, node: fx.Node) -> fx.Node:
    given = arguments(node)
    query, key, value, mask = (given[each] for each in ("query", "key", "value", "attn_mask"))
    queries, keys = query.meta["val"], key.meta["val"]

    def made(target: Any, like: Tensor, *args: Any) -> fx.Node:
        new = graph.call_function(target, args)
        new.meta["val"] = like
        return new

    if given["enable_gqa"]:  # several heads of queries share one of keys and values
        times = queries.shape[-3] // keys.shape[-3]
        key, value = (
            made(_ops.repeat_interleave.self_int, x, each, times, -3)
            for each in (key, value)
            for x in [torch.repeat_interleave(each.meta["val"], times, -3)]
        )
    scale = 1 / math.sqrt(queries.shape[-1]) if given["scale"] is None else given["scale"]
    matrix = queries.new_empty((*queries.shape[:-1], keys.shape[-2]))
    scaled = made(_ops.mul.Tensor, queries, query, scale)
    turned = made(_ops.transpose.int, key.meta["val"].transpose(-2, -1), key, -2, -1)
    scores = made(_ops.matmul.default, matrix, scaled, turned)
    if given["is_causal"]:
        every = made(_ops.ones_like.default, matrix, scores)
        mask = made(_ops.gt.Scalar, matrix > 0, made(_ops.tril.default, matrix, every), 0)
    softmax: Any = _ops.softmax.int
    if mask is not None:
        # Zero, and not NaN, for a query that may look at no key.
        softmax = _ops._safe_softmax.default
        if mask.meta["val"].dtype is torch.bool:
            nothing = made(_ops.full_like.default, matrix, scores, -math.inf)
            scores = made(_ops.where.self, matrix, mask, scores, nothing)
        else:
            scores = made(_ops.add.Tensor, matrix, scores, mask)
    probabilities = made(softmax, matrix, scores, -1)
    return made(_ops.matmul.default, node.meta["val"], probabilities, value)


def attentions(graph: fx.Graph) -> list[Attention]:
    """Every attention of an `unfused` graph, in the order in which they run."""
    found = []
    for node in graph.nodes:
        softmax = _behind(node.args[0], _SOFTMAXES, _SAME) if name(node) in _PRODUCTS else None
        if softmax is None or not _over_keys(softmax):
            continue
        scores = _behind(softmax.args[0], _PRODUCTS, _SAME | _ON_SCORES)
        if scores is not None:
            found.append(Attention(scores, softmax, node))
    return found


def _over_keys(softmax: fx.Node) -> bool:
    sides = shape(softmax)
    return sides is not None and arguments(softmax)["dim"] in (-1, len(sides) - 1)


def _behind(node: Any, kinds: frozenset[str], between: frozenset[str]) -> fx.Node | None:
    """The operation of one of these kinds that a matrix comes from, number by number.

    Args:
        node: the matrix, in the last two axes.
        kinds: names of operations.
        between: those that may lie between, besides what only cuts the other axes.
    """
    if not isinstance(node, fx.Node) or name(node) in kinds:
        return node if isinstance(node, fx.Node) else None
    if name(node) not in between and name(node) not in _RESHAPED:
        return None
    whole = shape(node)
    sources = [each for each in node.all_input_nodes if _same_matrix(shape(each), whole)]
    found = [_behind(each, kinds, between) for each in sources]
    known = [each for each in found if each is not None]
    return known[0] if len(known) == 1 else None


def _same_matrix(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> bool:
    """Whether two shapes have as many numbers, and the same last two sides."""
    if a is None or b is None:
        return False
    return str(math.prod(a)) == str(math.prod(b)) and [*map(str, a[-2:])] == [*map(str, b[-2:])]
