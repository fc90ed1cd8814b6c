"""Operations of ONNX on shapes, places and axes, of tensors and of sizes."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .onnx_values import Node, Value, axes_of, is_host, is_number, operand, operands, sizes


def reduction(function: Callable[..., Tensor]) -> Any:
    """ReduceMean and its like, of tensors."""

    def run(node: Node, x: Value, axes: Value = None) -> Value:
        along, keeps = axes_of(node, axes), bool(node.get("keepdims", 1))
        if isinstance(x, np.ndarray):
            node.refuse("sizes")
        if not along:
            if node.get("noop_with_empty_axes", 0):
                return x
            along = list(range(x.dim()))
        return function(x, along, keeps)

    return run


def product_of_sizes(node: Node, x: Value, axes: Value = None) -> Value:
    """ReduceProd, of sizes."""
    if not isinstance(x, np.ndarray) or axes_of(node, axes) not in ([0], None):
        node.refuse("tensors")
    found = np.array([reduce(operator.mul, x.reshape(-1))], dtype=object)
    return found if node.get("keepdims", 1) else found[0:1].reshape(())


def reshape(node: Node, x: Value, shape: Value) -> Value:
    """Reshape; a size of 0 is the one that is there."""
    wanted = sizes(shape)
    if not node.get("allowzero", 0):
        wanted = [x.shape[i] if is_number(size, 0) else size for i, size in enumerate(wanted)]
    return x.reshape(wanted)


def flatten(node: Node, x: Tensor) -> Tensor:
    """Flatten to two axes."""
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    if axis == 1:
        return x.flatten(1)
    return x.reshape(reduce(operator.mul, x.shape[:axis], 1), -1)


def transpose(node: Node, x: Value) -> Value:
    """Transpose; by default it turns the order of the axes round."""
    order = node.get("perm") or list(range(x.ndim))[::-1]
    return np.transpose(x, order) if isinstance(x, np.ndarray) else x.permute(order)


def concat(node: Node, *values: Value) -> Value:
    """Concat."""
    axis = node.get("axis")
    if is_host(*values):
        return np.concatenate([value.astype(object) for value in values], axis)
    return torch.cat([torch.as_tensor(each) for each in operands(values)], axis)


def split(node: Node, x: Value, parts: Value = None) -> Value:
    """Split, in given parts or in equal ones."""
    axis = node.get("axis", 0)
    given = node.get("split") if parts is None else sizes(parts)
    if given is None and node.get("num_outputs") is None:
        node.refuse("parts that are not told")
    if given is None:
        count = node.get("num_outputs")
        each = -(-x.shape[axis] // count)
        given = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    if isinstance(x, np.ndarray):
        return tuple(np.split(x, np.cumsum(given)[:-1], axis))
    return torch.split(x, list(given), axis)


def sliced(node: Node, x: Value, *given: Value) -> Value:
    """Slice."""
    if given:
        told: list[Any] = [*map(sizes, given), None, None]
        starts, ends, axes, steps = told[:4]
    else:
        starts, ends, axes, steps = node.get("starts"), node.get("ends"), node.get("axes"), None
    axes = list(range(len(starts))) if axes is None else axes
    index = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        if step < 1 and not isinstance(x, np.ndarray):
            node.refuse("negative steps")
        index[axis] = slice(start, None if is_number(end, -(1 << 63)) else end, step)
    return x[tuple(index)]


def gather(node: Node, x: Value, places: Value) -> Value:
    """Gather, at places that are constants."""
    axis = node.get("axis", 0)
    if isinstance(places, Tensor):
        node.refuse("computed places")
    if isinstance(x, np.ndarray):
        return np.asarray(np.take(x, places.astype(int), axis))
    if places.ndim == 0:
        return x.select(axis, int(places))
    wanted = [int(place) % x.shape[axis] for place in places.reshape(-1)]
    found = torch.index_select(x, axis, torch.tensor(wanted, device=x.device))
    return found if places.ndim == 1 else found.unflatten(axis, places.shape)


def squeeze(node: Node, x: Value, axes: Value = None) -> Value:
    """Squeeze."""
    along = axes_of(node, axes)
    if isinstance(x, np.ndarray):
        return np.squeeze(x, None if along is None else tuple(along))
    if along is None:
        node.refuse("axes that are not told")
    return x.squeeze(along)


def unsqueeze(node: Node, x: Value, axes: Value = None) -> Value:
    """Unsqueeze."""
    along = axes_of(node, axes) or []
    rank = x.ndim + len(along)
    for axis in sorted(axis % rank for axis in along):
        x = np.expand_dims(x, axis) if isinstance(x, np.ndarray) else x.unsqueeze(axis)
    return x


def expand(_: Node, x: Value, shape: Value) -> Value:
    """Expand."""
    wanted = sizes(shape)
    if isinstance(x, np.ndarray):
        return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(wanted)))
    lead = max(0, x.dim() - len(wanted))
    wanted = [1] * lead + wanted
    own = [1] * (len(wanted) - x.dim()) + list(x.shape)
    return x.expand(
        [mine if is_number(size, 1) else size for mine, size in zip(own, wanted, strict=True)]
    )


def pad(node: Node, x: Tensor, pads: Value = None, value: Value = None, axes: Value = None) -> Any:
    """Pad, by a constant, a reflection or the edge."""
    found = node.get("pads") if pads is None else sizes(pads)
    along = list(range(x.dim())) if axes is None else [a % x.dim() for a in sizes(axes)]
    before, after = [0] * x.dim(), [0] * x.dim()
    for number, axis in enumerate(along):
        before[axis], after[axis] = found[number], found[len(along) + number]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[
        node.get("mode", "constant")
    ]
    first = next((axis for axis in range(x.dim()) if before[axis] or after[axis]), x.dim())
    sides = [
        side for axis in range(x.dim() - 1, first - 1, -1) for side in (before[axis], after[axis])
    ]
    if mode != "constant":
        return F.pad(x, sides, mode) if sides else x
    fill = node.get("value", 0.0) if value is None else float(operand(value, x))
    return F.pad(x, sides, value=fill) if sides else x


_FLOATS = {1: torch.float32, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16}
_HOST = {6: np.int64, 7: np.int64, 9: np.bool_, 1: np.float64, 11: np.float64}


def cast(node: Node, x: Value) -> Value:
    """Cast, between types of numbers or of sizes."""
    wanted = node.get("to")
    if isinstance(x, Tensor):
        if wanted not in _FLOATS:
            node.refuse("whole numbers of a tensor")
        return x.to(_FLOATS[wanted])
    if wanted not in _HOST:
        node.refuse(f"type {wanted}")
    if any(isinstance(each, torch.SymInt) for each in x.reshape(-1)):
        if wanted not in (6, 7):
            node.refuse("a batch that is not known")
        return x
    return x.astype(_HOST[wanted])


def where(node: Node, condition: Value, a: Value, b: Value) -> Value:
    """Where, of sizes."""
    if not is_host(condition, a, b):
        node.refuse("tensors")
    return np.where(condition.astype(bool), a, b)


def shape(node: Node, x: Value) -> Value:
    """Shape, as an array of sizes."""
    found = np.empty(x.ndim, dtype=object)
    found[:] = list(x.shape)
    return found[node.get("start", 0) : node.get("end")]


def constant_of_shape(node: Node, shape: Value) -> Value:
    """ConstantOfShape."""
    return np.full(sizes(shape), node.get("value", np.zeros(1, np.float32)).reshape(-1)[0])


def range_of(_: Node, start: Value, limit: Value, delta: Value) -> Value:
    """Range, of sizes."""
    return np.arange(*(sizes(each)[0] for each in (start, limit, delta)))
