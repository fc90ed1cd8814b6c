"""Weights as tensors by name: read without running anything in the file, and told what they fit.

A ``.pth`` or ``.pt`` file is a pickle, which can hold code: ``weights_only=True`` refuses whatever
is not a tensor. A ``.safetensors`` file cannot hold any.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from core import isolated, pickle_scan
from core.errors import ModelError, ResourceError
from core.files import open_regular
from core.free_memory import out_of_memory
from core.text import plain

SAFETENSORS = ".safetensors"
SUFFIXES = (SAFETENSORS, ".pth", ".pt")
_SAVE = "save the state dict alone, with torch.save(model.state_dict(), FILE) or as safetensors"
_COUNTER = "num_batches_tracked"  # of batch norm; absent from older files, and no part of a pass
_NAMED = 3
_SCAN = isolated.Limits(memory=500 * 1000 * 1000, seconds=2)  # layers, without their numbers


def read_state(
    path: Path, name: str = "", *, shapes_only: bool = False, trusted: bool = False
) -> dict[str, Tensor]:
    """A state dict from a file, on the CPU.

    Args:
        path: of one of the `SUFFIXES`; any but safetensors is read as torch's own format.
        name: what sentences call it; by default its own name.
        shapes_only: leave the numbers where they are: the tensors are on the meta device.
        trusted: whether it is known which file this is; others are looked at before torch reads
            them, so that they take no more memory than they have bytes.

    Raises:
        ModelError: the file is damaged, or holds anything but named tensors.
    """
    file = name or path.name
    try:
        found = _read(path, shapes_only, trusted)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} is no state dict that can be read without running code from it: {_SAVE}."
        ) from error
    except ResourceError:
        raise
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): check it.") from error
    except Exception as error:  # a damaged file makes its reader raise anything
        if out_of_memory(error):
            raise
        raise ModelError(
            f"{file} cannot be read: it is damaged or cut short, or no weights at all; "
            "copy it again."
        ) from error
    if not isinstance(found, Mapping):
        raise ModelError(f"{file} holds no state dict: {_SAVE}.")
    for key, value in found.items():
        if not (isinstance(key, str) and _is_plain(value)):
            # What is no name may be a tuple of tuples whose text would fill the memory.
            named = plain(key) if isinstance(key, str) else f"a key of type {type(key).__name__}"
            raise ModelError(f"{file} holds {named}, which is no tensor of a layer: {_SAVE}.")
    return dict(found)


def check_fit(
    file: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], classes: int
) -> None:
    """See that a file's state dict is that of a network with so many classes.

    Raises:
        ModelError: it is not: which layers are missing, unexpected or of another shape.
    """
    missing = [name for name in expected if name not in found and not name.endswith(_COUNTER)]
    extra = [name for name in found if name not in expected]
    wrong = [
        name for name in expected if name in found and found[name].shape != expected[name].shape
    ]
    if not (missing or extra or wrong):
        return
    outputs = {_outputs(found[name], expected[name], classes) for name in wrong}
    if not (missing or extra) and len(outputs) == 1 and None not in outputs:
        raise ModelError(
            f"{file} is of a network with {outputs.pop()} outputs, but {classes} classes are "
            "listed: list one for each output."
        )
    shapes = [f"{name} is {_shape(found[name])}, not {_shape(expected[name])}" for name in wrong]
    parts = (("", shapes), ("missing ", missing), ("not expected ", extra))
    told = "; ".join(f"{word}{_few(names)}" for word, names in parts if names)
    raise ModelError(f"{file} does not fit the network: {told}. Check architecture and classes.")


def _read(path: Path, shapes_only: bool, trusted: bool) -> object:
    if path.suffix.lower() != SAFETENSORS:
        if not trusted:
            _check_unfolding(path)
        place = "meta" if shapes_only else "cpu"
        return torch.load(path, map_location=place, weights_only=True)
    if not shapes_only:
        # Not mapped into memory: a file that is cut while it is mapped ends the process.
        with open_regular(path) as file:
            return safetensors.torch.load(file.read())
    with safetensors.safe_open(path, framework="pt") as file:
        return {
            name: torch.empty(file.get_slice(name).get_shape(), device="meta")
            for name in file.keys()  # noqa: SIM118 - it is no mapping
        }


def _check_unfolding(path: Path) -> None:
    """See that a file of torch's takes about as much memory as it has bytes."""
    with open_regular(path) as file:
        told, _ = isolated.run("core.pickle_scan:scan", file, _SCAN)
    if told == pickle_scan.CODE:
        raise pickle.UnpicklingError("it holds more than tensors")


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_complex() or value.is_quantized)
    )


def _outputs(found: Tensor, expected: Tensor, classes: int) -> int | None:
    """How many outputs a last layer has; None if it differs in more than their number."""
    if not (found.dim() and expected.dim() and expected.shape[0] == classes):
        return None
    return found.shape[0] if found.shape[1:] == expected.shape[1:] else None


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a single number"


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    named = ", ".join(map(plain, texts[:_NAMED]))
    return f"{named} and {more} more" if more > 0 else named
