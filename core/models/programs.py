"""Files that hold a whole network: exported programs (.pt2), ONNX and TorchScript.

What a file is, its content says: torch gives state dicts, pickled modules and TorchScript the same
suffixes. An exported program is read with pickle, and TorchScript is a program for torch's own
interpreter: to open either is to run code. ONNX is data that onnxruntime computes.
"""

import hashlib
import zipfile
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from ..errors import ModelError
from ..files.io import open_regular
from ..pictures.channels import PHOTOS
from ..pictures.preprocessing import Size
from .heads import HeadKind
from .weights import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .checkpoints import Checkpoint

Kind: TypeAlias = Literal["pt2", "onnx", "torchscript"]
Layout: TypeAlias = Literal["NCHW", "NHWC"]
LAYOUTS: tuple[Layout, ...] = ("NCHW", "NHWC")
PROGRAMS = (".pt2", ".onnx")
"""Suffixes that only such files have; TorchScript has those of state dicts."""
TITLES: dict[Kind, str] = {
    "pt2": "exported program",
    "onnx": "ONNX program",
    "torchscript": "TorchScript program",
}
ENDINGS: dict[str, tuple[HeadKind, ...]] = {
    "softmax": ("softmax",),
    "sigmoid": ("sigmoid", "binary"),
}
"""By what a network may end with, the heads of which it is."""
_USUAL = 224  # pixels, where a file does not say
RUNS_CODE: frozenset[Kind] = frozenset(("pt2", "torchscript"))


def is_program(path: Path) -> bool:
    """Whether a file's name says that it holds a network."""
    return path.name.lower().endswith(PROGRAMS)


def kind_of(path: Path) -> Kind | None:
    """What kind of network a file holds; None for weights, and for what is neither.

    Raises:
        OSError: it cannot be read.
    """
    if path.name.lower().endswith(".onnx"):
        return "onnx"
    with open_regular(path) as file:
        try:
            names = zipfile.ZipFile(file).namelist()
        except (zipfile.BadZipFile, ValueError, EOFError):
            names = []
    inner = {name.partition("/")[2] for name in names}
    if "archive_format" in inner or "serialized_exported_program.json" in names:
        return "pt2"
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return "torchscript"
    return "pt2" if path.name.lower().endswith(".pt2") else None


class Input(NamedTuple):
    """What a network takes: (N, channels, *size), or with the channels last."""

    layout: Layout
    channels: int
    size: Size


@dataclass(frozen=True, eq=False)
class Opened:
    """A network from a file.

    Attributes:
        network: takes an `Input`, of ``dtype``, to its outputs.
        dtype: of its input.
        ending: the softmax or sigmoid that was left out, or empty.
        notes: on how it is run, in one sentence each.
    """

    network: "nn.Module"
    dtype: "torch.dtype"
    ending: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file that was read, before it is known what its description says.

    Attributes:
        shape: the four axes of its input, None where any will do; empty if it does not say.
        prepare: gives the network for a kind of head, or for the one that its ending suggests.
        beside: names of files beside it that hold its numbers.
    """

    shape: tuple[int | None, ...]
    prepare: Callable[[HeadKind | None, Input], Opened]
    beside: tuple[str, ...] = ()


def shape_of(file: str, shape: tuple[int | None, ...], layout: Layout | None) -> Input:
    """What a network takes by the shape of its input, and usually where that does not say.

    Raises:
        ModelError: it takes no pictures.
    """
    axes = shape or (None,) * 4
    if len(axes) != 4:
        raise ModelError(
            f"{file} takes an input of {len(axes)} axes, and pictures have 4: batch, channels, "
            "height and width."
        )
    last = axes[3] in PHOTOS and axes[1] not in PHOTOS
    layout = layout or ("NHWC" if last else "NCHW")
    channels, high, wide = axes[1:] if layout == "NCHW" else (axes[3], *axes[1:3])
    return Input(layout, channels or 3, (high or _USUAL, wide or _USUAL))


def leaves_out(file: str, ending: str, head: HeadKind | None) -> bool:
    """Whether the softmax or sigmoid at the end of a network is left out, to have its logits.

    Raises:
        ModelError: its outputs are probabilities of another kind than those of its head.
    """
    if not ending or head == "value":
        return False
    if head is not None and head not in ENDINGS[ending]:
        raise ModelError(
            f"{file} ends with a {ending}, which is not that of the head {head}: give one of "
            f"{', '.join(ENDINGS[ending])}, or value for its outputs as they are."
        )
    return True


@dataclass(frozen=True)
class Program:
    """A network in a file, and how it is to be run.

    Attributes:
        name: of its kind.
        head: what its outputs mean; a softmax or sigmoid that ends it is left out if it is that of
            the head, since logits are explained.
        layout: of its input.
        alone: whether it takes one picture at a time.
        ending: what was left out, or empty.
        channels: of its input.
        size: height and width of its input.
        beside: names of the files beside it that hold its numbers.
        path: where the file lies.
    """

    name: Kind
    head: HeadKind
    layout: Layout
    alone: bool
    ending: str
    channels: int
    size: Size
    beside: tuple[str, ...]
    path: Path = field(compare=False)

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """What others need in order to run the same file in the same way."""
        how = ("layout", self.layout), ("ending", self.ending)
        return (*how, ("beside", self.beside)) if self.beside else how

    def build(self) -> "nn.Module":
        """The network, with its weights."""
        from .program_networks import network_of  # with torch

        return network_of(self)


@dataclass(frozen=True)
class ProgramFile:
    """The file of a network, as weights that are nowhere else.

    Attributes:
        path: where it lies.
        beside: names of the files beside it that hold its numbers, as large ONNX programs have.
        stamp: when the file was changed, in ns, and its size: one that was written anew is another.
    """

    path: Path
    beside: tuple[str, ...] = ()
    stamp: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """What sentences call it."""
        return self.path.name

    @property
    def present(self) -> bool:
        """Whether it is on this machine."""
        return all(path.is_file() for path in self._paths)

    @property
    def megabytes(self) -> float | None:
        """Its size in millions of bytes."""
        return sum(path.stat().st_size for path in self._paths) / 1e6 if self.present else None

    def download(self) -> Generator[Progress, None, None]:
        """Nothing can be brought here.

        Raises:
            ModelError: the file is gone.
        """
        yield from ()
        raise ModelError(f"{self.name} is gone from {self.path.parent}: put the file back.")

    def load(self) -> tuple["Checkpoint | None", str]:
        """No state dict, as the network comes with it; and the sha256 of the files one by one.

        Raises:
            ModelError: it cannot be read.
        """
        found = hashlib.sha256()
        for path in self._paths:
            try:
                with open_regular(path) as file:
                    while piece := file.read(1 << 20):
                        found.update(piece)
            except OSError as error:
                raise ModelError(
                    f"{path.name} cannot be read ({error.strerror}): check it."
                ) from error
        return None, found.hexdigest()

    @property
    def _paths(self) -> list[Path]:
        return [self.path, *(self.path.parent / name for name in self.beside)]
