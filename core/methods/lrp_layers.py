"""Rules of layer-wise relevance propagation for layers with weights.

Epsilon and z+ (alpha 1, beta 0): Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier
Decisions by Layer-Wise Relevance Propagation", PLOS ONE 2015. Gamma: Montavon et al., "Layer-Wise
Relevance Propagation: An Overview", 2019, for inputs of both signs as in zennit (Anders et al.,
2021, arXiv:2106.13200). Flat: Lapuschkin et al., "Unmasking Clever Hans predictors and assessing
what machines really learn", Nature Communications 2019. z-box: Montavon et al., "Explaining
nonlinear classification decisions with deep Taylor decomposition", Pattern Recognition 2017.

A layer is a function of input, weight and bias that is linear in the input up to the bias. What the
bias contributed to an output is not passed on, except where a rule leaves the bias out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

STABILISER = 1e-6
"""Keeps denominators from zero, in all rules but epsilon's, which has a number of its own."""

Layer = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class At(NamedTuple):
    """A layer, and the values that it was computed with."""

    layer: Layer
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    output: Tensor


class _Term(NamedTuple):
    """What a layer makes of an input, counted with a sign."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    sign: int = 1


def stabilised(values: Tensor, epsilon: float) -> Tensor:
    """Values moved away from zero by epsilon, zeros upwards."""
    return torch.where(values < 0, values - epsilon, values + epsilon)


def epsilon(at: At, relevance: Tensor, size: float) -> Tensor:
    """Each input gets its share of the output, whose distance from zero is made larger by size."""
    return _shares(at.layer, [_Term(at.input, at.weight, at.bias)], relevance, size)


def z_plus(at: At, relevance: Tensor) -> Tensor:
    """Only positive contributions count."""
    terms = [_Term(_above(at.input), _above(at.weight), _maybe(_above, at.bias))]
    if (at.input < 0).any():
        terms.append(_Term(_below(at.input), _below(at.weight), None))
    return _shares(at.layer, terms, relevance, STABILISER)


def gamma(at: At, relevance: Tensor, size: float) -> Tensor:
    """Contributions of the output's own sign count ``1 + size`` times.

    Of a contribution c = x w to an output of the sign s, what counts is c + size (c + s |c|) / 2,
    the sum of a multiple of c and one of |c| = |x| |w|. So the layer is computed twice, with the
    values and with their sizes, whatever the signs of inputs, weights and outputs.
    """
    inputs = at.input.detach().requires_grad_()
    sizes = at.input.detach().abs().requires_grad_()
    with torch.enable_grad():
        made = at.layer(inputs, at.weight, at.bias)
        summed = at.layer(sizes, at.weight.abs(), _maybe(torch.abs, at.bias))
    signs = at.output.sign()
    total = made.detach() + size / 2 * (made.detach() + signs * summed.detach())
    slopes = signs.abs() * relevance / stabilised(total, STABILISER)
    (plain,) = torch.autograd.grad(made, inputs, slopes)
    (of_sizes,) = torch.autograd.grad(summed, sizes, signs * slopes)
    return (1 + size / 2) * inputs.detach() * plain + size / 2 * sizes.detach() * of_sizes


def flat(at: At, relevance: Tensor) -> Tensor:
    """All inputs of an output get the same, whatever their values and weights."""
    ones = _Term(torch.ones_like(at.input), torch.ones_like(at.weight), None)
    return _shares(at.layer, [ones], relevance, STABILISER)


def box(at: At, relevance: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Shares of what lies above the least that inputs between two bounds can contribute.

    Args:
        at: the layer.
        relevance: of its output.
        low, high: the bounds, of the input's shape.
    """
    terms = [
        _Term(at.input, at.weight, None),
        _Term(low, _above(at.weight), None, -1),
        _Term(high, _below(at.weight), None, -1),
    ]
    return _shares(at.layer, terms, relevance, STABILISER)


def _above(values: Tensor) -> Tensor:
    return values.clamp(min=0)


def _below(values: Tensor) -> Tensor:
    return values.clamp(max=0)


def _maybe(part: Callable[[Tensor], Tensor], values: Tensor | None) -> Tensor | None:
    return None if values is None else part(values)


def _shares(layer: Layer, terms: Sequence[_Term], relevance: Tensor, size: float) -> Tensor:
    """The relevance of an output, shared among the inputs of all terms by what they contribute."""
    inputs = [term.input.detach().requires_grad_() for term in terms]
    with torch.enable_grad():
        made = [
            term.sign * layer(values, term.weight, term.bias)
            for values, term in zip(inputs, terms, strict=True)
        ]
        total = torch.stack(made).sum(0) if len(made) > 1 else made[0]
    slopes = torch.autograd.grad(total, inputs, relevance / stabilised(total.detach(), size))
    found = torch.zeros_like(inputs[0])
    for values, slope in zip(inputs, slopes, strict=True):
        found += values.detach() * slope
    return found
