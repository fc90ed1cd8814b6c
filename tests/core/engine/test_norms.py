"""Gradients through batch norms in eval mode, whatever the order of memory."""

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from core.engine.incremental import IncrementalNetwork
from core.engine.norms import ExactLogits, ExactNorms
from core.engine.operations import name
from core.engine.watched_layers import layers, run
from tests.toys import CLASSES, picture, seeded

pytestmark = pytest.mark.usefixtures("one_thread")


class Tokens(nn.Module):
    """A convolution, a norm and tokens, whose gradient comes back with channels last."""

    def __init__(self, apart=False):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.apart = nn.ReLU() if apart else nn.Identity()  # keeps the norm from being folded
        self.norm = nn.BatchNorm2d(6)
        self.mix = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 5))
        self.last = nn.Linear(5, CLASSES)
        nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, x):
        x = self.norm(self.apart(self.first(x))).flatten(2).transpose(1, 2)
        return self.last(self.mix(x).tanh().mean(1))


class Undecided(Tokens):
    """Cannot be exported."""

    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


def by_differences(module, inputs, target=1, step=1e-4):
    """The gradient in some pixels by the change of the score, in float64."""
    module, inputs = module.double(), inputs.double()
    found = {}
    with torch.no_grad():
        for place in ((0, 0, 2, 3), (0, 1, 5, 5), (0, 2, 11, 0)):
            ends = []
            for sign in (1, -1):
                moved = inputs.clone()
                moved[place] += sign * step
                ends.append(float(module(moved)[0, target]))
            found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def gradient(module, inputs, target=1):
    inputs = inputs.detach().clone().requires_grad_()
    return torch.autograd.grad(module(inputs)[0, target], inputs)[0]


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("make", [Tokens, lambda: Tokens(apart=True), Undecided])
def test_the_gradient_is_the_change_of_the_score(make, order):
    module, inputs = seeded(make).eval(), picture()
    network = IncrementalNetwork(module, inputs)
    if isinstance(network.module, fx.GraphModule):
        assert all(name(node) != "batch_norm" for node in network.module.graph.nodes)
    ours = gradient(network.module, inputs.to(memory_format=order))
    for place, expected in by_differences(module, inputs).items():
        assert float(ours[place]) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("make", [Tokens, Undecided])
def test_a_layers_gradient_is_the_same_in_any_order_of_memory(make):
    module, inputs = seeded(make).eval(), picture()
    network = IncrementalNetwork(module, inputs)
    assert "first" in layers(network, inputs)
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        pictures = inputs.to(memory_format=order).requires_grad_()
        logits, (values,) = run(network, ["first"], pictures)
        found.append(torch.autograd.grad(logits[0, 1], values)[0])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-7)
    head = nn.Sequential(nn.Flatten(2), Turned(), module.mix, nn.Tanh())
    norm = module.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    with torch.no_grad():
        values = (module.first(inputs) - norm.running_mean[:, None, None]) * scale[:, None, None]
        values += norm.bias[:, None, None]
    values.requires_grad_()
    (expected,) = torch.autograd.grad(module.last(head(values).mean(1))[0, 1], values)
    torch.testing.assert_close(found[0], expected * scale[:, None, None], rtol=1e-4, atol=1e-7)


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_the_values_are_torchs(affine, kept):
    for norm, shape in ((nn.BatchNorm2d, (2, 4, 3, 3)), (nn.BatchNorm1d, (5, 4))):
        module = norm(4, affine=affine, track_running_stats=kept).eval()
        inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(ExactLogits(nn.Sequential(module, nn.Flatten()))(inputs),
                                   module(inputs).flatten(1))  # fmt: skip
        with ExactNorms():
            torch.testing.assert_close(
                torch.batch_norm(inputs, None, None, module.running_mean, module.running_var,
                                 not kept, 0.1, 1e-5, False),
                F.batch_norm(inputs, module.running_mean, module.running_var, training=not kept),
            )  # fmt: skip
