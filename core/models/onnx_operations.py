"""Operations of ONNX as functions of torch, for classifiers of pictures.

Each takes a `Node` and its inputs; see `core.models.onnx_values`. What is not done as ONNX says
raises `NotImplementedError`: the program is then computed by onnxruntime alone. Source: the
operators of https://onnx.ai/onnx/operators, opset 7 to 23.
"""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import onnx_layers as layers
from . import onnx_shapes as shapes
from .onnx_values import Node, Value, is_host, operands

LINEAR = "Linear"
"""No operation of ONNX: a Gemm or MatMul by weights (out, in) that are constants."""


def _arithmetic(on_tensors: Callable[[Any, Any], Any], on_sizes: Callable[[Any, Any], Any]) -> Any:
    def run(_: Node, *values: Value) -> Value:
        if is_host(*values):
            return np.asarray(reduce(on_sizes, values))
        return reduce(on_tensors, operands(values))

    return run


def _floor_or_true_division(a: Any, b: Any) -> Any:
    whole = a.dtype.kind != "f" and b.dtype.kind != "f"
    return a // b if whole else a / b


def _extreme(function: Callable[[Tensor, Tensor], Tensor]) -> Any:
    def run(_: Node, *values: Value) -> Value:
        like = next(value for value in values if isinstance(value, Tensor))
        parts = [torch.as_tensor(each).to(like) for each in operands(values)]
        return reduce(function, parts)

    return run


def _unary(
    function: Callable[[Tensor], Tensor], on_sizes: Callable[[Any], Any] | None = None
) -> Any:
    def run(node: Node, x: Value) -> Value:
        if isinstance(x, Tensor):
            return function(x)
        return np.asarray(on_sizes(x.astype(float))) if on_sizes else node.refuse("sizes")

    return run


def _logical(function: Callable[..., Any]) -> Any:
    return lambda node, *x: np.asarray(function(*x)) if is_host(*x) else node.refuse("tensors")


OPERATIONS: dict[str, Callable[..., Value]] = {
    "Abs": _unary(torch.abs, np.abs),
    "Add": _arithmetic(operator.add, operator.add),
    "And": _logical(np.logical_and),
    "AveragePool": layers.average_pool,
    "BatchNormalization": layers.batch_norm,
    "Cast": shapes.cast,
    "Ceil": _unary(torch.ceil, np.ceil),
    "Clip": layers.clip,
    "Concat": shapes.concat,
    "ConstantOfShape": shapes.constant_of_shape,
    "Conv": layers.conv,
    "Div": _arithmetic(operator.truediv, _floor_or_true_division),
    "Dropout": lambda _, x, *__: x,
    "Einsum": lambda node, *values: torch.einsum(node.get("equation"), *values),
    "Elu": lambda node, x: F.elu(x, node.get("alpha", 1.0)),
    "Equal": _logical(operator.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Expand": shapes.expand,
    "Flatten": shapes.flatten,
    "Floor": _unary(torch.floor, np.floor),
    "Gather": shapes.gather,
    "Gelu": lambda node, x: F.gelu(x, approximate=node.get("approximate", "none")),
    "Gemm": layers.gemm,
    "GlobalAveragePool": layers.pool_all(F.adaptive_avg_pool2d),
    "GlobalMaxPool": layers.pool_all(F.adaptive_max_pool2d),
    "Greater": _logical(operator.gt),
    "HardSigmoid": layers.hard_sigmoid,
    "HardSwish": _unary(F.hardswish),
    "Identity": lambda _, x: x,
    "InstanceNormalization": lambda node, x, scale, bias: F.instance_norm(
        x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5)
    ),
    "LRN": lambda node, x: F.local_response_norm(
        x, node.get("size"), node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    ),
    "LayerNormalization": layers.layer_norm,
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.get("alpha", 0.01)),
    LINEAR: lambda _, x, weight, bias=None: F.linear(x, weight, bias),
    "Less": _logical(operator.lt),
    "Log": _unary(torch.log),
    "LogSoftmax": layers.softmax(torch.log_softmax),
    "MatMul": lambda _, a, b: torch.matmul(a, b),
    "Max": _extreme(torch.maximum),
    "MaxPool": layers.max_pool,
    "Min": _extreme(torch.minimum),
    "Mish": _unary(F.mish),
    "Mod": _logical(operator.mod),
    "Mul": _arithmetic(operator.mul, operator.mul),
    "Neg": _unary(torch.neg, np.negative),
    "Not": _logical(np.logical_not),
    "PRelu": lambda _, x, slope: F.prelu(x, slope.flatten()),
    "Pad": shapes.pad,
    "Pow": _arithmetic(operator.pow, operator.pow),
    "Range": shapes.range_of,
    "Reciprocal": _unary(torch.reciprocal, np.reciprocal),
    "ReduceMax": shapes.reduction(torch.amax),
    "ReduceMean": shapes.reduction(torch.mean),
    "ReduceMin": shapes.reduction(torch.amin),
    "ReduceProd": shapes.product_of_sizes,
    "ReduceSum": shapes.reduction(torch.sum),
    "Relu": _unary(torch.relu),
    "Reshape": shapes.reshape,
    "Selu": _unary(F.selu),
    "Shape": shapes.shape,
    "Sigmoid": _unary(torch.sigmoid),
    "Slice": shapes.sliced,
    "Softmax": layers.softmax(torch.softmax),
    "Softplus": _unary(F.softplus),
    "Split": shapes.split,
    "Sqrt": _unary(torch.sqrt, np.sqrt),
    "Squeeze": shapes.squeeze,
    "Sub": _arithmetic(operator.sub, operator.sub),
    "Sum": _arithmetic(operator.add, operator.add),
    "Tanh": _unary(torch.tanh),
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
    "Where": shapes.where,
}
"""By ONNX's name. Every program that they compute is compared with onnxruntime's own scores."""
