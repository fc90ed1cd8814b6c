"""Captures a network as a graph of ATen operations with `torch.export`.

Symbolic tracing reads how a network is written; export records what it does, with hooks, replaced
forwards, parametrizations and nested outputs resolved. The record is turned into a graph of one
input and one output, whose weights are its attributes and in which no operation writes into its
input.
"""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from torch import Tensor, fx, nn

from .operations import arguments, name, schema_of
from .outputs import logits_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_MOST = 4096  # pictures in a batch
_ALIASES_IN_EVAL = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")


@dataclass(frozen=True, eq=False)
class Captured:
    """A network as a graph, which holds for all networks of the same structure.

    Attributes:
        graph: takes pictures (n, C, H, W) to logits (n, classes).
        state: by name of an attribute of the graph, the parameter or buffer that it stands for.
        outputs: by name of a submodule, the value that it returns, where it runs once and returns
            one tensor.
        calls: by name of a submodule, how often it runs, where it computes anything at all.
    """

    graph: fx.GraphModule
    state: dict[str, str]
    outputs: dict[str, fx.Node]
    calls: dict[str, int]

    def of(self, twin: nn.Module) -> fx.GraphModule:
        """The graph with the parameters and buffers of another network of the same structure."""
        whole = Logits(twin)
        held: dict[str, Tensor] = dict(whole.named_buffers(remove_duplicate=False))
        held.update(whole.named_parameters(remove_duplicate=False))
        root = nn.Module()
        root.__dict__.update(self.graph.__dict__)
        root._buffers = dict(self.graph._buffers)
        for key, target in self.state.items():
            root._buffers[key] = held[target].detach()
        return fx.GraphModule(root, self.graph.graph)


class Logits(nn.Module):
    """A network of any output as one of logits."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network."""
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, C, H, W) to logits (n, classes)."""
        return logits_of(self.network(x))


def captured(twin: nn.Module, inputs: Tensor, *, single: bool = False) -> Captured:
    """Record a network.

    Args:
        twin: what `core.engine.twin.private_twin` returned; its forward runs, so it is not to be
            used afterwards.
        inputs: a picture (1, C, H, W); its size, dtype and device are recorded.
        single: record it for one picture at a time, for a network whose code fixes the batch, in
            place of any number.

    Raises:
        ValueError: the graph cannot stand for the network: why, in words.
        Exception: of any type, where the network cannot be exported, most often because its control
            flow depends on values.
    """
    # Takes a while to load, and no prediction needs it.
    from torch.export import Dim, export

    example = inputs.detach().clone() if single else inputs.detach().repeat(2, 1, 1, 1)
    shapes = None if single else ({0: Dim("batch", min=1, max=_MOST)},)
    with _this_thread_only(), torch.inference_mode(False), torch.no_grad():
        program = export(Logits(twin), (example,), dynamic_shapes=shapes, strict=False)
        if _writes_shared_memory(program.graph):
            program = program.run_decompositions({})
        graph, state = _with_attributes(program)
    _make_functional(graph.graph)
    _replace_copies(graph.graph)
    _restore_batch_norms(graph.graph)
    for node in reversed(list(graph.graph.nodes)):
        if not node.users and _only_checks(node):
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    if any(name(node) == "as_strided" for node in graph.graph.nodes):
        raise ValueError("it reads memory by strides")
    for key in state:  # whose weights would else be held as long as the record is
        setattr(graph, key, torch.empty(0))
    return Captured(graph, state, *_outputs(graph.graph))


_exporting = threading.Lock()


@contextmanager
def _this_thread_only() -> Iterator[None]:
    """While export traces, it replaces `nn.Module.__call__` and `__getattr__` in the whole process.

    What other threads compute meanwhile with modules of their own passes through.
    """
    from torch.fx.experimental import proxy_tensor  # as in `captured`

    thread = threading.get_ident()

    class Tracer(proxy_tensor._ModuleStackTracer):
        def call_module(
            self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any
        ) -> Any:
            if threading.get_ident() != thread:
                return forward(*args, **kwargs)
            return super().call_module(m, forward, args, kwargs)

        def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
            if threading.get_ident() != thread:
                return attr_val
            return super().getattr(attr, attr_val, parameter_proxy_cache)

    with (
        _exporting,
        mock.patch.object(proxy_tensor, "_ModuleStackTracer", Tracer),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # the network's own, and of attributes that it stores
        yield


def _with_attributes(program: "ExportedProgram") -> tuple[fx.GraphModule, dict[str, str]]:
    """The graph of a program, with its weights as attributes, and the logits alone as output.

    Also which parameter or buffer each of these attributes stands for.

    Raises:
        ValueError: it takes something else than one input, or holds objects of its own.
    """
    from torch.export.graph_signature import InputKind, OutputKind  # as in `captured`

    signature = program.graph_signature
    root, graph, known = nn.Module(), fx.Graph(), dict[fx.Node, fx.Node]()
    state: dict[str, str] = {}
    kinds = {spec.arg.name: spec for spec in signature.input_specs}
    returned = [spec.kind is OutputKind.USER_OUTPUT for spec in signature.output_specs]
    for node in program.graph.nodes:
        if node.op == "output":
            graph.output(known[node.args[0][returned.index(True)]])
        elif node.op != "placeholder" or kinds[node.name].kind is InputKind.USER_INPUT:
            known[node] = graph.node_copy(node, known.__getitem__)
            if node.op == "get_attr":
                setattr(root, str(node.target), getattr(program.graph_module, str(node.target)))
        else:
            target = kinds[node.name].target
            held = program.state_dict.get(target, program.constants.get(target))
            if not isinstance(held, Tensor):
                raise ValueError(f"it uses {target}, which is no tensor")
            root.register_buffer(node.name, held.detach())
            if kinds[node.name].kind is not InputKind.CONSTANT_TENSOR:
                state[node.name] = str(target)
            known[node] = graph.get_attr(node.name)
            known[node].meta = dict(node.meta)
    return fx.GraphModule(root, graph), state


def _only_checks(node: fx.Node) -> bool:
    return name(node).startswith(("_assert", "sym_constrain", "_check"))


def _written(node: fx.Node) -> list[fx.Node]:
    """The inputs that an operation writes into."""
    if not name(node):
        return []
    given = arguments(node)
    values = (
        given.get(each.name)
        for each in schema_of(node).arguments
        if each.alias_info and each.alias_info.is_write
    )
    return [value for value in values if isinstance(value, fx.Node)]


def _aliased(node: fx.Node) -> list[fx.Node]:
    """The inputs whose memory the output may share."""
    if not name(node):
        return list(node.all_input_nodes)
    schema = schema_of(node)
    if name(node) in _ALIASES_IN_EVAL:
        return node.all_input_nodes[:1]
    if not any(returned.alias_info for returned in schema.returns):
        return []
    given = arguments(node)
    shared = [given.get(each.name) for each in schema.arguments if each.alias_info]
    return [value for value in shared if isinstance(value, fx.Node)]


def _writes_shared_memory(graph: fx.Graph) -> bool:
    """Whether an operation writes into what is read later by another name, such as a view of it.

    So may a graph inside of the graph; it is not looked into.
    """
    family: dict[fx.Node, set[fx.Node]] = {}
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            return True
        family[node] = {node}.union(*(family[source] for source in _aliased(node)))
        for member in family[node]:
            family[member] = family[node]
    for node in graph.nodes:
        for written in _written(node):
            if not name(node).endswith("_"):
                return True  # as with out=
            others = family[written] - {written, node}
            # A view that is made afterwards is one of what was written.
            others = {other for other in others if order[other] < order[node]}
            # The chain of x.relu_().add_(y) is one value under several names.
            others = {other for other in others if written not in _written(other)}
            others = {other for other in others if not _same_value(written, other)}
            if any(order[user] > order[node] for other in others for user in other.users):
                return True
    return False


def _same_value(written: fx.Node, other: fx.Node) -> bool:
    """Whether ``other`` was written over to become ``written``, or the other way round."""
    for late, early in ((written, other), (other, written)):
        while sources := _written(late):
            late = sources[0]
            if late is early:
                return True
    return False


def _make_functional(graph: fx.Graph) -> None:
    """Let no operation write into its input: who read the input afterwards reads the result.

    Raises:
        ValueError: there is no such operation that leaves its input as it is.
    """
    earlier: set[fx.Node] = set()
    for node in graph.nodes:
        earlier.add(node)
        written = _written(node)
        if not written:
            continue
        packet = getattr(torch.ops.aten, name(node).rstrip("_"), None)
        overload = getattr(packet, node.target._overloadname, None)
        if len(written) != 1 or overload is None:
            raise ValueError(f"it writes into its values by {name(node)}")
        node.target = overload
        written[0].replace_all_uses_with(node, lambda user: user not in earlier)


def _replace_copies(graph: fx.Graph) -> None:
    """What is copied over a value is that value's successor; a copy has no derivative."""
    for node in list(graph.nodes):
        if name(node) != "copy":
            continue
        target, source = node.args[:2]
        with graph.inserting_before(node):
            cast = graph.call_function(torch.ops.aten.to.dtype, (source, node.meta["val"].dtype))
            made = graph.call_function(torch.ops.aten.expand_as.default, (cast, target))
        cast.meta = made.meta = dict(node.meta)
        node.replace_all_uses_with(made)


def _restore_batch_norms(graph: fx.Graph) -> None:
    """A batch norm in eval mode is one operation again, as it is where nothing is decomposed."""
    for node in list(graph.nodes):
        source = node.args[0] if node.args else None
        if isinstance(source, fx.Node) and name(source) == "_native_batch_norm_legit_no_training":
            *inputs, momentum, epsilon = source.args
            with graph.inserting_before(node):
                made = graph.call_function(
                    torch.ops.aten.batch_norm.default,
                    (*inputs, False, momentum, epsilon, False),
                )
            made.meta = dict(node.meta)
            node.replace_all_uses_with(made)


def _outputs(graph: fx.Graph) -> tuple[dict[str, fx.Node], dict[str, int]]:
    """By name of a submodule, the value that leaves it, if there is one; and how often it runs."""
    inside: dict[str, set[fx.Node]] = {}
    names: dict[str, str] = {}
    for node in graph.nodes:
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            inner = path.removeprefix("network").removeprefix(".")
            if path.startswith("network") and inner:
                inside.setdefault(key, set()).add(node)
                names[key] = inner
    calls = dict(Counter(names.values()))
    found: dict[str, fx.Node] = {}
    for key, nodes in inside.items():
        tensors = [node for node in nodes if isinstance(node.meta.get("val"), Tensor)]
        leaving = [node for node in tensors if node.users.keys() - nodes]
        if len(leaving) == 1 and calls[names[key]] == 1:
            found[names[key]] = leaving[0]
    return found, calls
