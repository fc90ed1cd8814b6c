"""An ONNX program as a network of torch: with derivatives, layers, and a graph to export.

Every operation becomes a submodule that holds its weights, by the name that it has in the program.
A program with an operation that is not known here is computed by onnxruntime alone: see
`core.models.onnx_files`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .onnx_operations import LINEAR, OPERATIONS
from .onnx_values import Node, Value

# The inputs that training has set, by their number; other constants may be anything.
_LEARNT = {
    "Conv": (1, 2),
    LINEAR: (1, 2),
    "BatchNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "PRelu": (1,),
}


class _Step(NamedTuple):
    """An operation: the name of its submodule, and of the values that it takes and gives.

    None stands for an input that the submodule holds, or that is left out; ``done`` are the values
    that no later step takes.
    """

    layer: str
    inputs: list[str | None]
    outputs: list[str]
    done: set[str]


class Layer(nn.Module):
    """An operation, with those of its inputs that are constants."""

    def __init__(self, node: Node, constants: Mapping[int, Value]) -> None:
        """Hold constants by the number of the input."""
        super().__init__()
        self.node = node
        self._sizes = {i: each for i, each in constants.items() if isinstance(each, np.ndarray)}
        for number, value in constants.items():
            if number in self._sizes:
                continue
            if number in _LEARNT.get(node.kind, ()):
                value = nn.Parameter(value, requires_grad=False)
                self.register_parameter(f"input_{number}", value)
            else:
                self.register_buffer(f"input_{number}", value)

    def forward(self, *inputs: Value) -> Value:
        """What the operation makes of its inputs; None stands for one that is held here."""
        held = (self._held(i) if each is None else each for i, each in enumerate(inputs))
        return OPERATIONS[self.node.kind](self.node, *held)

    def _held(self, number: int) -> Value:
        if number in self._sizes:
            return self._sizes[number]
        return getattr(self, f"input_{number}", None)


class OnnxNetwork(nn.Module):
    """The operations of a program in order, from its one input to one output."""

    def __init__(self, graph: Any, opset: int, output: str) -> None:
        """Take a graph.

        Args:
            graph: an ``onnx.GraphProto`` with its weights.
            opset: the version of ONNX by which it is to be read.
            output: the value that the network returns.

        Raises:
            NotImplementedError: an operation is not known here.
        """
        super().__init__()
        from onnx import numpy_helper  # an extra

        constants = {each.name: _value(numpy_helper.to_array(each)) for each in graph.initializer}
        self._input = next(each.name for each in graph.input if each.name not in constants)
        self._output = output
        steps: list[_Step] = []
        for proto in _needed(graph, output):
            node = _node(proto, opset)
            held = {i: constants[name] for i, name in enumerate(proto.input) if name in constants}
            if len(held) == len([name for name in proto.input if name]):  # it is known now
                found = _constant(node) if proto.op_type == "Constant" else _run(node, held)
                constants.update(zip(proto.output, found, strict=False))
                continue
            node, held = _linear(node, held)
            name = self._free_name(proto.name or node.kind)
            self.add_module(name, Layer(node, held))
            inputs = [None if i in held else each or None for i, each in enumerate(proto.input)]
            steps.append(_Step(name, inputs, list(proto.output), set()))
        for number, step in enumerate(steps):
            later = {each for other in steps[number + 1 :] for each in other.inputs}
            step.done.update(each for each in step.inputs if each and each not in later)
        self._steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """What the program returns for its input."""
        values: dict[str, Value] = {self._input: x}
        for layer, inputs, outputs, done in self._steps:
            given = [None if name is None else values[name] for name in inputs]
            found = self.get_submodule(layer)(*given)
            for name in done:
                del values[name]
            values.update(zip(outputs, _several(found), strict=False))
        return values[self._output]

    def _free_name(self, wanted: str) -> str:
        """A name for a submodule that is like an operation's."""
        name = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "operation"
        taken = next((n for n in range(2, 10**6) if not hasattr(self, f"{name}_{n}")), 0)
        return f"{name}_{taken}" if hasattr(self, name) else name


def _needed(graph: Any, output: str) -> list[Any]:
    """The operations that an output depends on, in their order.

    Raises:
        NotImplementedError: one of them is not known here.
    """
    wanted, found = {output}, []
    for proto in reversed(graph.node):
        if wanted.isdisjoint(proto.output):
            continue
        known = proto.op_type in OPERATIONS or proto.op_type == "Constant"
        if not known or proto.domain not in ("", "ai.onnx"):
            raise NotImplementedError(proto.op_type)
        wanted.update(proto.input)
        found.append(proto)
    return found[::-1]


def _node(proto: Any, opset: int) -> Node:
    from onnx import helper, numpy_helper

    attributes: dict[str, Any] = {}
    for each in proto.attribute:
        found = helper.get_attribute_value(each)
        if each.HasField("t"):
            found = numpy_helper.to_array(found)
        attributes[each.name] = found.decode() if isinstance(found, bytes) else found
    return Node(proto.op_type, attributes, opset)


def _constant(node: Node) -> tuple[Value]:
    (found,) = node.attributes.values()
    return (_value(np.asarray(found)),)


def _value(array: np.ndarray) -> Value:
    """A constant: numbers as a tensor; whole and single numbers stay an array."""
    if array.ndim and array.dtype.kind == "f":
        return torch.from_numpy(array.copy())
    return array


def _run(node: Node, inputs: Mapping[int, Value]) -> tuple[Value, ...]:
    given = [inputs.get(number) for number in range(max(inputs, default=-1) + 1)]
    return _several(OPERATIONS[node.kind](node, *given))


def _linear(node: Node, held: dict[int, Value]) -> tuple[Node, dict[int, Value]]:
    """A product with constant weights, as torch's linear layers have them."""
    weight, bias = held.get(1), held.get(2)
    if node.kind not in ("Gemm", "MatMul") or not isinstance(weight, Tensor) or weight.dim() != 2:
        return node, held
    plain = all(node.get(name, 1.0) == 1 for name in ("alpha", "beta")) and not node.get("transA")
    if not plain or 0 in held or (bias is not None and bias.ndim != 1):
        return node, held
    turned = weight if node.get("transB", 0) else weight.t().contiguous()
    return replace(node, kind=LINEAR), {**held, 1: turned}


def _several(found: Value) -> tuple[Value, ...]:
    return tuple(found) if isinstance(found, tuple | list) else (found,)
