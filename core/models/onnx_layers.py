"""Layers of ONNX as functions of torch: convolutions, pools, norms and activations."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .onnx_values import Node, Value, operand


def _pads(node: Node, x: Tensor, kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """What lies before and after each axis of a window's input."""
    count = len(kernel)
    kind = node.get("auto_pad", "NOTSET")
    if kind in ("NOTSET", ""):
        pads = node.get("pads", [0] * 2 * count)
        return pads[:count], pads[count:]
    if kind == "VALID":
        return [0] * count, [0] * count
    before, after = [], []
    strides, dilations = node.get("strides", [1] * count), node.get("dilations", [1] * count)
    for side, window, step, gap in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        need = max(0, (-(-side // step) - 1) * step + (window - 1) * gap + 1 - side)
        less, more = need // 2, need - need // 2
        before.append(less if kind == "SAME_UPPER" else more)
        after.append(more if kind == "SAME_UPPER" else less)
    return before, after


def _padded(x: Tensor, before: list[int], after: list[int], value: float) -> Tensor:
    pairs = reversed(list(zip(before, after, strict=True)))
    return F.pad(x, [side for pair in pairs for side in pair], value=value)


def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv of two axes."""
    if weight.dim() != 4:
        node.refuse(f"{weight.dim() - 2} axes")
    before, after = _pads(node, x, weight.shape[2:])
    if before != after:
        x, before = _padded(x, before, after, 0.0), [0, 0]
    strides, dilations = node.get("strides", [1, 1]), node.get("dilations", [1, 1])
    return F.conv2d(x, weight, bias, strides, before, dilations, node.get("group", 1))


def max_pool(node: Node, x: Tensor) -> Tensor:
    """MaxPool of two axes."""
    kernel = _window(node)
    before, after = _pads(node, x, kernel)
    if before != after or any(2 * pad > side for pad, side in zip(before, kernel, strict=True)):
        x, before = _padded(x, before, after, -math.inf), [0, 0]
    return F.max_pool2d(
        x,
        kernel,
        node.get("strides", [1, 1]),
        before,
        node.get("dilations", [1, 1]),
        bool(node.get("ceil_mode", 0)),
    )


def average_pool(node: Node, x: Tensor) -> Tensor:
    """AveragePool of two axes, without dilations."""
    kernel = _window(node)
    before, after = _pads(node, x, kernel)
    counts = bool(node.get("count_include_pad", 0))
    if any(gap != 1 for gap in node.get("dilations", [1, 1])):
        node.refuse("dilations")
    if before != after:
        if not counts or node.get("ceil_mode", 0):
            node.refuse("uneven padding")
        x, before = _padded(x, before, after, 0.0), [0, 0]
    strides, ceil = node.get("strides", [1, 1]), bool(node.get("ceil_mode", 0))
    return F.avg_pool2d(x, kernel, strides, before, ceil, counts)


def _window(node: Node) -> list[int]:
    kernel = list(node.get("kernel_shape"))
    if len(kernel) != 2:
        node.refuse(f"{len(kernel)} axes")
    return kernel


def batch_norm(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """BatchNormalization in eval mode."""
    if node.get("training_mode", 0):
        node.refuse("training_mode")
    return F.batch_norm(x, mean, variance, scale, bias, eps=node.get("epsilon", 1e-5))


def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """LayerNormalization over the last axes."""
    axis = node.get("axis", -1) % x.dim()
    return F.layer_norm(x, x.shape[axis:], scale, bias, node.get("epsilon", 1e-5))


def gemm(node: Node, a: Tensor, b: Tensor, c: Value = None) -> Tensor:
    """Gemm: a product of matrices, with a bias."""
    a = a.t() if node.get("transA", 0) else a
    found = F.linear(a, b if node.get("transB", 0) else b.t()) * node.get("alpha", 1.0)
    return found if c is None else found + operand(c, found) * node.get("beta", 1.0)


def softmax(function: Callable[..., Tensor]) -> Any:
    """Softmax or LogSoftmax, whose axis before opset 13 stands for all that follow it."""

    def run(node: Node, x: Tensor) -> Tensor:
        if node.opset >= 13:
            return function(x, node.get("axis", -1))
        axis = node.get("axis", 1) % x.dim()
        if axis == x.dim() - 1:
            return function(x, axis)
        return function(x.flatten(axis), axis).reshape(x.shape)

    return run


def clip(node: Node, x: Tensor, low: Value = None, high: Value = None) -> Tensor:
    """Clip, as the rectifier that it is where its bounds are those of one."""
    bounds = [
        node.get(name) if given is None else float(operand(given, x))
        for name, given in (("min", low), ("max", high))
    ]
    if bounds == [0, 6]:
        return F.relu6(x)
    if bounds == [0, None]:
        return F.relu(x)
    return x if bounds == [None, None] else torch.clamp(x, *bounds)


def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    """HardSigmoid."""
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return F.hardsigmoid(x)
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def pool_all(function: Callable[..., Tensor]) -> Any:
    """GlobalAveragePool or GlobalMaxPool of two axes."""

    def run(node: Node, x: Tensor) -> Tensor:
        if x.dim() != 4:
            node.refuse(f"{x.dim() - 2} axes")
        return function(x, 1)

    return run
