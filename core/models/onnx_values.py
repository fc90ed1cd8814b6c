"""What operations of ONNX take and give.

A tensor of numbers is a tensor; sizes and positions, which a program computes beside the picture,
are arrays of NumPy, whose elements may be a batch that is not known yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import numpy as np
import torch
from torch import Tensor

Value: TypeAlias = Any
"""A tensor, an array of sizes, or None where an input that may be left out is."""


@dataclass(frozen=True)
class Node:
    """One operation of a program.

    Attributes:
        kind: as ONNX calls it.
        attributes: by name, as numbers, texts, lists and arrays.
        opset: by which version of ONNX it is to be read.
    """

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 17

    def get(self, name: str, usual: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, usual)

    def refuse(self, what: str) -> NoReturn:
        """Say that this is not done here."""
        raise NotImplementedError(f"{self.kind} with {what}")


def sizes(values: Value) -> list[Any]:
    """An array of sizes as a list of whole numbers, or of what stands for them."""
    return [each if isinstance(each, torch.SymInt) else int(each) for each in np.ravel(values)]


def is_host(*values: Value) -> bool:
    """Whether all values are arrays."""
    return all(isinstance(value, np.ndarray) for value in values)


def operand(value: Value, like: Tensor) -> Tensor | float:
    """What can be combined with a tensor: a number, or a tensor beside it."""
    if isinstance(value, Tensor):
        return value
    if value.size == 1 and value.ndim <= like.dim():
        return value.reshape(-1)[0].item()
    return torch.from_numpy(np.asarray(value)).to(like)


def operands(values: Sequence[Value]) -> list[Any]:
    """Tensors and numbers that can be combined with the first tensor among them."""
    like = next(value for value in values if isinstance(value, Tensor))
    return [operand(value, like) for value in values]


def axes_of(node: Node, given: Value) -> list[int] | None:
    """Axes as an attribute, or since opset 13 to 18 as an input."""
    found = node.get("axes") if given is None else sizes(given)
    return None if found is None else list(found)


def is_number(size: Any, number: int) -> bool:
    """Whether a size is a number; a batch that is not known is none."""
    return not isinstance(size, torch.SymInt) and size == number
