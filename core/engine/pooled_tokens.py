"""How much of each token the head of a transformer reads, by the operations it begins with."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, fx

from .operations import name, shape
from .tokens import MOVING, Labels, holds_tensors, moved, of_one

_READING = MOVING | {"mean", "sum", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "to", "_to_copy"}


def pooled(
    graph: fx.Graph, lists: Collection[fx.Node], last: Sequence[fx.Node], labels: Labels, count: int
) -> Tensor | None:
    """How much a head reads of each token, float64 (count,), not negative, of sum 1.

    A head selects tokens, or takes their mean, before it computes anything of them; where it takes
    several, as those of the class and of the distillation, each counts alike.

    Args:
        graph: of the network.
        lists: every list of the tokens in it.
        last: those that the head begins with, in the order of the graph.
        labels: of the graph.
        count: of tokens.

    Returns:
        None where it begins in another way.
    """
    values = {
        node: torch.zeros(of_one(shape(node)), dtype=torch.float64, requires_grad=True)
        for node in last
    }
    ends: dict[fx.Node, None] = {}
    for node in graph.nodes:
        known = [each for each in node.all_input_nodes if each in values]
        if node in lists or not known:
            continue
        tensors = [each for each in node.all_input_nodes if holds_tensors(each)]
        if len(known) == len(tensors) and name(node) in _READING:
            values[node] = moved(node, values)
        else:
            ends.update(dict.fromkeys(known))
    sources = {each: values[each] for each in last}
    found = [_weights(values[end], sources, labels, count) for end in ends]
    known_ones = [each for each in found if each is not None]
    return torch.stack(known_ones).mean(0) if known_ones and len(known_ones) == len(found) else None


def _weights(
    end: Tensor, sources: dict[fx.Node, Tensor], labels: Labels, count: int
) -> Tensor | None:
    """How much of each token one value holds that the head computes with, of sum 1.

    None where it holds several as they are, or some with a negative weight.
    """
    found = torch.zeros(count, dtype=torch.float64)
    slopes = torch.autograd.grad(
        end.sum(), list(sources.values()), retain_graph=True, allow_unused=True
    )
    for source, slope in zip(sources, slopes, strict=True):
        numbers = labels.of(source)
        if slope is not None and numbers is not None:
            found.index_add_(0, numbers.flatten(), slope.flatten())
    channels = next(iter(sources.values())).numel() // count
    read = int(found.count_nonzero())
    one_or_mean = end.numel() < max(2, read) * channels
    return found / found.sum() if one_or_mean and read and bool((found >= 0).all()) else None
