"""Reads state dicts without running code from the file.

Any but a ``.safetensors`` file is a pickle, which can hold code: ``weights_only=True`` refuses
whatever is not made of tensors, numbers and texts. The one exception are the options of a training
program, an `argparse.Namespace`, for which an object stands that keeps nothing. A ``.safetensors``
file cannot hold any code.
"""

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ..engine.free_memory import out_of_memory
from ..errors import ModelError, ResourceError
from ..files import isolated
from ..files.io import open_regular
from . import pickle_scan
from .checkpoints import SAVE, Checkpoint, unwrapped
from .weights import check_not_empty

SAFETENSORS = ".safetensors"
SUFFIXES = (SAFETENSORS, ".pth", ".pt", ".ckpt", ".bin", ".pth.tar")
_loading = threading.Lock()  # what torch's unpickler takes is one set for all threads
_SCAN = isolated.Limits(memory=500 * 1000 * 1000, seconds=2)  # layers, without their numbers


def is_weights(path: Path) -> bool:
    """Whether a file's name says that it holds weights."""
    return path.name.lower().endswith(SUFFIXES)


def read_state(
    path: Path, name: str = "", *, shapes_only: bool = False, trusted: bool = False
) -> Checkpoint:
    """The state dict in a file, on the CPU, and what was done to find it there.

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
    check_not_empty(path, file)
    try:
        found = _read(path, shapes_only, trusted)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} is no state dict that can be read without running code from it: {SAVE}, "
            "or the whole network with torch.export.save."
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
    return unwrapped(file, found)


def _read(path: Path, shapes_only: bool, trusted: bool) -> object:
    if path.suffix.lower() != SAFETENSORS:
        place = "meta" if shapes_only else "cpu"
        if not trusted and _check_unfolding(path) == pickle_scan.NAMESPACES:
            with _namespaces_left_out():
                return torch.load(path, map_location=place, weights_only=True)
        return torch.load(path, map_location=place, weights_only=True)
    if not shapes_only:
        # Not mapped into memory: a file that is cut while it is mapped ends the process.
        with open_regular(path) as file:
            return safetensors.torch.load(file.read())
    with safetensors.safe_open(path, framework="pt") as file:
        names = file.keys()
        return {name: _shape_of(file.get_slice(name)) for name in names}


def _shape_of(held: Any) -> torch.Tensor:
    """A tensor of a file without its numbers; of one byte each, as quantised ones are, or four."""
    short = held.get_dtype().startswith(("I8", "F8"))
    dtype = torch.int8 if short else torch.float32
    return torch.empty(held.get_shape(), dtype=dtype, device="meta")


def _check_unfolding(path: Path) -> str:
    """See that a file of torch's takes about as much memory as it has bytes; what it holds."""
    with open_regular(path) as file:
        told, _ = isolated.run(f"{pickle_scan.__name__}:scan", file, _SCAN)
    if told == pickle_scan.CODE:
        raise pickle.UnpicklingError("it holds more than tensors")
    return str(told)


@contextmanager
def _namespaces_left_out() -> Iterator[None]:
    """Within it, an object without attributes stands for a file's `argparse.Namespace`."""
    stand_in = (pickle_scan.LeftOut, pickle_scan.NAMESPACE)
    with _loading, torch.serialization.safe_globals([stand_in]):
        yield
