"""Networks that a function of one's own builds: ``MODULE:FACTORY``, of this folder or installed.

To call it is to run code. So it is called only where whoever started the program has named it, or
has allowed those that descriptions of models name: see `core.models.registry.allow_factories`.
"""

import importlib
import logging
import os
import re
import sys
import traceback
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..engine.outputs import logits_of
from ..errors import ModelError, UserError
from ..pictures.preprocessing import Preprocessing, Size
from ..text import plain, quoted
from .catalogue import TIMM, ModelRecord, Network, imagenet_classes
from .checkpoints import Checkpoint, digest_of
from .heads import assumed_head
from .reasons import reason_of
from .weights import Progress

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_ASSUMED = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
# Nobody can say whether code is what it was when maps were kept: they are kept for this process.
CODE = f"process {uuid.uuid4().hex}"
_ROOT = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}
_log = logging.getLogger(__name__)


def is_factory(name: str) -> bool:
    """Whether a name is of the form ``MODULE:FACTORY``, and not a library's."""
    return _NAME.fullmatch(name) is not None and not name.startswith(TIMM)


def call(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that a factory builds. This runs its code.

    Raises:
        ModelError: it cannot be found, raises, or returns something else.
    """
    module, _, function = name.partition(":")
    here = os.getcwd()  # noqa: PTH109 - as Python's own path writes it
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _raised(name, error, "cannot be imported") from error
        raise ModelError(
            f"There is no module {module}, neither in this folder nor installed: start the "
            "program in the folder that holds it."
        ) from error
    except (Exception, SystemExit) as error:  # other people's code raises anything
        raise _raised(name, error, "cannot be imported") from error
    try:
        factory: Any = reduce(getattr, function.split("."), found)
    except AttributeError as error:
        raise ModelError(f"The module {module} has no {function}: check its name.") from error
    try:
        made = factory(**arguments)
    except (Exception, SystemExit) as error:  # the same
        raise _raised(name, error, "failed") from error
    if not isinstance(made, nn.Module):
        raise ModelError(
            f"{name} returned {quoted(type(made).__name__)}: it has to return a torch.nn.Module."
        )
    return made.eval()


def scores_of(name: str, network: nn.Module, size: Size, channels: int) -> int:
    """How many scores a network gives for a picture of this size.

    Raises:
        ModelError: it cannot take one.
    """
    try:
        with torch.no_grad():
            return logits_of(network(torch.zeros(1, channels, *size))).shape[1]
    except UserError:
        raise
    except Exception as error:  # the same
        height, width = size
        what = f"cannot take a picture of {width} × {height} pixels"
        raise _raised(name, error, what) from error


@dataclass(frozen=True)
class BuiltWeights:
    """The weights that a factory's network has from the beginning."""

    network: Network
    megabytes: float | None
    name: str = ""
    present: bool = True

    def download(self) -> Generator[Progress, None, None]:
        """Nothing is to be brought here."""
        yield from ()

    def load(self) -> tuple[Checkpoint, str]:
        """The state dict of a network that is built now, and a digest of it."""
        state = call(self.network.name, dict(self.network.options)).state_dict()
        return Checkpoint(state), digest_of(state)


def size_of(state: Mapping[str, torch.Tensor]) -> float:
    """How much a state dict takes, in millions of bytes."""
    return sum(value.numel() * value.element_size() for value in state.values()) / 1e6


@lru_cache(8)
def factory_record(name: str) -> ModelRecord:
    """A factory's network with the weights that it has, as a model. This runs its code.

    Raises:
        ModelError: it cannot be called, or what it builds takes no picture.
    """
    network = Network(name, ())
    made = call(name, {})
    count = scores_of(name, made, _ASSUMED.size, 3)
    names = imagenet_classes()
    if count != len(names):
        names = tuple(f"class {number}" for number in range(count))
    notes = [
        f"Nobody said how {name} sees a picture: resized to 256, cropped to 224 and normalised as "
        "for ImageNet is assumed."
    ]
    if count == 1:
        notes.append(f"{name} gives one number, which is taken as a value.")
    return ModelRecord(
        name=name,
        title=name,
        architecture=network.build,
        weights=BuiltWeights(network, size_of(made.state_dict())),
        preprocessing=_ASSUMED,
        class_names=names,
        licence="",
        accuracy=None,
        source="",
        network=network,
        head=assumed_head(count),
        notes=tuple(notes),
        code=CODE,
    )


def _raised(name: str, error: BaseException, what: str) -> ModelError:
    _log.info("%s %s", name, what, exc_info=error)
    told = reason_of(error) if str(error).strip() else "no message"
    return ModelError(
        f"{name} {what} ({type(error).__name__}: {told}{_where(error)}): try it in Python, which "
        "shows the whole traceback."
    )


def _where(error: BaseException) -> str:
    """The last line of code that is neither this program's nor in an installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_file() and not (path.is_relative_to(_ROOT) or _INSTALLED & set(path.parts)):
            return f", line {frame.lineno} of {plain(path.name)}"
    return ""
