"""DeepLift and Guided Backprop, which treat rectifiers by rules of their own.

DeepLift: Shrikumar, Greenside, Kundaje, "Learning Important Features Through Propagating Activation
Differences", ICML 2017 (rescale rule). Guided Backprop: Springenberg et al., "Striving for
Simplicity: The All Convolutional Net", 2015 (arXiv:1412.6806).

Captum hooks into modules of type ReLU, each of which may run once and must not write into its
input; and since the hooks sit on the tensors between the layers, no two modules with a rule may
share one: else, as with the ReLU before a pooling of VGG-16, one rule reads what the other has not
written yet. Real networks reuse modules, call functions or have ReLU6. So both methods run on a
converted copy of the graph that computes the same: every rectifier is a ReLU module with an input
of its own. ReLU6 is relu(x) - relu(x - 6), which DeepLift's rule treats as it would treat ReLU6
itself, or, for Guided Backprop, a ReLU below a ceiling.
"""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import DeepLift, GuidedBackprop
from torch import Tensor, fx, nn
from torch.nn import functional as F

from core.asking import Asked
from core.differentiable import WinogradLayer
from core.errors import SettingError
from core.folding import copied
from core.scores import Question

_RELU = {F.relu, torch.relu, "relu"}
_RELU6 = {F.relu6}
_SLOPES = 64  # points for the mean slope of a probability, a smooth function of the logits
_RULED = (nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)
_QUOTIENTS = {"truediv", "div"}
_LINEAR = (
    *(nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ConstantPad2d),
    *(nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten, WinogradLayer),
)
_LINEAR_NAMES = frozenset(
    (
        *("add", "sub", "cat", "flatten", "mean", "view", "reshape", "size", "getattr", "getitem"),
        *("adaptive_avg_pool2d", "avg_pool2d", "dropout", "contiguous", "permute", "transpose"),
        *("squeeze", "unsqueeze", "concat"),
    )
)


class _Head(nn.Module):
    """A network and one number of its logits."""

    def __init__(self, network: nn.Module, number: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return self.number(self.network(x))[:, None]


def deep_lift(asked: Asked) -> Tensor:
    """DeepLift's contributions, (1, C, H, W), which add up to the change of the score.

    A probability depends on all logits at once, and the rescale rule for one number does not fit.
    Its multipliers for the logits are the mean slopes of the score on the straight line between the
    two vectors of logits, whose products with the differences add up to its change exactly (Aumann
    and Shapley's values; the same as the rescale rule where the score depends on one logit).

    Raises:
        SettingError: a layer has no rule.
    """
    network = _converted(asked.module, "DeepLift", _difference_of_rectifiers)
    with torch.no_grad():
        logits = torch.cat([network(picture) for picture in (asked.inputs, asked.reference)])
    slopes = _mean_slopes(asked.question, logits.double().cpu()).to(logits)
    head = _Head(network, lambda logits: logits @ slopes)
    return _quietly(
        lambda: DeepLift(head).attribute(asked.inputs, asked.reference.contiguous(), target=0)
    )


def _mean_slopes(question: Question, logits: Tensor) -> Tensor:
    """Of a score in each logit, float64 (classes,), between the two rows of logits."""
    nodes, weights = np.polynomial.legendre.leggauss(_SLOPES)
    at = torch.from_numpy((1 + nodes) / 2)[:, None]
    line = (logits[1] + at * (logits[0] - logits[1])).requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(question.scores(line).sum(), line)
    return torch.from_numpy(weights / 2) @ slopes


def guided_backprop(asked: Asked) -> Tensor:
    """The gradient, where only what is positive passes a rectifier: (1, C, H, W).

    Raises:
        SettingError: the network has no rectifiers.
    """
    network = _converted(asked.module, "Guided Backprop", _rectifier_below_a_ceiling)
    return _quietly(
        lambda: GuidedBackprop(_Head(network, asked.question.scores)).attribute(
            asked.inputs, target=0
        )
    )


def why_no_deep_lift(module: nn.Module) -> str | None:
    """Why DeepLift cannot be had for a network; None if it can."""
    if not isinstance(module, fx.GraphModule):
        return "the network cannot be traced"
    for node in module.graph.nodes:
        part = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        known = isinstance(part, (*_RULED, *_LINEAR)) or _kind(module, node) is not None
        if known or not node.op.startswith("call"):
            continue
        name = getattr(node.target, "__name__", str(node.target))
        inputs = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if part is not None:
            return f"it has no rule for {type(part).__name__}"
        by_number = len(inputs) == 1 and node.args.count(inputs[0]) == 1  # not x * x
        if by_number and (name == "mul" or (name in _QUOTIENTS and inputs[0] is node.args[0])):
            continue
        if name not in _LINEAR_NAMES:
            return f"it has no rule for {name}"
    return None


def why_no_guided_backprop(module: nn.Module) -> str | None:
    """Why Guided Backprop cannot be had for a network; None if it can."""
    if not isinstance(module, fx.GraphModule):
        return "the network cannot be traced"
    if not any(_kind(module, node) for node in module.graph.nodes):
        return "the network has no ReLU, so that nothing would be guided"
    return None


def _converted(
    module: nn.Module, method: str, ceiling: Callable[[fx.GraphModule, fx.Node], fx.Node]
) -> fx.GraphModule:
    why_not = why_no_deep_lift if method == "DeepLift" else why_no_guided_backprop
    reason = why_not(module)
    if reason is not None or not isinstance(module, fx.GraphModule):
        raise SettingError(f"{method} cannot be had for this model, since {reason}.")
    twin, _ = copied(module)
    graph = twin.graph
    for node in list(graph.nodes):
        kind = _kind(twin, node)
        if kind is not None:
            with graph.inserting_before(node):
                rectified = _relu(twin, node.args[0]) if kind == "relu" else ceiling(twin, node)
                node.replace_all_uses_with(rectified)
            graph.erase_node(node)
        elif node.op == "call_module":
            part = twin.get_submodule(str(node.target))
            if isinstance(part, _RULED):  # hooks are to see each use by itself
                with graph.inserting_before(node):
                    node.args = (graph.call_function(torch.clone, node.args),)
                twin.add_submodule(f"_once_{node.name}", copy.deepcopy(part))
                node.target = f"_once_{node.name}"
    twin.delete_all_unused_submodules()
    twin.recompile()
    return twin


def _kind(module: fx.GraphModule, node: fx.Node) -> str | None:
    """Which rectifier a node is, if any."""
    if node.op == "call_module":
        part = module.get_submodule(str(node.target))
        six = type(part) is nn.Hardtanh and (part.min_val, part.max_val) == (0.0, 6.0)
        if isinstance(part, nn.ReLU6) or six:
            return "relu6"
        return "relu" if type(part) is nn.ReLU else None
    if node.op not in ("call_function", "call_method"):
        return None
    return "relu" if node.target in _RELU else "relu6" if node.target in _RELU6 else None


def _relu(twin: fx.GraphModule, source: Any) -> fx.Node:
    name = f"_relu_{sum(1 for _ in twin.children())}"
    twin.add_submodule(name, nn.ReLU())
    return twin.graph.call_module(name, (twin.graph.call_function(torch.clone, (source,)),))


def _difference_of_rectifiers(twin: fx.GraphModule, node: fx.Node) -> fx.Node:
    source = node.args[0]
    above = twin.graph.call_function(torch.sub, (source, 6.0))
    pair = _relu(twin, source), _relu(twin, above)
    return twin.graph.call_function(torch.sub, pair)


def _rectifier_below_a_ceiling(twin: fx.GraphModule, node: fx.Node) -> fx.Node:
    return twin.graph.call_function(torch.clamp, (_relu(twin, node.args[0]),), {"max": 6.0})


def _quietly(work: Callable[[], Tensor]) -> Tensor:
    """Captum announces its hooks as warnings; here they are set on a copy."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks")
        warnings.filterwarnings("ignore", "Input Tensor .* did not already require gradients")
        return work()
