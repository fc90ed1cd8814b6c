"""Layers of a network that return feature maps, with their values, for Grad-CAM.

Where the network is known as a graph, its operations prove where a layer's values lie in the
picture, whatever the order of their axes, tokens included. Where it is not, the module itself runs
with hooks, and four axes are taken for (n, C, H, W).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_map_only  # also of the outputs of transformers

from .incremental import IncrementalNetwork
from .norms import ExactLogits, ExactRun
from .operations import ceiling, shape
from .outputs import logits_of
from .positions import Places, positions, read_places
from .teams import heed


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that returns a map.

    Attributes:
        places: how its values lie over the picture.
        counts: whether the logits depend on its values at these places, as far as is known; not so
            where only a class token is read afterwards.
        ceiling: where a rectifier alone reads its values, above what that is flat (infinity for
            ReLU, 6 for ReLU6); else None.
    """

    places: Places
    counts: bool = True
    ceiling: float | None = None


class _Kind(Enum):
    """What a submodule returns: a map, one list of numbers for each picture, or anything else."""

    MAP = auto()
    VECTOR = auto()
    OTHER = auto()


def layers(network: IncrementalNetwork, inputs: Tensor) -> dict[str, Layer]:
    """Every submodule that returns a map of more than one place, in the order in which they end.

    Empty where the maps end early, as `_last` says.

    Args:
        network: a network.
        inputs: a picture (1, C, H, W); used only where the network is not known as a graph.
    """
    found, kinds = _ended(network, inputs)
    return found if _last(kinds) else {}


def run(
    network: IncrementalNetwork, names: Sequence[str], pictures: Tensor, *, rectified: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """Logits (n, classes) of pictures (n, C, H, W), and the values of some of the `layers`.

    Both can be differentiated. ``rectified`` values are those behind the rectifier that alone reads
    a layer, where there is one and the network is known as a graph.
    """
    if network.captured is None:
        held: dict[str, Any] = {}

        def hold(name: str, value: Any) -> None:
            if name in names:
                held[name] = value

        with _hooks(network.twin, hold):
            logits = ExactLogits(network.twin)(pictures)
        return logits, [held[name] for name in names]
    nodes = [network.captured.outputs[name] for name in names]
    if rectified:
        readers = map(_reader, nodes)
        pairs = zip(nodes, readers, strict=True)
        nodes = [node if ceiling(reader) is None else reader for node, reader in pairs]
    watching = _Watching(network.captured.of(network.twin), nodes)
    logits = watching.run(pictures)
    return logits, [watching.watched[node] for node in nodes]


def rest(network: IncrementalNetwork, name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """What a network makes of other values of one of its `layers`.

    Only what comes after the layer is computed, and what bypasses it.

    Returns:
        A function of pictures (n, C, H, W) and the layer's values for each of them, which gives
        logits (n, classes).
    """
    compute = partial(_rest_of_module, network.twin, name)
    if network.captured is not None:
        whole = network.captured.of(network.twin)
        graph = fx.GraphModule(whole, _rest(whole.graph, network.captured.outputs[name]))
        compute = partial(_run, graph)

    def logits(pictures: Tensor, values: Tensor) -> Tensor:
        size = 1 if network.single else len(pictures)
        parts = zip(pictures.split(size), values.split(size), strict=True)
        return torch.cat([compute(*part) for part in parts])

    return logits


def _run(graph: fx.GraphModule, *inputs: Tensor) -> Tensor:
    found: Tensor = _Watching(graph).run(*inputs)
    return found


def _rest(graph: fx.Graph, layer: fx.Node) -> fx.Graph:
    """The part of a graph that computes its output from the pictures and a layer's values."""
    found, known = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in graph.nodes:
        if node is not layer:
            known[node] = found.node_copy(node, known.__getitem__)
        if node.op == "placeholder":
            known[layer] = found.placeholder("values")
    found.eliminate_dead_code()
    return found


def _rest_of_module(twin: nn.Module, name: str, pictures: Tensor, values: Tensor) -> Tensor:
    with changed(twin, name, lambda _: values):
        return logits_of(twin(pictures))


@contextmanager
def changed(twin: nn.Module, name: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it, a layer of a module returns what ``change`` makes of its values."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        return tree_map_only(Tensor, change, output)

    handle = twin.get_submodule(name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def why_none(network: IncrementalNetwork, inputs: Tensor) -> str:
    """Why there are none of these, as the end of a sentence."""
    found, _ = _ended(network, inputs)
    if found:
        return (
            "its later layers return values of which it is not known where in the picture they lie"
        )
    return "none of its layers returns one map that is known to lie over the picture"


def why_not(network: IncrementalNetwork, name: str) -> str:
    """Why a layer is none of these, as a sentence without its end."""
    if not name or name not in dict(network.twin.named_modules()):  # the network itself has no name
        return f'There is no layer "{name}"'
    captured = network.captured
    calls = 1 if captured is None else captured.calls.get(name, 0)
    if calls != 1:
        how_often = f"runs {calls} times" if calls else "computes nothing of its own"
        return f'The layer "{name}" {how_often}'
    node = None if captured is None else captured.outputs.get(name)
    if node is None:
        return f'The layer "{name}" does not return one map'
    sides = ", ".join(str(side) for side in (shape(node) or ())[1:])
    return (
        f'The layer "{name}" returns values of shape (N, {sides}), of which it is not known where '
        "in the picture they lie"
    )


def _last(kinds: Sequence[_Kind]) -> bool:
    """Whether the maps last until the head.

    Args:
        kinds: what the submodules return, in the order in which they end.

    Lists of numbers behind the last map are a head, however long: they have no places. Anything
    else there may have places that are not known, as tokens behind a convolution that cuts out
    patches. Where that is more than all that comes before, the maps say little of the scores.
    """
    if _Kind.MAP not in kinds:
        return False
    end = len(kinds) - kinds[::-1].index(_Kind.MAP)
    return end >= kinds[end:].count(_Kind.OTHER)


def _ended(network: IncrementalNetwork, inputs: Tensor) -> tuple[dict[str, Layer], list[_Kind]]:
    """The submodules that return a map, and what each submodule returns, as they end."""
    return (_of_module if network.captured is None else _of_graph)(network, inputs)


def _of_graph(network: IncrementalNetwork, _: Tensor) -> tuple[dict[str, Layer], list[_Kind]]:
    captured = network.captured
    assert captured is not None
    outputs = captured.outputs
    places = positions(captured.graph.graph)
    read = read_places(captured.graph.graph, places)
    order = {node: number for number, node in enumerate(captured.graph.graph.nodes)}
    # Of modules that end with the same operation, the outermost comes last.
    ended = sorted(captured.outputs, key=lambda name: (order[outputs[name]], -name.count(".")))
    pictures = next(node for node in order if node.op == "placeholder")
    batch = (shape(pictures) or ())[0]
    kinds = [_kind(outputs[name], places.get(outputs[name]), batch) for name in ended]
    found = [name for name, kind in zip(ended, kinds, strict=True) if kind is _Kind.MAP]
    ends = {name: outputs[name] for name in found}
    made = {
        name: Layer(places[end], end in read, ceiling(_reader(end))) for name, end in ends.items()
    }
    return made, kinds


def _reader(node: fx.Node) -> fx.Node:
    """The one operation that reads a value; the value itself where there is none, or several."""
    return next(iter(node.users)) if len(node.users) == 1 else node


def _kind(node: fx.Node, places: Places | None, batch: object) -> _Kind:
    if places is not None and (places.is_map or places.is_tokens) and min(places.grid) > 1:
        return _Kind.MAP
    return _Kind.VECTOR if _is_vector(shape(node) or (), batch) else _Kind.OTHER


def _is_vector(sides: Sequence[object], batch: object) -> bool:
    """Whether a value of these sides is one list of numbers for each picture of the batch."""
    return sum(str(side) not in ("1", str(batch)) for side in sides) <= 1


class _Watching(ExactRun):
    """Runs a graph, holds some of its values, and asks before each operation whether to go on."""

    def __init__(self, graph: fx.GraphModule, nodes: Collection[fx.Node] = ()) -> None:
        super().__init__(graph)
        self._nodes = nodes
        self.watched: dict[fx.Node, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """As the graph does."""
        heed()
        value = super().run_node(n)
        if n in self._nodes:
            self.watched[n] = value
        return value


def _of_module(network: IncrementalNetwork, inputs: Tensor) -> tuple[dict[str, Layer], list[_Kind]]:
    finished: list[tuple[str, Any]] = []
    with _hooks(network.twin, lambda name, value: finished.append((name, value))), torch.no_grad():
        network.twin(inputs.detach().clone())
    names = [name for name, _ in finished]
    made: dict[str, Layer] = {}
    kinds: list[_Kind] = []
    for name, value in finished:
        kinds.append(_Kind.OTHER)
        if not isinstance(value, Tensor):
            continue
        if value.dim() == 4 and min(value.shape[2:]) > 1 and names.count(name) == 1:
            places = Places("NCHW", (value.shape[2], value.shape[3]))
            made[name] = Layer(places)
            kinds[-1] = _Kind.MAP
        elif _is_vector(value.shape, 1):
            kinds[-1] = _Kind.VECTOR
    return made, kinds


@contextmanager
def _hooks(twin: nn.Module, tell: Callable[[str, Any], None]) -> Iterator[None]:
    """Tell what each submodule returns. The twin is ours alone, and computes for one at a time."""
    hooks = [
        part.register_forward_hook(lambda *call, name=name: tell(name, call[2]))
        for name, part in twin.named_modules()
        if name and not isinstance(part, torch.jit.ScriptModule)  # which takes no hooks
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
