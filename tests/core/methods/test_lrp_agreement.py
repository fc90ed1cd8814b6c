"""LRP of convolutional networks as zennit and Captum compute it.

In double precision, since zennit and we sum in another order. Batch norms have no epsilon: zennit
leaves it in what it merges, and so divides by a little more than one once more.
"""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule
from torch import nn

from core.engine.incremental import IncrementalNetwork
from core.methods import lrp
from core.methods.lrp_method import LrpSetting
from core.methods.request import Asked
from core.methods.scores import Question
from core.models.torchvision_compat import torchvision
from tests.toys import picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")

TARGET = 3


def vgg(norms):
    """A small network in the style of VGG, with or without batch norms."""

    def block(before, after):
        parts = [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after, eps=0), nn.ReLU()]
        return parts if norms else [parts[0], parts[2]]

    return nn.Sequential(
        *block(3, 6), *block(6, 8), nn.MaxPool2d(2), *block(8, 8), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(72, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 5),
    )  # fmt: skip


def resnet():
    """torchvision's ResNet with a block in each stage."""
    block = torchvision.models.resnet.BasicBlock
    return torchvision.models.ResNet(
        block, [1, 1, 1, 1], 5, norm_layer=lambda channels: nn.BatchNorm2d(channels, eps=0)
    )


NETWORKS = {
    "vgg": (lambda: vgg(norms=False), 12),
    "vgg with batch norms": (lambda: vgg(norms=True), 12),
    "resnet": (resnet, 40),
}


@cache
def given(name):
    """A network, and the same prepared."""
    make, side = NETWORKS[name]
    module = seeded(make).double().eval()
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values, (low, high) in (
                (part.running_mean, (-0.2, 0.2)),
                (part.running_var, (0.5, 1.5)),
                (part.weight.data, (0.5, 1.5)),
                (part.bias.data, (-0.2, 0.2)),
            ):
                values.uniform_(low, high, generator=generator)
    inputs = picture(side, side).double()
    return module, IncrementalNetwork(module, inputs), inputs


def ours(network, inputs, rule):
    asked = Asked(network, inputs, torch.zeros_like(inputs), Question(TARGET))
    (progress,) = lrp.lrp(asked, LrpSetting(rule))
    return progress.values().numpy()


def by_zennit(module, inputs, rule):
    # zennit imports torchvision, which has to be imported our way first.
    from zennit.composites import (
        EpsilonGammaBox,
        EpsilonPlusFlat,
        LayerMapComposite,
        layer_map_base,
    )
    from zennit.rules import Epsilon, Gamma
    from zennit.torchvision import ResNetCanonizer
    from zennit.types import Linear

    low, high = (end(inputs, (2, 3), keepdim=True) for end in (torch.amin, torch.amax))
    canonizers = [ResNetCanonizer()]  # SequentialMergeBatchNorm, and the sums of ResNets
    composite = {
        "epsilon": lambda: LayerMapComposite(
            [*layer_map_base(), (Linear, Epsilon(1e-6))], canonizers
        ),
        "epsilon_plus_flat": lambda: EpsilonPlusFlat(canonizers=canonizers),
        "epsilon_gamma_box": lambda: EpsilonGammaBox(low, high, canonizers=canonizers),
        "attn": lambda: LayerMapComposite([*layer_map_base(), (Linear, Gamma(0.25))], canonizers),
    }[rule]()
    inputs = inputs.clone().requires_grad_()
    with composite.context(module) as changed:
        logits = changed(inputs)
        begin = torch.zeros_like(logits)
        begin[0, TARGET] = logits[0, TARGET].detach()
        (found,) = torch.autograd.grad(logits, inputs, begin)
    return found[0].numpy()


def apart(found, expected):
    """How far a map is from another, as a share of its norm."""
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("rule", ["epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "attn"])
@pytest.mark.parametrize("name", NETWORKS)
def test_as_zennit(name, rule):
    module, prepared, inputs = given(name)
    assert apart(ours(prepared, inputs, rule), by_zennit(module, inputs, rule)) < 1e-11


def test_as_zennit_in_single_precision():
    module, _, inputs = given("vgg with batch norms")
    expected = by_zennit(module, inputs, "epsilon_plus_flat")
    single = inputs.float()
    prepared = IncrementalNetwork(copy.deepcopy(module).float(), single)
    assert apart(ours(prepared, single, "epsilon_plus_flat"), expected) < 1e-4


class Plain(nn.Module):
    """Layers one after the other; Captum has no rule for a module that flattens."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        )  # fmt: skip
        self.last = nn.Linear(32, 5)

    def forward(self, x):
        return self.last(self.body(x).flatten(1))


@pytest.mark.parametrize(
    ("rule", "theirs"), [("epsilon", EpsilonRule(1e-6)), ("attn", GammaRule())]
)
def test_as_captum(rule, theirs):
    # Captum's gamma rule is for positive inputs and outputs, and leaves the bias as it is.
    module, inputs = seeded(Plain).double().eval(), picture().double().abs()
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.bias.data.zero_()
            part.rule = theirs
        elif isinstance(part, nn.MaxPool2d | nn.AdaptiveAvgPool2d):
            part.rule = EpsilonRule(1e-12 if isinstance(part, nn.MaxPool2d) else 1e-6)
    assert module(inputs)[0, TARGET] > 0
    given = inputs.clone().requires_grad_()
    expected = LRP(module).attribute(given, target=TARGET)[0].detach().numpy()
    assert apart(ours(IncrementalNetwork(module, inputs), inputs, rule), expected) < 1e-4
