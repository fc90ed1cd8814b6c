"""Follows tokens through the operations that only move numbers about.

`core.engine.positions` knows which value lists the tokens of a picture. Between that and the
matrices of an attention lie linear layers, splits into heads, windows, rotations. Each of these
operations is computed on numbers of tokens in place of their values, which proves from which token
every number comes, whatever the order of the axes.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from .operations import ARITHMETIC, OVER_CHANNELS, POINTWISE, UNCHANGED, arguments, name, shape
from .positions import Places

NO_TOKEN = -1
"""The label of what does not depend on the picture."""

_RESHAPED = frozenset(["flatten", "reshape", "unflatten", "view", "_unsafe_view"])

MOVING = UNCHANGED | frozenset(
    [
        "cat",
        "chunk",
        "expand",
        "expand_as",
        "flatten",
        "flip",
        "movedim",
        "permute",
        "repeat",
        "repeat_interleave",
        "reshape",
        "roll",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "stack",
        "transpose",
        "type_as",
        "unbind",
        "unflatten",
        "unsafe_split",
        "unsqueeze",
        "view",
        "_unsafe_view",
    ]
)
"""Operations whose output holds numbers of their inputs, and nothing else."""


@dataclass(frozen=True)
class Tokens:
    """How the tokens of a network lie over the picture.

    Attributes:
        grid: (rows, columns) of those that do.
        skipped: how many stand before them, such as a class token.
        count: how many there are.
    """

    grid: tuple[int, int]
    skipped: int
    count: int

    @staticmethod
    def of(places: Places, sides: tuple[int, ...]) -> "Tokens":
        """The tokens of a value of these sides."""
        rows, columns = places.grid
        count = sides[places.axes.index("T")] if places.is_tokens else rows * columns
        return Tokens(places.grid, places.skipped, count)


def of_one(value: Any) -> Any:
    """A size, or several, of a graph for any number of pictures, where there is one picture."""
    if isinstance(value, fx.Node):
        value = value.meta["val"]
    if isinstance(value, torch.SymInt):
        expression = value.node.expr
        return int(expression.subs(dict.fromkeys(expression.free_symbols, 1)))
    if isinstance(value, list | tuple):
        return type(value)(of_one(each) for each in value)
    return value


class Labels:
    """Numbers of tokens in place of values, for one picture.

    Attributes:
        lists: the lists of tokens that were met.
    """

    def __init__(self, graph: fx.Graph, places: dict[fx.Node, Places]) -> None:
        """Take a graph and what `core.engine.positions.positions` found in it."""
        self.lists: set[Tokens] = set()
        self._seeing = after(graph, {node for node in graph.nodes if node.op == "placeholder"})
        self._places = places
        self._known: dict[fx.Node, Any] = {}

    def of(self, node: fx.Node) -> Tensor | None:
        """From which token each number of a value comes; None if from several, or unknown.

        Returns:
            Integers of the value's shape for one picture, `NO_TOKEN` for what is constant.
        """
        if node not in self._known:
            self._known[node] = self._found(node)
        return self._known[node]

    def tokens(self, node: fx.Node) -> Tokens | None:
        """The list of tokens that a value is; None if it is none."""
        places = self._places.get(node)
        if places is None or not (places.is_tokens or places.is_map):
            return None
        return Tokens.of(places, of_one(shape(node)))

    def agree(self, part: fx.Node, whole: fx.Node) -> bool:
        """Whether each number of an operand comes from the token whose result it goes into."""
        own, labels = self.of(whole), self.of(part)
        assert own is not None
        if labels is None:
            return False
        labels = _thin(labels)
        return bool(((labels == _thin(own)) | (labels == NO_TOKEN)).all())

    def put(self, node: fx.Node, labels: Tensor) -> None:
        """State the labels of a value that cannot be followed."""
        self._known[node] = labels

    def _found(self, node: fx.Node) -> Any:
        tokens, sides = self.tokens(node), of_one(shape(node))
        if tokens is not None:
            self.lists.add(tokens)
            return _listed(self._places[node], sides, tokens)
        if node not in self._seeing:
            return _constant(node.meta["val"])
        if node.op != "call_function":
            return None
        given = {each: self.of(each) for each in node.all_input_nodes if holds_tensors(each)}
        if not given:
            return _constant(node.meta["val"])
        if any(each is None for each in given.values()):
            return None
        labels = [each for each in given.values() if isinstance(each, Tensor)]
        kind = name(node)
        if kind in UNCHANGED:
            return labels[0]
        if kind in MOVING or node.target is operator.getitem:
            return moved(node, given)
        if kind in ARITHMETIC or kind in POINTWISE:
            return _combined(labels, sides)
        return over_last(labels[0], sides) if _is_by_row(node, labels[0], sides) else None


def _constant(value: Any) -> Any:
    """The labels of a value, or several, that no token goes into."""
    if isinstance(value, Tensor):
        return torch.tensor(NO_TOKEN).expand(of_one(tuple(value.shape)))
    return tuple(map(_constant, value))


def holds_tensors(node: fx.Node) -> bool:
    """Whether a value of a graph is a tensor, or several; else it is a size."""
    return isinstance(node.meta.get("val"), Tensor | list | tuple)


def moved(node: fx.Node, given: Mapping[fx.Node, Any]) -> Any:
    """What an operation makes of other tensors than its own, for one picture."""
    args, kwargs = fx.node.map_arg(
        (node.args, node.kwargs), lambda each: given[each] if each in given else of_one(each)
    )
    if name(node) in _RESHAPED:  # which may lie in memory in another way, where no view is possible
        whole: Any = args[0]
        return whole.reshape(of_one(shape(node)))
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _listed(places: Places, sides: tuple[int, ...], tokens: Tokens) -> Tensor:
    """The number of the token along the axis, or the two axes, that lists them."""
    numbers = torch.arange(tokens.count)
    if places.is_map:
        rows_first = places.axes.index("H") < places.axes.index("W")
        numbers = numbers.view(tokens.grid) if rows_first else numbers.view(tokens.grid).T
    along = iter(numbers.shape)
    around = [next(along) if axis in "THW" else 1 for axis in places.axes]
    return numbers.reshape(around).expand(sides)


def _combined(labels: list[Tensor], sides: tuple[int, ...]) -> Tensor | None:
    """Of several values, number by number; None where two come from different tokens."""
    spread = torch.broadcast_tensors(*map(_thin, labels))
    found = torch.stack(spread).amax(0)
    alike = all(bool(((each == found) | (each == NO_TOKEN)).all()) for each in spread)
    return found.expand(sides) if alike else None


def _thin(labels: Tensor) -> Tensor:
    """Labels without what is repeated: of length 1 along the axes in which they are the same.

    Millions of them would take long to compare.
    """
    kept = (slice(None) if step else slice(0, 1) for step in labels.stride())
    return labels[tuple(kept)]


def _is_by_row(node: fx.Node, labels: Tensor, sides: tuple[int, ...]) -> bool:
    """Whether an operation computes each row of the last axis, and that alone, from that row."""
    kind = name(node)
    if kind == "linear":
        return True
    if kind in ("layer_norm", "rms_norm"):
        return len(arguments(node)["normalized_shape"]) == 1
    if kind not in OVER_CHANNELS or labels.dim() != len(sides):
        return False
    dim = arguments(node)["dim"]
    return (dim if isinstance(dim, list) else [dim]) in ([-1], [labels.dim() - 1])


def over_last(labels: Tensor, sides: tuple[int, ...]) -> Tensor | None:
    """The labels of what is computed from whole rows of the last axis, of another length."""
    thin = _thin(labels)
    found = thin.amax(-1, keepdim=True)
    alike = bool(((thin == found) | (thin == NO_TOKEN)).all())
    return found.expand(*labels.shape[:-1], sides[-1]) if alike else None


def after(graph: fx.Graph, start: set[fx.Node]) -> set[fx.Node]:
    """These values, and all that are computed from them."""
    found = set(start)
    for node in graph.nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found
