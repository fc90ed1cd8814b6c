"""A private copy of a network in eval mode, independent of the caller's module.

The twin shares the module's parameters, which are never written, and holds copies of everything
that a forward pass may write: buffers, tensors that it stores, lists that it fills. Hooks, replaced
forwards and the functions that they close over are turned to the twin, so that none of them
reaches back into the caller's module.
"""

import contextlib
import copy
import functools
import types
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..errors import ModelError
from .checks import check_values

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Network: TypeAlias = "nn.Module | ExportedProgram"
"""What may be given as a network."""


def private_twin(network: Network) -> nn.Module:
    """The twin of a network, in eval mode.

    `nn.DataParallel` and compiled modules are unwrapped; an `ExportedProgram` gives its module.

    Raises:
        ModelError: the network has lazy layers that never ran, or weights without values.
    """
    # Takes a while to load, and no prediction needs it.
    from torch.export import ExportedProgram

    if isinstance(network, ExportedProgram):
        return network.module()
    module = _unwrapped(network)
    for name, parameter in module.named_parameters():
        if is_lazy(parameter):
            raise ModelError(
                f"The parameter {name} has no shape yet: run the model once on a picture before."
            )
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        check_values(name, tensor)
    if isinstance(module, torch.jit.ScriptModule):
        return copy.deepcopy(module).eval()
    twin = _twin(module)
    # An exported program's module has no modes.
    with contextlib.suppress(NotImplementedError):
        twin.eval()
    return twin


def _unwrapped(module: nn.Module) -> nn.Module:
    """What a parallel or compiled module wraps."""
    compiled = getattr(module, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return _unwrapped(compiled)
    return _unwrapped(module.module) if isinstance(module, nn.DataParallel) else module


def _twin(module: nn.Module) -> nn.Module:
    memo: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
    parts = []
    for part in module.modules():
        if id(part) in memo:
            continue
        if isinstance(part, torch.jit.ScriptModule):
            memo[id(part)] = copy.deepcopy(part)
            memo.update((id(each), memo[id(part)]) for each in part.modules())
        else:
            memo[id(part)] = object.__new__(type(part))
            parts.append(part)
    for part in parts:
        memo[id(part)].__dict__.update({k: _copied(v, memo) for k, v in vars(part).items()})
    return memo[id(module)]


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """A copy for the twin; shared where it cannot be copied, such as a lock or an open file."""
    if id(value) in memo:
        return memo[id(value)]
    made: Any = value
    if isinstance(value, Tensor):
        made = value.detach().clone()
    elif isinstance(value, types.MethodType):
        made = types.MethodType(value.__func__, _copied(value.__self__, memo))
    elif isinstance(value, types.FunctionType):
        made = _turned(value, memo)
    elif isinstance(value, functools.partial):
        args = (_copied(each, memo) for each in value.args)
        named = {key: _copied(each, memo) for key, each in value.keywords.items()}
        made = functools.partial(_copied(value.func, memo), *args, **named)
    elif isinstance(value, dict):
        made = memo[id(value)] = copy.copy(value)
        made.update({key: _copied(each, memo) for key, each in value.items()})
    elif type(value) is list:
        made = memo[id(value)] = []
        made.extend(_copied(each, memo) for each in value)
    elif type(value) in (tuple, set, frozenset):
        made = type(value)(_copied(each, memo) for each in value)
    else:
        with contextlib.suppress(Exception):  # an object's own code may raise anything
            made = copy.deepcopy(value, memo)
    memo[id(value)] = made
    return made


def _turned(function: types.FunctionType, memo: dict[int, Any]) -> types.FunctionType:
    """A function that closes over what is the twin's; the same one if that makes no difference."""
    cells = function.__closure__ or ()
    contents = [cell.cell_contents for cell in cells if _filled(cell)]
    if not any(_concerns(value, memo) for value in contents):
        return function
    turned = memo[id(function)] = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(
            types.CellType(_copied(cell.cell_contents, memo)) if _filled(cell) else cell
            for cell in cells
        ),
    )
    turned.__kwdefaults__ = function.__kwdefaults__
    turned.__dict__.update(function.__dict__)
    return turned


def _filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _concerns(value: Any, memo: dict[int, Any]) -> bool:
    """Whether a closed-over value belongs to the network, or may be filled by a forward pass."""
    if isinstance(value, Tensor | nn.Module | dict | list | set | functools.partial):
        return True
    if isinstance(value, types.MethodType):
        return _concerns(value.__self__, memo)
    return isinstance(value, types.FunctionType) and any(
        _concerns(cell.cell_contents, memo) for cell in value.__closure__ or () if _filled(cell)
    )
