"""How each method of the CAM family makes a map of a layer's values and of their slopes.

A map is positive, as published: ReLU of a weighted sum over the channels. What speaks against the
score is what speaks for its negative; it takes the same values and the slopes with the other sign,
so `by_layer` gives both from a single pass.

All sums are over the channels of one picture: values A and slopes G, the derivative of the
explained score S with respect to A, float64 (C, h, w) -> (h, w).
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from .cam_methods import CamKind

_GAMMA = 2.0  # of LayerCAM's scaling


def grad_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """A weighted by the mean slope of its channel.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017.
    """
    return _weighted(values, slopes.mean((1, 2)))


def grad_cam_plus_plus(values: Tensor, slopes: Tensor) -> Tensor:
    """A weighted by the positive slopes of its channel, each with a factor of its own.

    Chattopadhay et al., "Grad-CAM++: Improved Visual Explanations for Deep Convolutional
    Networks", WACV 2018. The factor is alpha = G² / (2 G² + sum(A) G³) = 1 / (2 + sum(A) G), the
    sum over the channel's places. It is the closed form for Y = exp(S), where A acts on S
    piecewise linearly, so that the derivatives of Y are Y G, Y G² and Y G³; Y itself scales the
    whole map and is left out. For a logit that is as published. For other scores Y = exp(S) all
    the same, so that exp of a log probability is the probability, and exp of a contrast of logits
    the odds; the curvature of S itself is neglected. A is assumed not to be negative (behind a
    ReLU): otherwise 2 + sum(A) G may come close to 0, and single channels outweigh the rest.

    pytorch-grad-cam adds 1e-6 to the denominator, which silences slopes of about 0.001 or less.
    torchcam 0.5.0 takes G² for alpha: it divides a copy, so its map is another one.
    """
    below = 2 + values.sum((1, 2), keepdim=True) * slopes
    factors = torch.where((slopes > 0) & (below != 0), 1 / below, 0.0)
    return _weighted(values, (factors * slopes.relu()).sum((1, 2)))


def xgrad_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """A weighted by the mean slope of its channel, in which a place counts by its share of A.

    Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC
    2020. Before the ReLU its sum is that of A G. A channel whose values sum to 0 has no shares, and
    no part in the map.
    """
    total = values.sum((1, 2))
    return _weighted(values, torch.where(total != 0, (values * slopes).sum((1, 2)) / total, 0.0))


def hires_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """A times G, place by place.

    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks", arXiv:2011.08891, 2020. Where the score is linear in A, the map before the
    ReLU sums to the score, less its bias.
    """
    return (values * slopes).sum(0)


def layer_cam(values: Tensor, slopes: Tensor) -> Tensor:
    """A times the positive part of G, place by place.

    Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE
    TIP 2021.
    """
    return (values * slopes.relu()).sum(0)


def eigen_cam(values: Tensor, _: Tensor) -> Tensor:
    """A projected on its first principal direction; no score is asked, so no class matters.

    Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020:
    the first right singular vector of A as a matrix of places by channels, not centred. A singular
    vector and its negative are alike; of the two, the one is taken whose projection sums to more
    than 0 (at 0: whose largest value is positive). Where A is not negative, the map is not
    negative either.

    pytorch-grad-cam centres each channel first and takes whichever sign the SVD returns, so that
    its map may show the background in place of the object.
    """
    matrix = values.flatten(1).T
    projected = matrix @ torch.linalg.svd(matrix, full_matrices=False).Vh[0]
    total, largest = projected.sum(), projected[projected.abs().argmax()]
    clear = total.abs() > 1e-9 * projected.abs().sum()
    return (projected * torch.sign(total if clear else largest)).view(values.shape[1:])


WEIGHTINGS: MappingProxyType[CamKind, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "grad_cam": grad_cam,
        "guided_grad_cam": grad_cam,
        "grad_cam_plus_plus": grad_cam_plus_plus,
        "xgrad_cam": xgrad_cam,
        "hires_cam": hires_cam,
        "layer_cam": layer_cam,
        "eigen_cam": eigen_cam,
    }
)


def by_layer(kind: CamKind, values: Tensor, slopes: Tensor, signed: bool) -> Tensor:
    """The map of a layer, (h, w): not negative; or signed, less that of the negative score."""
    positive = WEIGHTINGS[kind](values, slopes).relu()
    return positive - WEIGHTINGS[kind](values, -slopes).relu() if signed else positive


def scaled(of_layer: Tensor) -> Tensor:
    """A layer's map m as it is fused with others, -1..1 without a unit: tanh(2 m / max |m|)."""
    return torch.tanh(_GAMMA * of_layer / (of_layer.abs().max() or 1))


def fused(layers: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Maps of layers as one, enlarged bilinearly: (h, w) each -> (1, *size).

    What is largest in size counts at each place. So LayerCAM's paper fuses its stages, after it
    scaled the shallow ones.
    """
    enlarged = [F.interpolate(each[None, None], size, mode="bilinear")[0] for each in layers]
    together = torch.cat(enlarged)
    return together.gather(0, together.abs().argmax(0, keepdim=True))


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("chw,c->hw", values, weights)
