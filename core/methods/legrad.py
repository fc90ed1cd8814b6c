"""LeGrad: how much a class's score grows with the attention of each layer.

Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation
Sensitivity", ICCV 2025.
"""

from collections.abc import Generator

import torch
from torch import Tensor, fx

from ..engine.teams import alone
from ..engine.transformers import Transformer
from ..errors import SettingError
from .attention import heads, on_picture, transformer_of
from .attention_methods import LeGradSetting
from .request import Asked, Heeding, Progress, finite_gradients


def legrad(asked: Asked, setting: LeGradSetting) -> Generator[Progress, None, None]:
    """LeGrad, enlarged bilinearly to the input's size: (1, H, W), not negative.

    For each layer, the head reads the tokens behind that layer in place of the last ones. The map
    is the positive part of the gradient of that score in the layer's attention, mean over heads,
    queries and layers. A map of zeros means that no attention raises the score.

    A head that reads a class token reads the mean of all tokens instead, as in the authors' code,
    since only the last layer's class token is made for it. A head that reads the mean of the
    picture's tokens is taken as it is. Where the head reads the tokens by an attention of its own
    (SigLIP), the gradient is taken in that attention. Values are not stretched to 0..1, as they are
    in the authors' code.

    Raises:
        SettingError: the network has no attention that can be read, or fewer layers: the reason.
        ModelError: the gradients are not finite.
    """

    def make() -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            network = transformer_of(asked, "LeGrad")
            first = _first(setting, len(network.streams))
            run = Heeding(network.graph, forgets=False)
            run.run(asked.inputs.clone().requires_grad_())
            head = network.head()
            before = {node: value for node, value in run.env.items() if node not in head}
            layers = range(first, len(network.streams))
            found = [_layer(asked, network, before, each) for each in layers]
        relevance = torch.stack(found).mean(0)
        return on_picture(relevance, network.tokens, asked.inputs.shape[2:])

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def _first(setting: LeGradSetting, count: int) -> int:
    """The index of the first layer.

    Raises:
        SettingError: there are not so many.
    """
    if setting.start > count:
        raise SettingError(
            f"LeGrad from layer {setting.start}: this model has {count} layers of attention; "
            f"choose between 1 and {count}."
        )
    return setting.start - 1


def _layer(asked: Asked, network: Transformer, values: dict[fx.Node, Tensor], at: int) -> Tensor:
    """What one layer's attention to each token does to the score: float64 (tokens,) on the CPU.

    Args:
        values: what is computed before the head.
        at: index of the layer.
    """
    tokens = values[network.streams[at]]
    own = network.read if isinstance(network.read, fx.Node) else None
    if own is None and not network.reads_alike:
        over = [axis for axis, letter in enumerate(network.axes) if letter in "THW"]
        tokens = tokens.mean(over, keepdim=True).expand_as(tokens)
    known = {**values, network.streams[-1]: tokens}
    head = Heeding(network.graph, forgets=False)
    scores = asked.question.scores(head.run(asked.inputs, initial_env=known))
    attention = head.env[own or network.probabilities[at]]
    (slopes,) = torch.autograd.grad(scores.sum(), attention, retain_graph=True)
    return heads(finite_gradients(slopes)).relu().mean((0, 1)).double().cpu()
