"""The layers of a network that hold maps, and what they return when the network runs.

Where the network is known as a graph, its operations prove where a layer's values lie in the
picture, whatever the order of their axes, tokens included. Where it is not, the module itself runs
with hooks, and four axes are taken for (n, C, H, W).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


def layers(network: IncrementalNetwork, inputs: Tensor) -> dict[str, Layer]:
    """Every submodule that returns a map of more than one place, in the order in which they end.

    Empty where only the first half of the submodules that end hold maps.

    Args:
        network: a network.
        inputs: a picture (1, C, H, W); used only where the network is not known as a graph.
    """
    found, share = (_of_module if network.captured is None else _of_graph)(network, inputs)
    return found if share >= 0.5 else {}


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


def _of_graph(network: IncrementalNetwork, _: Tensor) -> tuple[dict[str, Layer], float]:
    captured = network.captured
    assert captured is not None
    outputs = captured.outputs
    places = positions(captured.graph.graph)
    read = read_places(captured.graph.graph, places)
    order = {node: number for number, node in enumerate(captured.graph.graph.nodes)}
    # Of modules that end with the same operation, the outermost comes last.
    ended = sorted(captured.outputs, key=lambda name: (order[outputs[name]], -name.count(".")))
    found = [name for name in ended if _is_map(places.get(outputs[name]))]

    def running(node: fx.Node) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
            graph = captured.of(network.twin)
            watching = _Watching(graph, node)
            return watching.run(pictures), watching.watched

        return run

    ends = {name: outputs[name] for name in found}
    made = {name: Layer(places[end], running(end), end in read) for name, end in ends.items()}
    return made, (ended.index(found[-1]) + 1) / len(ended) if found else 0.0


def _is_map(places: Places | None) -> bool:
    if places is None or not (places.is_map or places.is_tokens):
        return False
    return min(places.grid) > 1


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


def _of_module(network: IncrementalNetwork, inputs: Tensor) -> tuple[dict[str, Layer], float]:
    finished: list[tuple[str, Any]] = []
    with _hooks(network.twin, lambda name, value: finished.append((name, value))), torch.no_grad():
        network.twin(inputs.detach().clone())
    names = [name for name, _ in finished]
    made: dict[str, Layer] = {}
    last = 0
    for number, (name, value) in enumerate(finished, 1):
        whole = isinstance(value, Tensor) and value.dim() == 4 and min(value.shape[2:]) > 1
        if whole and names.count(name) == 1:
            places = Places("NCHW", (value.shape[2], value.shape[3]))
            made[name] = Layer(places, _run_with_hook(network.twin, name))
            last = number
    return made, last / len(finished) if finished else 0.0


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
