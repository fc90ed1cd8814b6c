"""Digests of networks, by which a changed network is recognised.

They guard against mistakes, not against forgery, and read weights as fast as memory gives them.
"""

import functools
import types
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
import xxhash
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .checks import check_values
from .twin import Network

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_HELD = (*_PLAIN, Tensor, np.ndarray, list, tuple, dict, set, frozenset)
_OWN = ("_parameters", "_buffers", "_modules")  # told by name and content


def digest(tensor: Tensor) -> str:
    """Hex XXH3 (128 bits) of a tensor's shape, type and values."""
    found = xxhash.xxh3_128()
    _add(found, tensor)
    return found.hexdigest()


def fingerprint(network: Network) -> str:
    """Digest of all that changes what a network computes: its structure and its weights.

    Raises:
        ModelError: a parameter or buffer has no values.
    """
    # Takes a while to load, and no prediction needs it.
    from torch.export import ExportedProgram

    found = xxhash.xxh3_128(structure(network).encode())
    named: Iterable[tuple[str, Any]]
    if isinstance(network, ExportedProgram):
        named = network.state_dict.items()
    else:
        tensors = [*network.named_parameters(), *network.named_buffers()]
        named = [(name, tensor) for name, tensor in tensors if not is_lazy(tensor)]
    for name, tensor in named:
        check_values(name, tensor)
        found.update(name.encode())
        _add(found, tensor)
    return found.hexdigest()


def structure(network: Network) -> str:
    """Digest of a network but for the values of its parameters and buffers.

    Classes, modes, settings, tensors and functions in plain attributes, hooks, replaced forwards.
    """
    from torch.export import ExportedProgram  # as in `fingerprint`

    found = xxhash.xxh3_128()
    if isinstance(network, ExportedProgram):
        found.update(network.graph_module.code.encode())
        _add_value(found, network.constants, {}, set())
        return found.hexdigest()
    names = {id(part): name for name, part in network.named_modules()}
    for name, part in network.named_modules():
        found.update(f"{name} {type(part)} {id(type(part))}".encode())
        for key, value in sorted(vars(part).items()):
            found.update(key.encode())
            if key in _OWN:  # of modules that the network lists
                for label, tensor in value.items():
                    if isinstance(tensor, Tensor) and not is_lazy(tensor):
                        found.update(f"{label} {tuple(tensor.shape)} {tensor.dtype}".encode())
                        found.update(str(tensor.device).encode())
            else:
                _add_value(found, value, names, set())
    return found.hexdigest()


def _add(found: xxhash.xxh3_128, tensor: Tensor) -> None:
    found.update(f"{tuple(tensor.shape)} {tensor.dtype} {tensor.device} ".encode())
    plain = tensor.detach().cpu().contiguous()
    found.update(plain.reshape(-1).view(torch.uint8).numpy().data)


def _add_value(
    found: xxhash.xxh3_128, value: Any, names: Mapping[int, str], seen: set[int]
) -> None:
    """Plain values, tensors and arrays by content, functions by code and what they close over.

    The network's own modules by their name, others by all that they hold. Other objects by their
    identity and by what of these they hold: objects that they refer to are not looked into.

    Args:
        found: what is added to.
        value: of any type.
        names: by the id of each of the network's modules, its name.
        seen: ids of what was added already.
    """
    if isinstance(value, _PLAIN):
        found.update(repr(value).encode())
    elif id(value) in names:
        found.update(f"module {names[id(value)]}".encode())
    elif id(value) in seen:
        found.update(b"again")
    else:
        seen.add(id(value))
        found.update(type(value).__name__.encode())
        for part in _parts(found, value):
            _add_value(found, part, names, seen)


def _parts(found: xxhash.xxh3_128, value: Any) -> Iterable[Any]:
    """What else has to be added of a value, beside what is added here."""
    parts: Iterable[Any] = ()
    if isinstance(value, Tensor):
        if value.layout is torch.strided and value.device.type != "meta" and not is_lazy(value):
            _add(found, value)
    elif isinstance(value, Mapping):
        parts = [each for item in value.items() for each in item]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    elif isinstance(value, types.MethodType):
        parts = (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        parts = (value.func, value.args, value.keywords)
    elif isinstance(value, nn.Module):
        found.update(str(id(type(value))).encode())
        parts = [each for item in sorted(vars(value).items()) for each in item]
    elif isinstance(value, types.FunctionType):
        code = value.__code__
        found.update(code.co_code + repr(code.co_names).encode() + str(id(code)).encode())
        closed_over = (_content(cell) for cell in value.__closure__ or ())
        parts = [value.__defaults__, value.__kwdefaults__, *closed_over]
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        found.update(f"{value.shape} {value.dtype} ".encode() + value.tobytes())
    else:
        found.update(str(id(value)).encode())
        held = {} if isinstance(value, type) else getattr(value, "__dict__", {})
        parts = [each for item in held.items() if isinstance(item[1], _HELD) for each in item]
    return parts


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
