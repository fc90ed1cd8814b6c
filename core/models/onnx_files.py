"""Opens ONNX programs: with torch's operations where they give onnxruntime's scores, else by it.

Both packages are extras. A program cannot run code of its own, and the files beside it that hold
its numbers have to lie in its folder; it is parsed by C++ all the same, so it is the operator's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..engine.agreement import difference, only_rounding
from ..engine.black_box import BlackBox
from ..engine.outputs import KEYS
from ..errors import ModelError, UserError
from ..text import plain
from .extras import need
from .heads import HeadKind
from .onnx_network import OnnxNetwork
from .programs import Input, Loaded, Opened, leaves_out
from .reasons import reason_of

_ENDINGS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
# By ONNX's number of a type: torch's and NumPy's.
_TYPES: dict[int, tuple[torch.dtype, type]] = {
    1: (torch.float32, np.float32),
    10: (torch.float16, np.float16),
    11: (torch.float64, np.float64),
}


class Session:
    """A program in onnxruntime, as a function of arrays. Safe to share between threads."""

    def __init__(self, program: bytes, dtype: type) -> None:
        """Prepare a program with one output, whose input is of a type."""
        ort = need("onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 4  # what is to be said is said in sentences
        options.intra_op_num_threads = torch.get_num_threads()
        self._dtype = dtype
        self._session = ort.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """What the program returns for its input."""
        given: np.ndarray = np.ascontiguousarray(pictures, dtype=self._dtype)
        return np.asarray(self._session.run(None, {self._input: given})[0])

    def __deepcopy__(self, _: dict[int, object]) -> "Session":
        """The same: it has nothing that could be changed."""
        return self


def load_onnx(path: Path) -> Loaded:
    """An ONNX program.

    Raises:
        ModelError: a package is missing, it cannot be read, or it is no network of one picture.
    """
    onnx = need("onnx")
    with _reading(path):
        held = onnx.load(str(path), load_external_data=False)
        beside = _beside(onnx, held)
    for name in beside:
        if not (path.parent / name).is_file():
            raise ModelError(
                f"{path.name} keeps its numbers in {plain(name)}, which is not beside it: copy "
                "both files into one folder."
            )
    with _reading(path):
        onnx.load_external_data_for_model(held, str(path.parent))
    graph = held.graph
    if not graph.node:
        raise ModelError(f"{path.name} holds no network: export it again.")
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ModelError(
            f"{path.name} takes {len(inputs)} inputs, and a picture is one: export a network that "
            "takes the picture alone."
        )
    given = inputs[0].type.tensor_type
    if given.elem_type not in _TYPES:
        what = onnx.TensorProto.DataType.Name(given.elem_type).lower()
        raise ModelError(
            f"{path.name} takes an input of type {what}: export a network that takes a normalised "
            "picture in floating point numbers."
        )
    output = _output(path, graph)
    shape = tuple(axis.dim_value or None for axis in given.shape.dim)

    def prepare(head: HeadKind | None, like: Input) -> Opened:
        last = next((node for node in graph.node if output.name in node.output), None)
        ending = "" if last is None else _ENDINGS.get(last.op_type, "")
        if last is not None and leaves_out(path.name, ending, head):
            output.name = last.input[0]
        else:
            ending = ""
        del graph.output[:]
        graph.output.append(output)
        dtype, array_type = _TYPES[given.elem_type]
        with _reading(path):
            session = Session(held.SerializeToString(), array_type)
        network, notes = _network(path.name, held, session, like, dtype)
        return Opened(network, dtype, ending, notes)

    return Loaded(shape, prepare, beside)


def _beside(onnx: Any, held: Any) -> tuple[str, ...]:
    """The names of the files that hold a program's numbers."""
    found = {
        entry.value
        for tensor in held.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(sorted(found))


def _output(path: Path, graph: Any) -> Any:
    """The one output, or the one that is called logits or out.

    Raises:
        ModelError: it cannot be told which one it is.
    """
    found = list(graph.output)
    named = [each for each in found if each.name in KEYS]
    if len(found) == 1 or len(named) == 1:
        return (named or found)[0]
    names = plain(", ".join(each.name for each in found))
    raise ModelError(
        f"{path.name} returns {len(found)} outputs ({names}): export the scores alone, or call "
        f"them {KEYS[0]}."
    )


def _network(
    file: str, held: Any, session: Session, like: Input, dtype: torch.dtype
) -> tuple[nn.Module, tuple[str, ...]]:
    """The program in torch's operations, if that gives the scores of onnxruntime; else as it is."""
    opset = max(each.version for each in held.opset_import if each.domain in ("", "ai.onnx"))
    box = BlackBox(session, f"onnxruntime computes {file}, which gives no gradients")
    sides = like.size if like.layout == "NCHW" else ()
    axes = (like.channels, *sides) if sides else (*like.size, like.channels)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(1, *axes, generator=generator).to(dtype)
    try:
        with torch.no_grad():
            network = OnnxNetwork(held.graph, opset, held.graph.output[0].name).eval()
            apart = difference(network(pictures), box(pictures))
            if only_rounding(box, apart, pictures, box(pictures)):
                return network, ()
        reason = f"with torch's operations its scores differ by {apart:.2g}"
    except NotImplementedError as error:
        reason = f"there is no derivative here for {plain(str(error))}"
    except Exception as error:  # noqa: BLE001 - what a program asks for may be wrong in any way
        reason = f"with torch's operations it fails: {reason_of(error)}"
    box.reason += f" ({reason})"
    return box, (f"{box.reason[0].upper()}{box.reason[1:]}.",)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Around the reading of a file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes its reader raise anything
        reason = reason_of(error)
        raise ModelError(
            f"{path.name} cannot be opened ({reason}): it is damaged, or onnxruntime does not "
            "compute what it asks for; export it again, in float32."
        ) from error
