"""DeepLift and Guided Backprop, computed by Captum on a converted copy of the network.

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

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from ..engine.folding import copied
from ..engine.operations import arguments, ceiling, name
from ..errors import SettingError
from .request import Asked
from .scores import Question

_SLOPES = 64  # points for the mean slope of a probability, a smooth function of the logits
_LINEAR = frozenset(
    [
        "add",
        "adaptive_avg_pool2d",
        "avg_pool2d",
        "cat",
        "clone",
        "constant_pad_nd",
        "contiguous",
        "conv2d",
        "expand",
        "flatten",
        "index_select",
        "linear",
        "mean",
        "permute",
        "reshape",
        "rsub",
        "select",
        "slice",
        "squeeze",
        "sub",
        "sum",
        "sym_size",
        "to",
        "transpose",
        "unsqueeze",
        "upsample_bilinear2d",
        "upsample_nearest2d",
    ]
)


_NOT_EXPORTED = "the network cannot be exported"


class _Head(nn.Module):
    """A network and one number of its logits."""

    def __init__(self, network: nn.Module, number: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return self.number(self.network(x))[:, None]


def deep_lift(asked: Asked) -> Tensor:
    """DeepLift's contributions, (1, C, H, W), which sum to the change of the score.

    A probability depends on all logits at once, and the rescale rule for one number does not fit.
    Its multipliers for the logits are the mean slopes of the score on the straight line between the
    two vectors of logits, whose products with the differences add up to its change exactly (Aumann
    and Shapley's values; the same as the rescale rule where the score depends on one logit).

    Raises:
        SettingError: a layer has no rule.
    """
    from captum.attr import DeepLift  # half a second, and few maps need it

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
    from captum.attr import GuidedBackprop  # as above

    network = _converted(asked.module, "Guided Backprop", _rectifier_below_a_ceiling)
    return _quietly(
        lambda: GuidedBackprop(_Head(network, asked.question.scores)).attribute(
            asked.inputs, target=0
        )
    )


def why_no_deep_lift(module: nn.Module) -> str | None:
    """Why DeepLift is not available for a network; None if it is."""
    if not isinstance(module, fx.GraphModule):
        return _NOT_EXPORTED
    for node in module.graph.nodes:
        if node.op == "call_function" and not _has_rule(node):
            return (
                f"it has no rule for {name(node) or getattr(node.target, '__name__', node.target)}"
            )
    return None


def _has_rule(node: fx.Node) -> bool:
    """Whether DeepLift knows what to do with an operation."""
    kind = name(node)
    if not kind:  # arithmetic of sizes
        return not isinstance(node.meta.get("val"), Tensor)
    if kind in _LINEAR or ceiling(node) is not None or _module(node) is not None:
        return True
    given = arguments(node)
    if kind == "pad":
        return given["mode"] == "constant"
    if kind == "batch_norm":
        return not given["training"]
    inputs = [source for source in node.all_input_nodes if source.op != "get_attr"]
    by_number = len(inputs) == 1 and node.args.count(inputs[0]) == 1  # not x * x
    return by_number and (kind == "mul" or (kind == "div" and inputs[0] is node.args[0]))


def why_no_guided_backprop(module: nn.Module) -> str | None:
    """Why Guided Backprop is not available for a network; None if it is."""
    if not isinstance(module, fx.GraphModule):
        return _NOT_EXPORTED
    if not any(ceiling(node) is not None for node in module.graph.nodes):
        return "the network has no ReLU, so that nothing would be guided"
    return None


def _converted(
    module: nn.Module, method: str, below: Callable[[fx.GraphModule, fx.Node, float], fx.Node]
) -> fx.GraphModule:
    """The graph with a module for each operation that has a rule; ``below`` makes a ReLU6."""
    why_not = why_no_deep_lift if method == "DeepLift" else why_no_guided_backprop
    reason = why_not(module)
    if reason is not None or not isinstance(module, fx.GraphModule):
        raise SettingError(f"{method} is not available for this model, since {reason}.")
    twin, _ = copied(module)
    graph = twin.graph
    for node in list(graph.nodes):
        top, part = ceiling(node), _module(node)
        if top is None and part is None:
            continue
        with graph.inserting_before(node):
            if top is None and part is not None:
                made = _called(twin, part, node.args[0])
            elif top == float("inf"):
                made = _called(twin, nn.ReLU(), node.args[0])
            else:
                made = below(twin, node, top or 0.0)
        node.replace_all_uses_with(made)
        graph.erase_node(node)
    twin.recompile()
    return twin


def _module(node: fx.Node) -> nn.Module | None:
    """The module with a rule that an operation stands for, rectifiers aside."""
    given = arguments(node) if name(node) in _RULED else {}
    match name(node):
        case "leaky_relu":
            return nn.LeakyReLU(given["negative_slope"])
        case "elu" if (given["scale"], given["input_scale"]) == (1, 1):
            return nn.ELU(given["alpha"])
        case "sigmoid":
            return nn.Sigmoid()
        case "tanh":
            return nn.Tanh()
        case "softplus":
            return nn.Softplus(given["beta"], given["threshold"])
        case "max_pool2d":
            sizes = given["kernel_size"], given["stride"] or given["kernel_size"]
            return nn.MaxPool2d(
                *sizes, given["padding"], given["dilation"], ceil_mode=given["ceil_mode"]
            )
    return None


_RULED = frozenset(["leaky_relu", "elu", "sigmoid", "tanh", "softplus", "max_pool2d"])


def _called(twin: fx.GraphModule, part: nn.Module, source: Any) -> fx.Node:
    """A call of a module of its own, on an input of its own, for Captum's hooks."""
    key = f"_ruled_{sum(1 for _ in twin.children())}"
    twin.add_submodule(key, part)
    return twin.graph.call_module(key, (twin.graph.call_function(torch.clone, (source,)),))


def _difference_of_rectifiers(twin: fx.GraphModule, node: fx.Node, top: float) -> fx.Node:
    source = node.args[0]
    above = twin.graph.call_function(torch.sub, (source, top))
    pair = _called(twin, nn.ReLU(), source), _called(twin, nn.ReLU(), above)
    return twin.graph.call_function(torch.sub, pair)


def _rectifier_below_a_ceiling(twin: fx.GraphModule, node: fx.Node, top: float) -> fx.Node:
    below = _called(twin, nn.ReLU(), node.args[0])
    return twin.graph.call_function(torch.clamp, (below,), {"max": top})


def _quietly(work: Callable[[], Tensor]) -> Tensor:
    """Captum announces its hooks as warnings; here they are set on a copy."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks")
        warnings.filterwarnings("ignore", "Input Tensor .* did not already require gradients")
        return work()
