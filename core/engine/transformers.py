"""The layers of a transformer, as far as its graph proves them, for methods that read attention.

Each layer lets every token of one list read every other, by attention; nothing else passes from one
token to another; and the head reads some of the tokens, or a mean of them.
"""

import logging
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx

from .agreement import first_line
from .attention import ATTENDING, Attention, attentions, unfused
from .capture import Captured
from .incremental import IncrementalNetwork
from .operations import ARITHMETIC, POOLING, name, shape
from .pooled_tokens import pooled
from .positions import positions
from .tokens import NO_TOKEN, Labels, Tokens, after, holds_tensors, of_one, over_last

_log = logging.getLogger(__name__)

_MIXING = POOLING | {"group_norm", "instance_norm", "pad", "constant_pad_nd"}
_OTHERWISE = "its tokens learn of each other in other ways than by attention"


@dataclass(frozen=True, eq=False)
class Transformer:
    """A network whose tokens learn of each other by attention alone.

    Attributes:
        graph: the network, pictures (n, C, H, W) to logits (n, classes), its attention written out.
        tokens: how the tokens lie over the picture.
        probabilities: of each layer's attention: for one picture, heads times (queries, keys), both
            in the order of the tokens.
        streams: the tokens behind each layer, which the next one takes.
        axes: of the streams, a letter for each, as in `core.engine.positions.Places`.
        read: how much the head reads of each token: float64 (tokens,), not negative, of sum 1. Or,
            where it reads them by an attention of its own, whose queries are weights, the
            probabilities of that: heads times (queries, keys).
    """

    graph: fx.GraphModule
    tokens: Tokens
    probabilities: list[fx.Node]
    streams: list[fx.Node]
    axes: str
    read: Tensor | fx.Node

    @property
    def reads_alike(self) -> bool:
        """Whether the head reads the mean of the tokens that lie over the picture."""
        if isinstance(self.read, fx.Node):
            return False
        first = self.tokens.skipped
        places = self.read[first : first + self.tokens.grid[0] * self.tokens.grid[1]]
        return bool((places == places[0]).all()) and float(places.sum()) > 1 - 1e-9

    def head(self) -> set[fx.Node]:
        """What is computed from the tokens behind the last layer."""
        return after(self.graph.graph, {self.streams[-1]}) - {self.streams[-1]}


class _NotOneError(Exception):
    """A network is no such transformer; the message is the end of a sentence that says why."""


_known: WeakKeyDictionary[IncrementalNetwork, tuple[Captured, Transformer | str]]
_known = WeakKeyDictionary()


def transformer(network: IncrementalNetwork) -> Transformer | str:
    """A network as a transformer; or why it is none, as the end of a sentence.

    It is found once for each network; its graph is not to be changed.
    """
    captured = network.captured
    if captured is None:
        return "the network cannot be exported"
    known = _known.get(network)
    if known is None or known[0] is not captured:
        known = _known[network] = captured, _found(captured.of(network.twin))
    return known[1]


def _found(network: fx.GraphModule) -> Transformer | str:
    may_attend = any(name(node) in ATTENDING for node in network.graph.nodes)
    graph = unfused(network) if may_attend else network
    found = attentions(graph.graph)
    if not found:
        return "it has no attention"
    try:
        with torch.inference_mode(False), torch.enable_grad():
            return _Reading(graph, found).transformer()
    except _NotOneError as error:
        return str(error)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        _log.info("its tokens cannot be followed", exc_info=error)
        return f"its tokens cannot be followed ({first_line(error)})"


class _Reading:
    """Reads the layers from a graph."""

    def __init__(self, graph: fx.GraphModule, found: list[Attention]) -> None:
        self._graph = graph
        self._places = positions(graph.graph)
        self._labels = Labels(graph.graph, self._places)
        pools = len(found) > 1 and self._has_weights_for_queries(found[-1])
        self._pool = found[-1] if pools else None
        self._found = found[:-1] if pools else found
        self._after = [after(graph.graph, {each.output}) for each in self._found]
        self._before = [_before({each.output}) for each in self._found]

    def transformer(self) -> Transformer:
        """What was read.

        Raises:
            _NotOneError: it is no such transformer.
        """
        for attention in self._found:
            self._check_tokens(attention)
        if self._pool:
            self._check_keys(self._pool)
        for behind, attention in zip(self._after, self._found[1:], strict=False):
            if attention.scores not in behind:
                raise _NotOneError("several of its attentions read the same tokens side by side")
        (self._tokens,) = self._labels.lists
        lists = {node for node in self._places if self._labels.tokens(node) == self._tokens}
        lists |= {node for node in self._graph.graph.nodes if _is_split(node, lists)}
        self._check_nothing_else_mixes(lists)
        streams = self._streams(lists)
        orders = {self._places[stream].axes for stream in streams}
        if len(orders) > 1:
            raise _NotOneError("its layers list their tokens along different axes")
        return Transformer(
            graph=self._graph,
            tokens=self._tokens,
            probabilities=[each.probabilities for each in self._found],
            streams=streams,
            axes=orders.pop(),
            read=self._read(lists, streams[-1]),
        )

    def _has_weights_for_queries(self, attention: Attention) -> bool:
        """Whether an attention reads the tokens for the head, whatever the picture asks."""
        # Labels of their own, since those of the layers before are not known yet.
        queries = Labels(self._graph.graph, self._places).of(_operand(attention.scores, 0))
        return queries is not None and bool((queries == NO_TOKEN).all())

    def _check_tokens(self, attention: Attention) -> None:
        """Whether each query, key and value is one token of the same list, in its order.

        Raises:
            _NotOneError: they are not.
        """
        queries = self._labels.of(_operand(attention.scores, 0))
        self._check_rows(queries)
        self._check_keys(attention)
        sides = of_one(shape(attention.output))
        (tokens,) = self._labels.lists
        self._labels.put(attention.output, torch.arange(tokens.count)[:, None].expand(sides))

    def _check_keys(self, attention: Attention) -> None:
        """The same for keys and values alone."""
        keys = self._labels.of(_operand(attention.scores, 1))
        self._check_rows(None if keys is None else keys.transpose(-1, -2))
        self._check_rows(self._labels.of(_operand(attention.output, 1)))

    def _check_rows(self, matrix: Tensor | None) -> None:
        """Raises _NotOneError where matrices (..., rows, d) do not list the tokens in order."""
        rows = None if matrix is None else _rows(matrix)
        if rows is None or not self._labels.lists:
            raise _NotOneError("it is not known which tokens its attention reads")
        if len(self._labels.lists) != 1:
            raise _NotOneError("its attentions read different lists of tokens")
        (tokens,) = self._labels.lists
        if not bool((rows == rows[0]).all()):
            raise _NotOneError("its attention stays within windows or groups of tokens")
        if not rows[0].equal(torch.arange(tokens.count)):
            raise _NotOneError("its attention does not read every token")

    def _check_nothing_else_mixes(self, lists: set[fx.Node]) -> None:
        """Where tokens learn of others in another way than by attention.

        What comes before the first attention may be a network of convolutions, whose places lie
        over the picture as well, but no sum with what is not known to stay there.

        Raises:
            _NotOneError: they do.
        """
        for node in self._places.keys() & self._before[0]:
            if _is_sum(node) and None in map(self._labels.of, node.all_input_nodes):
                raise _NotOneError(_OTHERWISE)
        for node in lists & self._after[0] & self._places.keys():
            sides = shape(node.all_input_nodes[1]) if name(node) == "conv2d" else None
            mixes = name(node) in _MIXING or any(side != 1 for side in (sides or ())[2:])
            if name(node) in ARITHMETIC:
                parts = [each for each in node.all_input_nodes if shape(each) is not None]
                mixes = not all(self._labels.agree(part, node) for part in parts)
            if mixes:
                raise _NotOneError(_OTHERWISE)

    def _streams(self, lists: set[fx.Node]) -> list[fx.Node]:
        """Behind each attention, the last sum of tokens that the next one takes.

        Raises:
            _NotOneError: there is none.
        """
        sums = [node for node in self._graph.graph.nodes if node in lists and _is_sum(node)]
        found = []
        for number, behind in enumerate(self._after):
            ahead = self._before[number + 1 : number + 2]
            own = [node for node in sums if node in behind and all(node in part for part in ahead)]
            if not own:
                raise _NotOneError("its attention is not added to the tokens that it reads")
            found.append(own[-1])
        return found

    def _read(self, lists: set[fx.Node], stream: fx.Node) -> Tensor | fx.Node:
        """How much the head reads of each token, as `Transformer` says.

        Raises:
            _NotOneError: it is not known.
        """
        last = after(self._graph.graph, {stream})
        pool = _before({self._pool.output}) if self._pool else set()
        leaving = {
            (node, user in pool)
            for node in lists
            for user in node.users
            if user not in lists and user not in self._before[-1] and holds_tensors(user)
        }
        if any(node not in last for node, _ in leaving):
            raise _NotOneError("its head reads the tokens of several layers")
        if self._pool and all(into_pool for _, into_pool in leaving):
            return self._pool.probabilities
        begins = {node for node, _ in leaving}
        order = [node for node in self._graph.graph.nodes if node in begins]
        read = pooled(self._graph.graph, lists, order, self._labels, self._tokens.count)
        if read is None or self._pool:
            raise _NotOneError("it is not known which tokens its head reads")
        return read


def _before(start: set[fx.Node]) -> set[fx.Node]:
    """These values, and all that they are computed from."""
    found, todo = set(start), list(start)
    while todo:
        new = set(todo.pop().all_input_nodes) - found
        found |= new
        todo.extend(new)
    return found


def _operand(product: fx.Node, number: int) -> Any:
    return product.args[number]


def _rows(matrix: Tensor) -> Tensor | None:
    """From which token each row of matrices (..., rows, d) comes: (any, rows)."""
    found = over_last(matrix, (1,))
    return None if found is None else found.reshape(-1, found.shape[-2])


def _is_split(node: fx.Node, lists: set[fx.Node]) -> bool:
    """Whether a node is several values that are all lists of tokens, and nothing else."""
    return shape(node) is None and holds_tensors(node) and lists.issuperset(node.users)


def _is_sum(node: fx.Node) -> bool:
    """Whether a node adds two values of its own shape."""
    parts = [each for each in node.all_input_nodes if str(shape(each)) == str(shape(node))]
    return name(node) == "add" and len(parts) == 2
