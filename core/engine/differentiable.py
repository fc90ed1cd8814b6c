"""The simplified network for gradients: wide convolutions by Winograd, forward and back.

The gradient of a 3 x 3 convolution of stride 1 by its input is such a convolution again, of the
turned filters; torch computes both directly, where `core.engine.winograd` needs a fourth of the
products.
"""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

from .compilation import Program
from .folding import attribute, copied
from .norms import separated
from .operations import arguments
from .winograd import WinogradConvolution

_CHANNELS = 128
"""With fewer, the transforms cost more than they spare, there and back."""


class WinogradLayer(nn.Module):
    """A convolution whose output and whose gradient are computed by Winograd."""

    def __init__(self, forward: WinogradConvolution, weight: Tensor) -> None:
        """Take the forward convolution as it is and prepare the way back."""
        super().__init__()
        top, left = (2 - side for side in forward.padding)
        self._forward = forward
        self._back = WinogradConvolution(weight.flip(2, 3).transpose(0, 1), None, (top, left))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (n, C, H, W), with the layer's padding."""
        return _ThereAndBack.apply(x, self._forward, self._back)


class _ThereAndBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, there: WinogradConvolution, back: WinogradConvolution) -> Any:
        ctx.back = back
        return there.padded(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return ctx.back.padded(gradient), None, None


def differentiable(graph: fx.GraphModule, program: Program) -> fx.GraphModule:
    """A copy of a simplified graph that computes the same, faster where convolutions are wide.

    Its batch norms have the right gradients; see `core.engine.norms`.
    """
    twin, nodes = copied(graph)
    for step in program.steps:
        there = getattr(step, "slide", None)
        if not isinstance(there, WinogradConvolution):
            continue
        given = arguments(step.node)
        weight = attribute(graph, given["weight"])
        wide = min(weight.shape[:2]) >= _CHANNELS and weight.device.type == "cpu"
        if wide and max(there.padding) <= 2:
            key = f"_winograd_{step.node.name}"
            twin.add_submodule(key, WinogradLayer(there, weight))
            node = nodes[step.node]
            with twin.graph.inserting_before(node):
                node.replace_all_uses_with(twin.graph.call_module(key, (nodes[given["input"]],)))
            twin.graph.erase_node(node)
    separated(twin)
    twin.recompile()
    return twin
