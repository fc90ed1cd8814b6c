"""Serialises frozen results as plain arrays and JSON, without pickle.

What a value may hold: dataclasses, named tuples, tuples, NumPy arrays, mappings of JSON types, and
numbers, texts and None. It is read back by the declared types of its class, never by a name in the
file.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

Value = TypeVar("Value")
_TEXT = "value"


class UnpackError(ValueError):
    """The arrays do not hold a value of the wanted type."""


def pack(value: object) -> dict[str, np.ndarray]:
    """A value as arrays by name; its structure is JSON in one of them, uint8."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_packed(value, arrays)).encode()
    return {**arrays, _TEXT: np.frombuffer(text, np.uint8)}


def unpack(wanted: type[Value], arrays: Mapping[str, np.ndarray]) -> Value:
    """A value of a type from what `pack` made of it.

    Raises:
        UnpackError: the arrays do not hold one.
    """
    try:
        return _unpacked(wanted, json.loads(arrays[_TEXT].tobytes()), arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnpackError(f"this is no {wanted.__name__}: {error}") from error


def _packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return name
    if is_dataclass(value):
        return {field.name: _packed(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _packed(each, arrays) for name, each in value._asdict().items()}
    if isinstance(value, tuple):
        return [_packed(each, arrays) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def _unpacked(wanted: Any, found: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is np.ndarray:
        return arrays[found]
    if is_dataclass(wanted) or hasattr(wanted, "_fields"):
        hints = get_type_hints(wanted)
        if set(found) != set(hints):
            raise UnpackError(f"its fields are {', '.join(found)}")
        return wanted(**{name: _unpacked(hints[name], found[name], arrays) for name in hints})
    if origin is tuple:
        kinds = [inner[0]] * len(found) if inner[1:] == (...,) else inner
        return tuple(_unpacked(k, each, arrays) for k, each in zip(kinds, found, strict=True))
    if origin in (Union, types.UnionType) and type(None) in inner:
        rest = [kind for kind in inner if kind is not type(None)]
        return found if found is None or len(rest) > 1 else _unpacked(rest[0], found, arrays)
    return found
