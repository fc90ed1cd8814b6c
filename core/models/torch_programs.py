"""Opens programs that torch itself wrote: `torch.export.save` and `torch.jit.save`.

To open either is to run code: `torch.export.load` unpickles weights, constants and sample inputs,
and TorchScript is run by torch's interpreter, though no Python is. So both are opened only where
whoever started the program has named the file or allowed such files.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import fx, nn

from ..engine.free_memory import out_of_memory
from ..engine.operations import arguments, name
from ..errors import ModelError, UserError
from .heads import HeadKind
from .programs import Input, Loaded, Opened, leaves_out
from .reasons import reason_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_ENDINGS = {"softmax": "softmax", "_softmax": "softmax", "sigmoid": "sigmoid"}
_MODES = ("training", "train")  # arguments that say whether an operation is that of training


def load_exported(path: Path) -> Loaded:
    """An exported program. This runs code from the file.

    Raises:
        ModelError: it cannot be read, or is no network of one picture in eval mode.
    """
    # Takes a while to load, and few models need it.
    from torch.export import load
    from torch.export.graph_signature import InputKind

    with _reading(path, "save it again with torch.export.save by this version of torch"):
        program = load(str(path))
    inputs = [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT
    ]
    if len(inputs) != 1:
        raise ModelError(_inputs(path, len(inputs)))
    _check_mode(path, program)
    given = next(node for node in program.graph.nodes if node.name == inputs[0]).meta.get("val")
    if not isinstance(given, torch.Tensor) or not given.is_floating_point():
        raise ModelError(
            f"{path.name} does not take a tensor of floating point numbers: export a network that "
            "takes one normalised picture."
        )

    def prepare(head: HeadKind | None, _: Input) -> Opened:
        ending = _ending(program)
        if leaves_out(path.name, ending, head):
            _leave_out(program)
        else:
            ending = ""
        return Opened(_module(program), given.dtype, ending)

    shape = tuple(side if isinstance(side, int) else None for side in given.shape)
    return Loaded(shape, prepare)


def load_script(path: Path) -> Loaded:
    """A TorchScript program. This runs code from the file.

    Raises:
        ModelError: it cannot be read, or takes something else than one picture.
    """
    with _reading(path, "save it again with torch.jit.save, or better with torch.export.save"):
        network = torch.jit.load(str(path), map_location="cpu").eval()
        expected = [
            each for each in network.forward.schema.arguments if not each.has_default_value()
        ]
        graph = network.inlined_graph  # held here: its nodes do not hold it
        last = next(iter(graph.outputs())).node().kind().partition("::")[2]
    if len(expected) != 2:  # itself and the picture
        raise ModelError(_inputs(path, len(expected) - 1))
    held = [each.dtype for each in network.parameters() if each.is_floating_point()]

    def prepare(head: HeadKind | None, _: Input) -> Opened:
        ending = _ENDINGS.get(last, "")
        if leaves_out(path.name, ending, head):
            raise ModelError(
                f"{path.name} ends with a {ending}, which cannot be taken off TorchScript: save "
                "the network without it, or export it with torch.export.save."
            )
        return Opened(network, held[0] if held else torch.float32)

    return Loaded((), prepare)


def _inputs(path: Path, count: int) -> str:
    return (
        f"{path.name} takes {count} inputs, and a picture is one: export a network that takes the "
        "picture alone."
    )


@contextmanager
def _reading(path: Path, advice: str) -> Iterator[None]:
    """Around the reading of a file: torch warns that it may change, and its log tells errors twice.

    Raises:
        ModelError: it cannot be read.
    """
    log = logging.getLogger("torch.export")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:  # a damaged file makes its reader raise anything
        if out_of_memory(error):
            raise
        reason = reason_of(error)
        raise ModelError(
            f"{path.name} cannot be opened ({reason}): it is damaged, or of another version of "
            f"torch; {advice}."
        ) from error
    finally:
        log.disabled = before


def _check_mode(path: Path, program: "ExportedProgram") -> None:
    """See that a program is not one of training.

    Raises:
        ModelError: it is.
    """
    for node in program.graph.nodes:
        given = arguments(node) if name(node) else {}
        if any(given.get(mode) is True for mode in _MODES):
            raise ModelError(
                f"{path.name} was exported in training mode, as its {name(node)} shows: call "
                "model.eval() before torch.export.export."
            )


def _output(program: "ExportedProgram") -> tuple[fx.Node, list[Any], int] | None:
    """The last node of a program, what it returns, and the place of the one output in that."""
    from torch.export.graph_signature import OutputKind

    kinds = [spec.kind for spec in program.graph_signature.output_specs]
    if kinds.count(OutputKind.USER_OUTPUT) != 1:
        return None
    last = next(iter(reversed(program.graph.nodes)))
    (returned,) = last.args
    return last, list(cast(Any, returned)), kinds.index(OutputKind.USER_OUTPUT)


def _ending(program: "ExportedProgram") -> str:
    found = _output(program)
    if found is None:
        return ""
    _, returned, place = found
    node = returned[place]
    return _ENDINGS.get(name(node), "") if isinstance(node, fx.Node) else ""


def _leave_out(program: "ExportedProgram") -> None:
    """Let a program return what its last operation is given."""
    from torch.export.graph_signature import TensorArgument

    found = _output(program)
    assert found is not None
    last, returned, place = found
    ending = returned[place]
    returned[place] = before = ending.args[0]
    last.args = (tuple(returned),)
    program.graph_signature.output_specs[place].arg = TensorArgument(before.name)
    program.graph.erase_node(ending)
    program.graph_module.recompile()


class _Shared(list[Any]):
    """How a program takes its input, shared by copies: torch warns of copying what it holds."""

    def __deepcopy__(self, _: dict[int, object]) -> "_Shared":
        return self


def _module(program: "ExportedProgram") -> nn.Module:
    """A program as a module with the layers of the network that was exported, where that works."""
    from torch.export import unflatten

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, of its own code
            made: Any = unflatten(program)
    except Exception:  # noqa: BLE001 - it is newer than much that can be exported
        return program.module()
    made.module_call_graph = _Shared(made.module_call_graph)
    made.check_input_constraints = False  # a batch that was fixed may be no part of the network
    for part in made.modules():
        for node in getattr(part, "graph", fx.Graph()).nodes:
            node.meta = {}  # tensors without values, which cannot be copied
    return made
