"""The layers of a network that hold maps, and what they return when the network runs.

Where the network is known as a graph, its operations prove where a layer's values lie in the
picture, whatever the order of their axes, tokens included. Where it is not, the module itself runs
with hooks, and four axes are taken for (n, C, H, W).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor, fx, nn

from core.incremental import IncrementalNetwork
from core.operations import shape
from core.outputs import logits_of
from core.positions import Places, positions, read_places


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that returns a map.

    Attributes:
        places: how its values lie over the picture.
        run: pictures (n, C, H, W) to logits (n, classes) and the layer's values, differentiable.
        counts: whether the logits depend on its values at these places, as far as is known; not so
            where only a class token is read afterwards.
    """

    places: Places
    run: Callable[[Tensor], tuple[Tensor, Tensor]]
    counts: bool = True


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
    if name not in dict(network.twin.named_modules()):
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

    def running(node: fx.Node) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
            graph = captured.of(network.twin)
            watching = _Watching(graph, node)
            return watching.run(pictures), watching.watched

        return run

    ends = {name: outputs[name] for name in found}
    made = {name: Layer(places[end], running(end), end in read) for name, end in ends.items()}
    return made, kinds


def _kind(node: fx.Node, places: Places | None, batch: object) -> _Kind:
    if places is not None and (places.is_map or places.is_tokens) and min(places.grid) > 1:
        return _Kind.MAP
    return _Kind.VECTOR if _is_vector(shape(node) or (), batch) else _Kind.OTHER


def _is_vector(sides: Sequence[object], batch: object) -> bool:
    """Whether a value of these sides is one list of numbers for each picture of the batch."""
    return sum(str(side) not in ("1", str(batch)) for side in sides) <= 1


class _Watching(fx.Interpreter):
    """Runs a graph and holds one of its values."""

    watched: Tensor

    def __init__(self, graph: fx.GraphModule, node: fx.Node) -> None:
        super().__init__(graph)
        self._node = node

    def run_node(self, n: fx.Node) -> Any:
        """As the graph does."""
        value = super().run_node(n)
        if n is self._node:
            self.watched = value
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
            made[name] = Layer(places, _run_with_hook(network.twin, name))
            kinds[-1] = _Kind.MAP
        elif _is_vector(value.shape, 1):
            kinds[-1] = _Kind.VECTOR
    return made, kinds


def _run_with_hook(twin: nn.Module, layer: str) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
        held: list[Tensor] = []

        def hold(name: str, value: Any) -> None:
            if name == layer:
                held.append(value)

        with _hooks(twin, hold):
            return logits_of(twin(pictures)), held[0]

    return run


@contextmanager
def _hooks(twin: nn.Module, tell: Callable[[str, Any], None]) -> Iterator[None]:
    """Tell what each submodule returns. The twin is ours alone, and computes for one at a time."""
    hooks = [
        part.register_forward_hook(lambda *call, name=name: tell(name, call[2]))
        for name, part in twin.named_modules()
        if name
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
