"""Rules of layer-wise relevance propagation for operations without weights of their own.

Moved values, sums and what works number by number are treated as in zennit (Anders et al., 2021,
arXiv:2106.13200); products, softmax, attention and normalisation as in Achtibat et al., "AttnLRP:
Attention-Aware Layer-Wise Relevance Propagation for Transformers", ICML 2024.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from ..engine.operations import arguments, name
from .lrp_layers import STABILISER, stabilised

Relevance = Tensor | dict[int, Tensor]
"""Of a value; of one that is several tensors, by their numbers."""


class Computed(NamedTuple):
    """An operation, and the values that it was computed with.

    Attributes:
        node: the operation.
        takers: the values that get relevance, each once.
        values: the values of all nodes.
    """

    node: fx.Node
    takers: tuple[fx.Node, ...]
    values: Mapping[fx.Node, Any]

    @property
    def inputs(self) -> list[Tensor]:
        """The values of the takers, ready to be differentiated by."""
        return [self.values[taker].detach().requires_grad_() for taker in self.takers]

    def run(self, inputs: list[Tensor]) -> Any:
        """Compute the operation on other values of the takers, differentiably."""
        given = dict(zip(self.takers, inputs, strict=True))
        args, kwargs = fx.node.map_arg(
            (self.node.args, self.node.kwargs), lambda node: given.get(node, self.values[node])
        )
        with torch.enable_grad():
            return self.node.target(*args, **kwargs)  # type: ignore[operator]


Rule = Callable[[Computed, Any], Sequence[Relevance]]


class Ruled(NamedTuple):
    """How an operation passes its relevance on: to which values, each once, and by which rule."""

    takers: tuple[fx.Node, ...]
    rule: Rule


def shared(at: Computed, relevance: Tensor) -> list[Tensor]:
    """Each input gets what it contributed to a sum; what constants contributed goes to nobody."""
    inputs = at.inputs
    made = at.run(inputs)
    slopes = torch.autograd.grad(made, inputs, relevance / stabilised(made.detach(), STABILISER))
    return [values.detach() * slope for values, slope in zip(inputs, slopes, strict=True)]


def moved(at: Computed, relevance: Relevance) -> list[Tensor]:
    """Relevance goes where the values came from."""
    inputs = at.inputs
    made = at.run(inputs)
    if isinstance(relevance, Tensor):
        made, relevance = {0: made}, {0: relevance}
    parts = [made[number] for number in relevance]
    return list(torch.autograd.grad(parts, inputs, list(relevance.values())))


def of_part(at: Computed, relevance: Tensor) -> list[Relevance]:
    """To one of the tensors of a value that is several."""
    return [{at.node.args[1]: relevance}]  # type: ignore[dict-item]


def whole(at: Computed, relevance: Tensor) -> list[Tensor]:
    """The one input gets all, number by number."""
    return [relevance.sum_to_size(values.shape).to(values.dtype) for values in at.inputs]


def halves(at: Computed, relevance: Tensor) -> list[Tensor]:
    """Half to each factor, number by number."""
    return whole(at, relevance / 2)


def matrix_product(at: Computed, relevance: Tensor) -> list[Tensor]:
    """Half to each factor, within it by contribution."""
    return shared(at, relevance / 2)


def softmax(at: Computed, relevance: Tensor) -> list[Tensor]:
    """As `_before_softmax`."""
    (values,) = at.inputs
    dim = arguments(at.node)["dim"]
    return [_before_softmax(values.detach(), at.values[at.node], relevance, dim)]


def _before_softmax(values: Tensor, made: Tensor, relevance: Tensor, dim: int) -> Tensor:
    """The first order of Taylor's series at the values; those masked by minus infinity get none."""
    values = values.masked_fill(values.isneginf(), 0.0)
    return values * (relevance - made * relevance.sum(dim, keepdim=True))


def norm(at: Computed, relevance: Tensor) -> list[Tensor]:
    """By contribution to a sum whose scale, the standard deviation, is taken for a constant."""
    given, made = arguments(at.node), at.values[at.node]
    (values,) = (each.detach() for each in at.inputs)
    weight = given["weight"]
    slopes = relevance / stabilised(made, STABILISER)
    if name(at.node) == "layer_norm":
        axes = tuple(range(-len(given["normalized_shape"]), 0))
        grouped = values.shape
        scale = 1.0 if weight is None else at.values[weight]
    else:
        axes = tuple(range(2, values.dim() + 1))
        grouped = torch.Size((len(values), given["num_groups"], -1, *values.shape[2:]))
        scale = 1.0 if weight is None else at.values[weight].view(1, -1, *[1] * (values.dim() - 2))
    parts = values.reshape(grouped)
    spread = (parts.var(axes, unbiased=False, keepdim=True) + given["eps"]).sqrt()
    slopes = (slopes * scale).reshape(grouped) / spread
    found = parts * (slopes - slopes.mean(axes, keepdim=True))
    return [found.reshape(values.shape)]


def attention(at: Computed, relevance: Tensor) -> list[Tensor]:
    """Products and softmax of an attention, by their own rules one after the other."""
    given = arguments(at.node)
    nodes = given["query"], given["key"], given["value"]
    query, key, value = (at.values[node] for node in nodes)
    scale = given["scale"] or query.shape[-1] ** -0.5
    logits = query @ key.mT * scale
    masked = logits + _mask(given, at.values, logits)
    weights = masked.softmax(-1)
    varies = [node in at.takers for node in nodes]
    found = {node: torch.zeros_like(at.values[node]) for node in at.takers}
    both = 2 if varies[2] and any(varies[:2]) else 1
    slopes = relevance / both / stabilised(weights @ value, STABILISER)
    if varies[2]:
        found[nodes[2]] += value * (weights.mT @ slopes)
    if any(varies[:2]):
        before = _before_softmax(masked, weights, weights * (slopes @ value.mT), -1)
        before = logits * before / stabilised(masked, STABILISER)
        slopes = before / sum(varies[:2]) / stabilised(logits, STABILISER) * scale
        if varies[0]:
            found[nodes[0]] += query * (slopes @ key)
        if varies[1]:
            found[nodes[1]] += key * (slopes.mT @ query)
    return [found[node] for node in at.takers]


def _mask(given: Mapping[str, Any], values: Mapping[fx.Node, Any], like: Tensor) -> Tensor:
    """What is added to an attention's logits."""
    mask = torch.zeros_like(like[:1, :1])
    if given["is_causal"]:
        allowed = torch.ones_like(mask, dtype=torch.bool).tril()
    elif given["attn_mask"] is None:
        return mask
    else:
        allowed = values[given["attn_mask"]]
        if allowed.dtype != torch.bool:
            return allowed
    return torch.zeros_like(like).masked_fill(~allowed, -math.inf)
