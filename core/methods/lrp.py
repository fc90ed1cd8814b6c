"""Layer-wise relevance propagation (LRP): the score, handed back layer by layer to the pixels.

Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
Propagation", PLOS ONE 2015. Which layer has which rule is the setting's ``rule``: epsilon (the same
paper), epsilon_plus_flat (Kohlbrenner et al., "Towards Best Practice in Explaining Neural Network
Decisions with LRP", IJCNN 2020), epsilon_gamma_box (Montavon et al., "Layer-Wise Relevance
Propagation: An Overview", 2019) and attn (Achtibat et al., "AttnLRP", ICML 2024).

attn has the layers' rules of the authors' code for vision transformers (LXT, ``examples/vit_torch``
and ``models/openclip``, github.com/rachtibat/LRP-eXplains-Transformers): epsilon in the projections
of an attention, and in all other layers, convolutions and linear ones, gamma, which reduces the
noise. They look for the best gammas by hand, one for convolutions (0.1 to 100) and one for linear
layers (0 to 1); here one serves both. For vision transformers their code also passes nothing to
queries and keys, since gamma is then easier to choose; here these have their share, as the paper's
rules for softmax and products give it.

Rules belong to operations of the graph, not to classes of modules, so any network that can be
exported has LRP if its operations have rules. Batch norms that follow a layer with weights are part
of it, and others are passed through.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from ..engine.incremental import IncrementalNetwork
from ..engine.operations import arguments, name
from ..engine.teams import alone, heed
from ..errors import ModelError, SettingError
from .lrp_composites import Place, rule_at, through_layer
from .lrp_method import LRP_RULES, LrpRule, LrpSetting
from .lrp_operations import depending, multiplies, ruled
from .lrp_values import Computed, Relevance, Ruled
from .request import Asked, Heeding, Progress

_LAYERS = frozenset(
    [
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "linear",
    ]
)


class _Plan(NamedTuple):
    """How relevance goes through a graph.

    Attributes:
        operations: those that pass some on, except layers.
        layers: those with weights.
    """

    operations: dict[fx.Node, Ruled]
    layers: dict[fx.Node, Place]

    @property
    def attentions(self) -> list[fx.Node]:
        """Where values that depend on the picture choose among others."""
        return [node for node, rule in self.operations.items() if multiplies(rule)]

    def numbers(self, rule: LrpRule) -> list[str]:
        """The numbers of a setting that some layer takes, by a rule other than "auto"."""
        rules = {rule_at(rule, place) for place in self.layers.values()}
        return [number for number in LRP_RULES[rule] if number in rules]


def lrp(asked: Asked, setting: LrpSetting) -> Generator[Progress, None, None]:
    """The relevance of each number of the input, (C, H, W), in units of the score.

    Of a difference of logits, each logit begins with its own value. Of a probability, it begins
    with its value times the slope of the probability in it, which is AttnLRP's rule for softmax.
    No rule depends on what the relevance begins with, so the map of a difference is the difference
    of two maps. ``found`` has the ``rule``, other than "auto", and the ``numbers`` of the setting
    that some layer takes.

    Raises:
        SettingError: an operation has no rule.
        ModelError: the relevance is not finite.
    """
    plan = _plan(asked.network)
    if isinstance(plan, str):
        raise SettingError(f"LRP is not available for this model, since {plan}.")
    if setting.rule == "auto":
        setting = replace(setting, rule="attn" if plan.attentions else "epsilon_plus_flat")

    def make() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return _relevance(asked, plan, setting)[0].double().cpu()

    values = alone(make)
    found = {"rule": setting.rule, "numbers": plan.numbers(setting.rule)}
    yield Progress(1, 1, lambda: values, found=found)


def why_none(network: IncrementalNetwork, _: Tensor) -> str | None:
    """Why LRP is not available for a network, as the end of a sentence; None if it is."""
    plan = _plan(network)
    return plan if isinstance(plan, str) else None


def _plan(network: IncrementalNetwork) -> _Plan | str:
    """How relevance goes through a network, or why it cannot, as the end of a sentence."""
    if network.graph is None:
        return "the network cannot be exported"
    nodes = list(network.graph.graph.nodes)
    known = depending(network.graph.graph)
    if nodes[-1].args[0] not in known:
        return "its scores do not depend on the picture"
    plan = _Plan({}, {})
    reached = {nodes[-1].args[0]}
    for node in reversed(nodes):
        if node not in reached or node.op == "placeholder":
            continue
        if _is_layer(node, known):
            plan.layers[node] = Place(first=False, linear=name(node) == "linear", projects=False)
            reached.add(arguments(node)["input"])
            continue
        rule = ruled(node, known)
        if rule is None:
            weights = " with weights that depend on the picture" if name(node) in _LAYERS else ""
            return f"it has no rule for aten.{name(node)}{weights}"
        plan.operations[node] = rule
        reached.update(rule.takers)
    first, projecting = _first(plan, nodes), _projecting(plan, nodes)
    for node, place in plan.layers.items():
        plan.layers[node] = place._replace(first=node in first, projects=node in projecting - first)
    return plan


def _first(plan: _Plan, nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """The layers that the picture reaches through no other."""
    found: set[fx.Node] = set()
    later: set[fx.Node] = set()
    for node in nodes:
        if not later.isdisjoint(node.all_input_nodes):
            later.add(node)
        elif node in plan.layers:
            found.add(node)
            later.add(node)
    return found


def _projecting(plan: _Plan, nodes: Sequence[fx.Node]) -> set[fx.Node]:
    """The layers right before and right behind attentions.

    A factor of an attention that comes from one layer alone is that layer's projection, whatever
    moves, scales or turns it in between; sums of several layers, such as a residual stream, are no
    projection.
    """
    attentions = set(plan.attentions)
    if not attentions:
        return set()
    sources: dict[fx.Node, set[fx.Node]] = {}
    for node in nodes:
        takers = plan.operations[node].takers if node in plan.operations else ()
        sources[node] = set().union(*(sources[each] for each in takers)) or {node}
    factors = {each for node in attentions for each in plan.operations[node].takers}
    alone_in = [sources[each] for each in factors if len(sources[each]) == 1]
    before = set().union(*alone_in) & plan.layers.keys()
    return before | {node for node in plan.layers if _behind(plan, node) in attentions}


def _behind(plan: _Plan, layer: fx.Node) -> fx.Node:
    """The operation that a layer reads, but for those on the way that have one input."""
    node: fx.Node = arguments(layer)["input"]
    while node in plan.operations and not multiplies(plan.operations[node]):
        if len(plan.operations[node].takers) > 1:
            break
        (node,) = plan.operations[node].takers
    return node


def _is_layer(node: fx.Node, known: set[fx.Node]) -> bool:
    if name(node) not in _LAYERS:
        return False
    given = arguments(node)
    return given["weight"] not in known and given["bias"] not in known


def _relevance(asked: Asked, plan: _Plan, setting: LrpSetting) -> Tensor:
    """Of each number of the input, (1, C, H, W).

    Raises:
        ModelError: it is not finite.
    """
    graph = asked.network.graph
    assert graph is not None
    kept = Heeding(graph, forgets=False)
    logits = kept.run(asked.inputs.clone(memory_format=torch.channels_last))
    nodes = list(graph.graph.nodes)
    entry = next(node for node in nodes if node.op == "placeholder")
    found: dict[fx.Node, Relevance] = {nodes[-1].args[0]: _begin(asked, logits)}
    for node in reversed(nodes):
        relevance: Any = found.get(node)
        if node.op == "placeholder" or relevance is None:
            continue
        heed()
        takers: tuple[fx.Node, ...]
        parts: Sequence[Relevance]
        if node in plan.layers:
            takers = (arguments(node)["input"],)
            place, picture = plan.layers[node], asked.inputs
            parts = [through_layer(node, kept.env, relevance, setting, place, picture)]
        else:
            takers, rule = plan.operations[node]
            parts = rule(Computed(node, takers, kept.env), relevance)
        for taker, part in zip(takers, parts, strict=True):
            found[taker] = _sum(found[taker], part) if taker in found else part
        del kept.env[node], found[node]  # whoever reads it has been here
    relevance = found.get(entry, torch.zeros_like(asked.inputs))
    if not torch.isfinite(relevance).all():
        raise ModelError(
            "The relevance is not finite numbers, so there is no map: choose another rule or a "
            "larger epsilon."
        )
    assert isinstance(relevance, Tensor)
    return relevance


def _begin(asked: Asked, logits: Tensor) -> Tensor:
    """The relevance of the logits (1, classes): their values times the slopes of the score."""
    logits = logits.detach().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(asked.question.scores(logits).sum(), logits)
    return logits.detach() * slopes


def _sum(first: Any, second: Any) -> Relevance:
    """The relevance that a value gets from two that read it."""
    if isinstance(first, Tensor):
        return first + second
    both = first.keys() & second.keys()
    return first | second | {number: first[number] + second[number] for number in both}
