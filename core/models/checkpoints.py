"""Checkpoints as training programs write them: the state dict that lies inside, and how it fits.

What was done to a file so that it fits is told in notes; what does not fit is told by name.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from ..errors import ModelError
from ..text import plain

SAVE = "save the state dict alone, with torch.save(model.state_dict(), FILE) or as safetensors"
# Where programs put the state dict, the trained weights before their running mean.
INSIDE = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "params"),
    *("ema", "model_ema", "state_dict_ema", "ema_state_dict", "params_ema"),
)
_DEEPEST = 3
_COUNTER = "num_batches_tracked"  # of batch norm; absent from older files, and no part of a pass
_PASSENGERS = ("total_ops", "total_params", _COUNTER)  # of profilers, and counters
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.", "aux_logits.", "aux_classifier.", "aux_head.")
_NAMED = 3
Misshapen: TypeAlias = tuple[str, tuple[int, ...], tuple[int, ...]]
"""A tensor's name, its shape in a file, and its shape in a network."""


@dataclass(frozen=True)
class Checkpoint:
    """A state dict, and what was done to find it in its file, in one sentence each."""

    state: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def digest_of(state: Mapping[str, Tensor]) -> str:
    """A sha256 in hex of the names, types, shapes and bytes of a state dict."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def unwrapped(file: str, found: object) -> Checkpoint:
    """The state dict in what a file holds: all of it, or what lies under a known name.

    Raises:
        ModelError: there is none, or it holds anything but named tensors.
    """
    path: list[str] = []
    left: list[str] = []
    while isinstance(found, Mapping) and len(path) < _DEEPEST and not _is_state(found):
        names = [key for key in INSIDE if isinstance(found.get(key), Mapping) and found[key]]
        if not names:
            break
        path.append(names[0])
        left += names[1:]
        found = found[names[0]]
    if not isinstance(found, Mapping):
        raise ModelError(f"{file} holds no state dict: {SAVE}.")
    where = f"{file} holds, under {'.'.join(path)}," if path else f"{file} holds"
    for key, value in found.items():
        if isinstance(value, Tensor) and _is_quantised(value):
            raise ModelError(
                f"{where} {plain(str(key))} as {str(value.dtype).removeprefix('torch.')}: the "
                "weights are quantised, and such weights have no gradients; give them in full, as "
                "float32, float16 or bfloat16."
            )
        if not (isinstance(key, str) and _is_plain(value)):
            # What is no name may be a tuple of tuples whose text would fill the memory.
            named = plain(key) if isinstance(key, str) else f"a key of type {type(key).__name__}"
            raise ModelError(f"{where} {named}, which is no tensor of a layer: {SAVE}.")
    if not path:
        return Checkpoint(dict(found))
    others = f"; {', '.join(left)} beside it is left out" if left else ""
    return Checkpoint(dict(found), (f"{file} holds the weights under {'.'.join(path)}{others}.",))


def fitted(
    file: str, given: Checkpoint, expected: Mapping[str, Tensor], classes: int
) -> Checkpoint:
    """A checkpoint with the names of a network with so many classes.

    A prefix that all names share is left out if they then fit, and so are counters of profilers and
    auxiliary heads that the network does not have. Of names with several prefixes, those are taken
    that are the whole network, if there is one such prefix.

    Raises:
        ModelError: it does not fit: which layers are missing, unexpected or of another shape; or
            two networks in it would.
    """
    best, notes = given.state, list(given.notes)
    prefix, beside = "", list[str]()
    group = _group(file, given.state, expected)
    if group:
        beside = [name for name in best if not (name.startswith(group) or _counts(name))]
        best = {name: value for name, value in best.items() if name not in beside}
    for each in _prefixes(best):
        shorter = {name.removeprefix(each): value for name, value in best.items()}
        if _misfit(shorter, expected) < _misfit(best, expected):
            best, prefix = shorter, each
    passengers = [name for name in best if name not in expected and _rides(name, expected)]
    best = {name: value for name, value in best.items() if name not in passengers}
    _check(file, best, expected, classes, prefix)
    if prefix:
        whose = "of the network's layers" if beside else "of all layers"
        notes.append(f"{file}: the names {whose} begin with {plain(prefix)}, which is left out.")
    if beside:
        verb = "is" if len(beside) == 1 else "are"
        notes.append(f"{file}: {few(beside)} {verb} no part of the network and {verb} left out.")
    told = [name for name in passengers if not name.endswith(_COUNTER)]
    if told:
        verb = "is" if len(told) == 1 else "are"
        notes.append(
            f"{file}: {few(told)} {verb} no part of the network's pass and {verb} left out."
        )
    return Checkpoint(best, tuple(notes))


def _is_state(found: Mapping[object, object]) -> bool:
    return bool(found) and all(isinstance(value, Tensor) for value in found.values())


def _is_quantised(value: Tensor) -> bool:
    """Whether numbers are of a type that weights have only if they are scaled elsewhere."""
    short = value.dtype.itemsize == 1 and value.dtype not in (torch.bool, torch.uint8)
    return value.is_quantized or short


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_complex()


def _prefixes(state: Mapping[str, Tensor]) -> Iterator[str]:
    """What all names share, up to each of its dots."""
    names = [name for name in state if not _counts(name)]
    if not names:
        return
    low, high = min(names), max(names)  # all others lie between these two
    for place, (one, other) in enumerate(zip(low, high, strict=False)):
        if one != other:
            return
        if one == ".":
            yield low[: place + 1]


def _group(file: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """The prefix behind which a whole network lies beside other things; empty if there is none.

    Raises:
        ModelError: several networks in it fit.
    """
    wanted = [name for name in expected if not _counts(name)]
    if not wanted:
        return ""
    ends = (name.removesuffix(wanted[0]) for name in state if name.endswith(wanted[0]))
    whole = [
        prefix
        for prefix in dict.fromkeys(ends)
        if prefix[-1:] in ("", ".") and all(prefix + name in state for name in wanted)
    ]
    fits = [
        prefix
        for prefix in whole
        if all(state[prefix + name].shape == expected[name].shape for name in wanted)
    ]
    if len(fits) > 1:
        named = " and ".join(plain(prefix) or "no prefix" for prefix in sorted(fits))
        raise ModelError(
            f"{file} holds {len(fits)} networks that fit, whose names begin with {named}: save the "
            "state dict of the one to explain alone."
        )
    found = fits or whole
    return found[0] if len(found) == 1 else ""


def _counts(name: str) -> bool:
    return name.rpartition(".")[2] in _PASSENGERS


def _rides(name: str, expected: Mapping[str, Tensor]) -> bool:
    """Whether a name that the network does not have says nothing about its answers."""
    head = next((each for each in _AUXILIARY if name.startswith(each)), None)
    return _counts(name) or (
        head is not None and not any(known.startswith(head) for known in expected)
    )


def _misfit(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    """How many names are of one alone; those of other shapes are of both."""
    missing = sum(name not in found and not name.endswith(_COUNTER) for name in expected)
    return missing + sum(name not in expected and not _rides(name, expected) for name in found)


def _check(
    file: str,
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    classes: int,
    prefix: str,
) -> None:
    missing = [name for name in expected if name not in found and not name.endswith(_COUNTER)]
    extra = [name for name in found if name not in expected]
    wrong = [
        name for name in expected if name in found and found[name].shape != expected[name].shape
    ]
    if not (missing or extra or wrong):
        return
    others = [(name, tuple(found[name].shape), tuple(expected[name].shape)) for name in wrong]
    outputs = outputs_instead(others, classes)
    if not (missing or extra) and outputs is not None:
        raise ModelError(
            f"{file} is of a network with {outputs} outputs, but {classes} classes are "
            "listed: list one for each output."
        )
    parts = (("", shapes_told(others)), ("missing ", missing), ("not expected ", extra))
    told = "; ".join(f"{word}{few(names)}" for word, names in parts if names)
    if prefix:
        told = f"its names begin with {plain(prefix)}, and without that: {told}"
    elif found and len(extra) == len(found):  # a network of another kind, or one within another
        own, theirs = _beginnings(found), _beginnings(expected)
        told = f"its names begin with {own}, the network's with {theirs}; {told}"
    raise ModelError(f"{file} does not fit the network: {told}. Check architecture and classes.")


def _beginnings(state: Mapping[str, Tensor]) -> str:
    first = dict.fromkeys(name.partition(".")[0] + "." * ("." in name) for name in state)
    return few(list(first))


def outputs_instead(others: Sequence[Misshapen], classes: int) -> int | None:
    """How many outputs a file's network has, if nothing but their number is another."""
    found = {theirs[0] for _, theirs, own in others if theirs and own and own[0] == classes}
    same = all(theirs[1:] == own[1:] and own[:1] == (classes,) for _, theirs, own in others)
    return found.pop() if same and len(found) == 1 else None


def shapes_told(others: Iterable[Misshapen]) -> list[str]:
    """What the shapes are and should be, in words."""
    return [f"{name} is {_shape(theirs)}, not {_shape(own)}" for name, theirs, own in others]


def _shape(sides: Sequence[int]) -> str:
    return " × ".join(map(str, sides)) or "a single number"


def few(texts: Sequence[str]) -> str:
    """The first of some texts, and how many more there are."""
    more = len(texts) - _NAMED
    named = ", ".join(map(plain, texts[:_NAMED]))
    return f"{named} and {more} more" if more > 0 else named
