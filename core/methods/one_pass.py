"""Gradient methods of a single pass forward and back.

Saliency: Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2014
(arXiv:1312.6034). Input x Gradient: Shrikumar et al., "Not Just a Black Box", 2016
(arXiv:1605.01713). DeepLift and Guided Backprop change the rectifiers of the network:
`core.methods.rectifiers`.
"""

from collections.abc import Callable, Generator

import torch
from torch import Tensor

from ..engine.incremental import IncrementalNetwork
from ..engine.teams import alone
from . import rectifiers
from .gradient_methods import GradientSetting
from .request import Asked, Progress, finite_gradients

Making = Generator[Progress, None, None]


def saliency(asked: Asked, _: GradientSetting) -> Making:
    """The size of the gradient."""
    return _once(asked, lambda asked: asked.gradients(asked.inputs)[1].abs())


def input_x_gradient(asked: Asked, _: GradientSetting) -> Making:
    """The gradient times the input."""
    return _once(asked, lambda asked: asked.inputs * asked.gradients(asked.inputs)[1])


def deep_lift(asked: Asked, _: GradientSetting) -> Making:
    """See `core.methods.rectifiers.deep_lift`."""
    return _once(asked, rectifiers.deep_lift)


def guided_backprop(asked: Asked, _: GradientSetting) -> Making:
    """See `core.methods.rectifiers.guided_backprop`."""
    return _once(asked, rectifiers.guided_backprop)


def why_no_deep_lift(network: IncrementalNetwork, _: Tensor) -> str | None:
    """Why DeepLift is not available for a network, as the end of a sentence; None if it is."""
    return rectifiers.why_no_deep_lift(network.module)


def why_no_guided_backprop(network: IncrementalNetwork, _: Tensor) -> str | None:
    """Why a network has no Guided Backprop, as the end of a sentence; None if it has."""
    return rectifiers.why_no_guided_backprop(network.module)


def _once(asked: Asked, method: Callable[[Asked], Tensor]) -> Making:
    """The steps of a method that gives (1, C, H, W) at once."""

    def make() -> Tensor:
        with torch.inference_mode(False):
            return finite_gradients(method(asked))[0].detach().double().cpu()

    values = alone(make)
    yield Progress(1, 1, lambda: values)
