"""Attention rollout, and the same weighted by gradients: attention multiplied through all layers.

Attention rollout: Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.
Gradient-weighted: Chefer, Gur and Wolf, "Generic Attention-model Explainability for Interpreting
Bi-Modal and Encoder-Decoder Transformers", ICCV 2021, the rule for self-attention.

Both follow what the head reads back to the tokens of the picture. Where that is a class token, it
is that token's row, as in the papers; where it is several tokens or their mean, it is the mean of
their rows; where the head reads them by an attention of its own (SigLIP), it is that attention's
row, followed through the layers.
"""

from collections.abc import Callable, Generator

import torch
from torch import Tensor, fx

from ..engine.teams import alone
from .attention import Watching, attention_of, heads, identity, on_picture, transformer_of
from .attention_methods import AttentionRolloutSetting, Fusion, GradientRolloutSetting
from .request import Asked, Progress, finite_gradients

_FUSED: dict[Fusion, Callable[[Tensor], Tensor]] = {
    "mean": lambda each: each.mean(0),
    "max": lambda each: each.amax(0),
    "min": lambda each: each.amin(0),
}


def attention_rollout(
    asked: Asked, setting: AttentionRolloutSetting
) -> Generator[Progress, None, None]:
    """Attention rollout, enlarged bilinearly to the input's size: (1, H, W), not negative.

    A layer hands on half of what a token was and half of what it reads, A = (W + I) / 2 with W the
    heads' attention, and A_L ... A_1 says how much of each token of the picture arrives. No class
    is asked for: the map is the same for all of them. With max or min of the heads, whose rows do
    not sum to 1, each row of W + I is divided by its sum.

    Raises:
        SettingError: the network has no attention that can be read: the true reason.
    """

    def make() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            network = transformer_of(asked, "Attention rollout")
            fused = _FUSED[setting.fusion]
            made = dict.fromkeys(
                attention_of(network), lambda each: fused(heads(each)).cpu().double()
            )
            watching = Watching(network.graph, made)
            watching.run(asked.inputs)
            read = network.read
            arriving = _share(watching.kept[read]).mean(0) if isinstance(read, fx.Node) else read
            for layer in reversed(network.probabilities):
                arriving = arriving @ _share(watching.kept[layer] + identity(network.tokens))
            return on_picture(arriving, network.tokens, asked.inputs.shape[2:])

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def gradient_rollout(asked: Asked, _: GradientRolloutSetting) -> Generator[Progress, None, None]:
    """Gradient-weighted rollout, enlarged bilinearly to the input's size: (1, H, W), not negative.

    A layer's relevance is the mean over its heads of the positive part of attention times the
    gradient of the score in it, and R becomes R + A R from layer to layer, from the identity on.
    What a token is to itself, the identity, is not shown: it is the same for all patches that the
    head reads. A map of zeros means that no attention speaks for the class.

    Raises:
        SettingError: the network has no attention that can be read: the true reason.
        ModelError: the gradients are not finite.
    """

    def make() -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            network = transformer_of(asked, "Gradient rollout")
            every = attention_of(network)
            watching = Watching(network.graph, dict.fromkeys(every, lambda x: x))
            scores = asked.question.scores(watching.run(asked.inputs.clone().requires_grad_()))
            slopes = torch.autograd.grad(scores.sum(), [watching.kept[each] for each in every])
        weighted = {
            each: _weighted(watching.kept[each].detach(), slope)
            for each, slope in zip(every, slopes, strict=True)
        }
        read = network.read
        arriving = weighted[read].mean(0) if isinstance(read, fx.Node) else read
        itself = torch.zeros_like(arriving) if isinstance(read, fx.Node) else read
        for layer in reversed(network.probabilities):
            arriving = arriving + arriving @ weighted[layer]
        return on_picture(arriving - itself, network.tokens, asked.inputs.shape[2:])

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def _share(attention: Tensor) -> Tensor:
    """Each row divided by its sum."""
    return attention / attention.sum(-1, keepdim=True)


def _weighted(probabilities: Tensor, slopes: Tensor) -> Tensor:
    """The positive part of attention times its gradient, mean over the heads, float64."""
    return heads(probabilities * finite_gradients(slopes)).relu().mean(0).cpu().double()
