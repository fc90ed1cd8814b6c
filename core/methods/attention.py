"""What the methods share that read the attention of a transformer."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from ..engine.incremental import IncrementalNetwork
from ..engine.tokens import Tokens
from ..engine.transformers import Transformer, transformer
from ..errors import SettingError
from .request import Asked, Heeding


def why_none(network: IncrementalNetwork, _: Tensor) -> str | None:
    """Why a network's attention cannot be read, as the end of a sentence; None if it can."""
    found = transformer(network)
    return found if isinstance(found, str) else None


def transformer_of(asked: Asked, title: str) -> Transformer:
    """The layers of the network.

    Raises:
        SettingError: it has none that can be read: the true reason.
    """
    found = transformer(asked.network)
    if isinstance(found, str):
        raise SettingError(f"{title} is not available for this model, since {found}.")
    return found


class Watching(Heeding):
    """Runs a graph and keeps some of its values, or what is made of them."""

    def __init__(
        self, graph: fx.GraphModule, made: Mapping[fx.Node, Callable[[Tensor], Tensor]]
    ) -> None:
        """Take a graph and, by node, what to make of its value."""
        super().__init__(graph)
        self.kept: dict[fx.Node, Tensor] = {}
        self._made = made

    def run_node(self, n: fx.Node) -> Any:
        """As the graph does."""
        value = super().run_node(n)
        if n in self._made:
            self.kept[n] = self._made[n](value)
        return value


def attention_of(network: Transformer) -> list[fx.Node]:
    """The probabilities of the layers, and those of the head where it has an attention."""
    own = [network.read] if isinstance(network.read, fx.Node) else []
    return [*network.probabilities, *own]


def heads(probabilities: Tensor) -> Tensor:
    """Probabilities, or their gradients, of one picture as (heads, queries, keys)."""
    return probabilities.reshape(-1, *probabilities.shape[-2:])


def on_picture(relevance: Tensor, tokens: Tokens, size: tuple[int, ...]) -> Tensor:
    """What tokens (tokens,) are worth, enlarged bilinearly to the input's size.

    Returns:
        float64 (1, H, W); tokens that lie nowhere, such as a class token, are left out.
    """
    rows, columns = tokens.grid
    places = relevance[tokens.skipped : tokens.skipped + rows * columns]
    grid = places.double().reshape(1, 1, rows, columns)
    return F.interpolate(grid, size, mode="bilinear")[0]


def identity(tokens: Tokens) -> Tensor:
    """A layer in which every token reads itself alone: float64 (tokens, tokens)."""
    return torch.eye(tokens.count, dtype=torch.float64)
