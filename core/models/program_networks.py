"""Networks from files, as modules that take pictures (N, C, H, W) in float32."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..engine.agreement import difference, is_rounding
from ..engine.outputs import logits_of
from ..errors import ModelError, UserError
from ..text import counted
from .programs import Input, Kind, Layout, Loaded, Opened, Program
from .reasons import reason_of


class ProgramNetwork(nn.Module):
    """A network as its file has it, given pictures as all others are."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, layout: Layout, alone: bool) -> None:
        """Take a network.

        Args:
            network: of the file.
            dtype: of its input.
            layout: of its input.
            alone: whether it takes one picture at a time.
        """
        super().__init__()
        self.network = network
        self.alone, self.layout, self.dtype = alone, layout, dtype

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (N, C, H, W) to outputs (N, outputs), float32."""
        if self.alone and len(x) != 1:
            return torch.cat([self(picture) for picture in x.split(1)])
        x = x if self.layout == "NCHW" else x.permute(0, 2, 3, 1)
        x = x if self.dtype == torch.float32 else x.to(self.dtype)
        found = logits_of(self.network(x))
        return found if found.dtype == torch.float32 else found.float()

    def train(self, _: bool = True) -> "ProgramNetwork":
        """The same: a program has no modes."""
        self.training = False
        return self


def load(path: Path, kind: Kind) -> Loaded:
    """Read a file. Of `core.models.programs.RUNS_CODE`, this runs code from it.

    Raises:
        ModelError: it cannot be read, or is no network of pictures.
    """
    if kind == "onnx":
        from .onnx_files import load_onnx  # with packages that not everybody has

        return load_onnx(path)
    from .torch_programs import load_exported, load_script

    return load_exported(path) if kind == "pt2" else load_script(path)


def network_of(program: Program) -> nn.Module:
    """The network of a file as it was found before."""
    given = Input(program.layout, program.channels, program.size)
    opened = load(program.path, program.name).prepare(program.head, given)
    return ProgramNetwork(opened.network, opened.dtype, program.layout, program.alone)


def tried(file: str, opened: Opened, given: Input) -> tuple[int, bool]:
    """How many outputs a network has, and whether it takes one picture at a time.

    Raises:
        ModelError: it does not take a picture of this kind, or returns something else than scores.
    """
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, given.channels, *given.size, generator=generator)
    network = ProgramNetwork(opened.network, opened.dtype, given.layout, alone=True)
    try:
        with torch.no_grad():
            truth = network(pictures)
    except UserError:
        raise
    except Exception as error:  # each network has its own way to refuse a size
        high, wide = given.size
        reason = reason_of(error)
        raise ModelError(
            f"{file} cannot take a picture of {wide} × {high} pixels and {given.channels} channels "
            f"({reason}): give its size and layout in a model.toml beside it."
        ) from error
    if len(truth) != len(pictures):
        raise ModelError(f"{file} returns {counted(len(truth), 'row')} of scores for 2 pictures.")
    network.alone = False
    try:
        with torch.no_grad():
            apart = difference(network(pictures), truth)
    except Exception:  # noqa: BLE001 - the same
        return truth.shape[1], True
    return truth.shape[1], not is_rounding(apart, truth, opened.dtype)
