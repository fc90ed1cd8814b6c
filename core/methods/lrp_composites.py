"""Which layer with weights has which rule of layer-wise relevance propagation."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, fx

from ..engine.operations import arguments
from . import lrp_layers
from .lrp_layers import At
from .lrp_method import LrpRule, LrpSetting

LayerRule = Literal["epsilon", "gamma", "z_plus", "flat", "box"]


class Place(NamedTuple):
    """Where a layer with weights is in a network.

    Attributes:
        first: whether the picture reaches it through no other.
        linear: whether it is no convolution.
        projects: whether it makes an attention's queries, keys or values, or takes what an
            attention gives.
    """

    first: bool
    linear: bool
    projects: bool


def rule_at(rule: LrpRule, place: Place) -> LayerRule:
    """The rule that a layer has by a rule for networks other than "auto"."""
    match rule:
        case "epsilon_plus_flat":
            return "flat" if place.first else "epsilon" if place.linear else "z_plus"
        case "epsilon_gamma_box":
            return "box" if place.first else "epsilon" if place.linear else "gamma"
        case "attn":
            return "epsilon" if place.projects else "gamma"
    return "epsilon"


def through_layer(
    node: fx.Node,
    values: Mapping[fx.Node, Any],
    relevance: Tensor,
    setting: LrpSetting,
    place: Place,
    picture: Tensor,
) -> Tensor:
    """The relevance of a layer's input.

    Args:
        node: the layer; its weight and bias are constants.
        values: of all nodes before it, and of itself.
        relevance: of its output.
        setting: with a rule other than "auto".
        place: of the layer.
        picture: (1, C, H, W), that the network was given.
    """
    at = _at(node, values)
    match rule_at(setting.rule, place):
        case "flat":
            return lrp_layers.flat(at, relevance)
        case "box":
            return lrp_layers.box(at, relevance, *_bounds(node, values, picture))
        case "z_plus":
            return lrp_layers.z_plus(at, relevance)
        case "gamma":
            return lrp_layers.gamma(at, relevance, setting.gamma)
        case "epsilon":
            return lrp_layers.epsilon(at, relevance, setting.epsilon)


def _at(node: fx.Node, values: Mapping[fx.Node, Any]) -> At:
    given: dict[str, Any] = arguments(node)
    source, weight, bias = (given.pop(key) for key in ("input", "weight", "bias"))

    def layer(inputs: Tensor, weights: Tensor, biases: Tensor | None) -> Tensor:
        return node.target(input=inputs, weight=weights, bias=biases, **given)  # type: ignore[operator]

    held = None if bias is None else values[bias]
    return At(layer, values[source], values[weight], held, values[node])


def _bounds(node: fx.Node, values: Mapping[fx.Node, Any], picture: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest input of a layer, of its input's shape.

    The pixels lie within the range of the picture's own values, channel by channel, and between
    them and the layer each number is scaled, shifted or moved, but not mixed with others.
    """
    source = arguments(node)["input"]
    least, most = (
        _computed(source, values, end.expand_as(picture))
        for end in (picture.amin((2, 3), keepdim=True), picture.amax((2, 3), keepdim=True))
    )
    return torch.minimum(least, most), torch.maximum(least, most)


def _computed(node: fx.Node, values: Mapping[fx.Node, Any], picture: Tensor) -> Any:
    """What a node is for another picture."""
    if node.op == "placeholder":
        return picture
    if node.op == "get_attr":
        return values[node]
    args, kwargs = fx.node.map_arg(
        (node.args, node.kwargs), lambda source: _computed(source, values, picture)
    )
    return node.target(*args, **kwargs)  # type: ignore[operator]
