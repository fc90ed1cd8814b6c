"""Gradients through Winograd's convolutions are those of the plain network."""

import pytest
import torch
from torch import nn

from core.engine.differentiable import WinogradLayer
from core.engine.incremental import IncrementalNetwork
from tests.toys import head, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")


def wide(padding, channels=128):
    """A network whose second convolution is wide enough, seen through a kink on both sides."""
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=padding),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            head(channels),
        ).eval()
    )


def gradient(module, inputs):
    inputs = inputs.clone().requires_grad_()
    scores = module(inputs)
    return scores.detach(), torch.autograd.grad(scores[:, 1].sum(), inputs)[0]


@pytest.mark.parametrize("padding", [0, 1, 2, (0, 2)])
@pytest.mark.parametrize("size", [(4, 4), (9, 6), (13, 16)])
def test_scores_and_gradients_are_those_of_the_plain_network(padding, size):
    module, inputs = wide(padding), picture(*size)
    copy = IncrementalNetwork(module, inputs[:1]).module
    assert sum(isinstance(part, WinogradLayer) for part in copy.modules()) == 1
    for ours, exact in zip(
        gradient(copy, inputs), gradient(module.double(), inputs.double()), strict=True
    ):
        torch.testing.assert_close(ours.double(), exact, atol=2e-6 * exact.abs().max(), rtol=1e-5)


def test_a_batch_of_pictures():
    module, inputs = wide(1), torch.cat([picture(9, 9, seed) for seed in range(3)])
    copy = IncrementalNetwork(module, inputs[:1]).module
    _, together = gradient(copy, inputs)
    apart = torch.cat([gradient(copy, each)[1] for each in inputs.split(1)])
    torch.testing.assert_close(together, apart, atol=1e-7, rtol=1e-4)


def test_narrow_convolutions_stay_as_they_are():
    copy = IncrementalNetwork(wide(1, channels=64), picture(9, 9)).module
    assert not any(isinstance(part, WinogradLayer) for part in copy.modules())


def test_the_engine_and_the_module_are_left_as_they_were():
    module, inputs = wide(1), picture(9, 9)
    names = [name for name, _ in module.named_modules()]
    network = IncrementalNetwork(module, inputs)
    before = network.dense(inputs)
    assert network.module is network.module
    torch.testing.assert_close(network.dense(inputs), before, rtol=0, atol=0)
    assert [name for name, _ in module.named_modules()] == names
