"""DeepLift adds up whatever a network is built from, and Guided Backprop guides at every kink."""

import warnings

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, GuidedBackprop
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from core.engine.remembered import memory
from core.errors import ModelError, SettingError
from core.methods.gradient_methods import GradientSetting
from core.methods.gradients import gradient_steps
from core.methods.rectifiers import why_no_deep_lift, why_no_guided_backprop
from core.methods.scores import Question
from tests.toys import CLASSES, Linear, OneLogit, head, network, picture, seeded, state, two_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

DEEP_LIFT = GradientSetting("deep_lift")
GUIDED = GradientSetting("guided_backprop")


def explained(module, inputs, setting, question=None, baseline=0.0):
    steps = gradient_steps(module, inputs, question or Question(1), setting, baseline)
    return list(steps)[-1].snapshot()


def by_captum(method, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method.attribute(*args, **options).sum(1)[0].detach().numpy()


class Reused(nn.Module):
    """One ReLU in three places, two of which see the same map."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.second = nn.Conv2d(5, 5, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = head(5)

    def forward(self, x):
        x = self.relu(self.first(x))
        return self.head(self.relu(self.second(x)) + self.relu(x - 0.1))


class Functional(nn.Module):
    """Rectifiers called in every way but as modules."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))
        self.head = head(3)

    def forward(self, x):
        x = F.relu(self.convs[0](x), inplace=True)
        x = torch.relu(self.convs[1](x))
        x = F.relu6(8 * self.convs[2](x))
        return self.head(self.convs[3](x).relu_())


class Product(nn.Module):
    """A map that gates another."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x * x.mean((2, 3), keepdim=True))


class Square(Product):
    """A map that gates itself."""

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x * x)


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.LayerNorm(4)
        self.last = nn.Linear(4, CLASSES)

    def forward(self, x):
        return self.last(self.norm(F.relu(self.conv(x)).mean((2, 3))))


def layers(*parts):
    return lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *(make() for make in parts))


def again():
    return nn.Conv2d(4, 4, 3, padding=1)


class Six(nn.Module):
    """Seven times its input, so that ReLU6 has something above six."""

    def forward(self, x):
        return F.relu6(7 * x)


COMPLETE = {
    "relu": layers(nn.ReLU, again, nn.ReLU, lambda: head(4)),
    "in place": layers(lambda: nn.ReLU(True), again, lambda: nn.ReLU(True), lambda: head(4)),
    "relu6": layers(lambda: nn.ReLU6(inplace=True), again, Six, lambda: head(4)),
    "hardtanh as relu6": layers(lambda: nn.Hardtanh(0, 6), lambda: head(4)),
    "relu before pooling": layers(
        nn.ReLU, lambda: nn.MaxPool2d(2), again, nn.ReLU, lambda: head(4)
    ),
    "pooling before relu": layers(lambda: nn.MaxPool2d(2), nn.ReLU, lambda: head(4)),
    "other rules": layers(
        nn.ELU, again, lambda: nn.LeakyReLU(0.2), again, nn.Softplus, lambda: head(4)
    ),
    "normed": layers(
        lambda: nn.BatchNorm2d(4), nn.ReLU, lambda: nn.BatchNorm2d(4), lambda: head(4)
    ),
    "reused": Reused,
    "functional": Functional,
}  # fmt: skip
TOYS = ["strided", "dilated", "uneven padding", "residual", "concatenated", "positional"]


def built(name, seed=0):
    return network(name, seed) if name in TOYS else seeded(COMPLETE[name], seed).eval()


def change(module, inputs, baseline, question):
    with torch.no_grad():
        both = question.scores(module(torch.cat([inputs, baseline])).double())
    return float(both[0] - both[1])


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", [*COMPLETE, *TOYS])
@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 1000),
    contrast=st.sampled_from([None, 0]),
    level=st.sampled_from([None, 0.0, -0.7]),
)
def test_deep_lift_adds_up(name, seed, contrast, level):
    module, inputs = built(name, seed), picture(12, 10, seed)
    baseline = picture(12, 10, seed + 1) if level is None else torch.full_like(inputs, level)
    before = state(module)
    question = Question(1, contrast)
    wanted = change(module, inputs, baseline, question)
    assume(wanted != 0)  # of some drawn networks all rectifiers are dead, and there is no map
    found = explained(module, inputs, DEEP_LIFT, question, baseline)
    scale = float(np.abs(found.values).sum())
    assert float(found.values.sum(dtype=float)) == pytest.approx(wanted, abs=1e-4 * scale + 1e-5)
    assert found.change == pytest.approx(wanted, abs=1e-4 * scale)
    assert abs(found.gap) <= 1e-4 * scale + 1e-5
    assert state(module) == before


def test_deep_lift_of_a_linear_network():
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    found = explained(module, inputs, DEEP_LIFT, Question(2), 0.5)
    weight = module.layer.weight[2].detach().view(2, 3, 4)
    np.testing.assert_allclose(found.values, (weight * (inputs[0] - 0.5)).sum(0), atol=1e-6)


def test_deep_lift_known_by_hand():
    # relu(x - 1) from 0 to 3 makes 2 of 3, which is what each unit of x gets; y passes unhindered.
    module = OneLogit(lambda x, y: torch.relu(x - 1) + y)
    found = explained(module, two_pixels(3.0, 2.0), DEEP_LIFT, Question(0))
    np.testing.assert_allclose(found.values, [[2, 2]], atol=1e-6)


def test_deep_lift_of_relu6_known_by_hand():
    module = OneLogit(lambda x, y: F.relu6(2 * x) + y)
    for x, reached in ((-1.0, 0.0), (1.0, 2.0), (12.0, 6.0)):
        found = explained(module, two_pixels(x, 2.0), DEEP_LIFT, Question(0))
        np.testing.assert_allclose(found.values, [[reached, 2]], atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), target=st.integers(0, CLASSES - 1))
def test_as_captum_says_of_what_it_supports(seed, target):
    module, inputs = built("relu", seed), picture(9, 10, seed)
    baseline = picture(9, 10, seed + 1)
    ours = explained(module, inputs, DEEP_LIFT, Question(target), baseline).values
    theirs = by_captum(DeepLift(module), inputs, baseline, target=target)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_a_relu_directly_before_pooling_needs_the_converted_copy():
    # Captum's hooks for the two share a tensor, and its contributions do not add up.
    module, inputs, baseline = built("relu before pooling"), picture(12, 12), picture(12, 12, 5)
    wanted = change(module, inputs, baseline, Question(1))
    plain = by_captum(DeepLift(module), inputs, baseline, target=1).sum()
    ours = explained(module, inputs, DEEP_LIFT, baseline=baseline)
    assert abs(plain - wanted) > 0.05 * abs(wanted)
    assert abs(ours.gap) < 1e-4 * abs(wanted)


def test_overlapping_pooling_reports_its_gap():
    make = layers(nn.ReLU, lambda: nn.MaxPool2d(3, stride=1), again, nn.ReLU, lambda: head(4))
    found = explained(seeded(make), picture(12, 12), DEEP_LIFT)
    assert found.gap == pytest.approx(found.values.sum(dtype=float) - found.change)
    assert abs(found.gap) > 0.01 * abs(found.change)


@pytest.mark.parametrize("kind", ["probability", "log_probability"])
@pytest.mark.parametrize("contrast", [None, 0])
@pytest.mark.parametrize("name", ["relu", "relu before pooling"])
def test_deep_lift_of_probabilities_adds_up(name, contrast, kind):
    question = Question(1, contrast, kind)
    module, inputs, baseline = built(name), picture(12, 12), picture(12, 12, 5)
    found = explained(module, inputs, DEEP_LIFT, question, baseline)
    wanted = change(module, inputs, baseline, question)
    assert abs(wanted) > 1e-3
    assert float(found.values.sum(dtype=float)) == pytest.approx(wanted, rel=1e-4)


def test_deep_lift_of_a_probability_known_by_hand():
    # Two logits that differ by x + y: the sigmoid rescales both pixels' contributions alike.
    module = OneLogit(lambda x, y: torch.relu(x) + torch.relu(y))
    found = explained(
        module, two_pixels(2.0, 1.0), DEEP_LIFT, Question(0, None, "probability")
    ).values
    each = (1 / (1 + np.exp(-3.0)) - 0.5) / 3
    np.testing.assert_allclose(found, [[2 * each, each]], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (layers(nn.GELU, lambda: head(4)), "it has no rule for gelu"),
        (Norm, "it has no rule for layer_norm"),
        (Product, "it has no rule for mul"),
        (Square, "it has no rule for mul"),
        (layers(nn.SiLU, lambda: head(4)), "it has no rule for silu"),
    ],
)
def test_what_has_no_rule_is_named(make, reason):
    module = seeded(make).eval()
    before = state(module)
    assert why_no_deep_lift(memory.prepared(module, picture()).network.module) == reason
    with pytest.raises(SettingError) as refused:
        explained(module, picture(), DEEP_LIFT)
    assert str(refused.value) == f"DeepLift is not available for this model, since {reason}."
    assert state(module) == before


@pytest.mark.parametrize("setting", [DEEP_LIFT, GUIDED], ids=["deep_lift", "guided_backprop"])
def test_a_network_that_cannot_be_exported(setting):
    module = network("untraceable")
    before = state(module)
    with pytest.raises(SettingError, match=r", since the network cannot be exported\.$"):
        explained(module, picture(), setting)
    assert state(module) == before


def test_scaling_by_a_number_is_no_product():
    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = built("relu")

        def forward(self, x):
            return 5 * self.body(x * 3) / 2

    found = explained(Halved(), picture(9, 9), DEEP_LIFT)
    assert abs(found.gap) < 1e-4 * np.abs(found.values).sum()


@settings(max_examples=10, deadline=None)
@given(
    name=st.sampled_from(["relu", "relu before pooling", "strided"]),
    seed=st.integers(0, 1000),
    target=st.integers(0, CLASSES - 1),
)
def test_guided_backprop_as_captum_says(name, seed, target):
    module, inputs = built(name, seed), picture(9, 10, seed)
    theirs = by_captum(GuidedBackprop(module), inputs, target=target)
    if not theirs.any():
        with pytest.raises(ModelError, match="zero everywhere"):
            explained(module, inputs, GUIDED, Question(target))
        return
    ours = explained(module, inputs, GUIDED, Question(target)).values
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ((1.0, 1.0), (2, 0)),  # -3 relu(y): what speaks against does not pass
        ((4.0, 1.0), (0, 0)),  # 2 x is above the ceiling
        ((-1.0, 1.0), (0, 0)),  # and below the kink
    ],
)
def test_guided_backprop_of_relu6_known_by_hand(pixels, expected):
    module = OneLogit(lambda x, y: F.relu6(2 * x) - 3 * torch.relu(y) + 0.5 * x)
    found = explained(module, two_pixels(*pixels), GUIDED, Question(0))
    np.testing.assert_allclose(found.values, [np.add(expected, (0.5, 0))], atol=1e-6)
    assert found.change is found.gap is None


@pytest.mark.parametrize("name", ["in place", "relu6", "reused", "functional", "residual"])
def test_guided_backprop_of_what_captum_cannot_hook_into(name):
    module = built(name)
    before = state(module)
    found = explained(module, picture(), GUIDED)
    assert np.abs(found.values).max() > 0
    assert state(module) == before


def test_guided_backprop_needs_a_relu():
    module = network("dilated")
    reason = "the network has no ReLU, so that nothing would be guided"
    assert why_no_guided_backprop(memory.prepared(module, picture()).network.module) == reason
    with pytest.raises(SettingError) as refused:
        explained(module, picture(), GUIDED)
    assert str(refused.value) == f"Guided Backprop is not available for this model, since {reason}."


class NoNumbers(nn.Module):
    """Its slope is infinite, though its score is not."""

    def __init__(self):
        super().__init__()
        self.body = built("relu")

    def forward(self, x):
        return self.body(x) + torch.sqrt(F.relu(x).sum((1, 2, 3)) * 0)[:, None]


def test_gradients_that_are_no_numbers_are_reported():
    module = NoNumbers()
    before = state(module)
    with pytest.raises(ModelError, match=r"^The gradients are not finite numbers"):
        explained(module, picture(), GUIDED)
    assert state(module) == before


def test_prepared_networks_can_be_asked_again():
    # The copy that is converted is not the one that is kept.
    module, inputs = built("reused"), picture()
    first = explained(module, inputs, DEEP_LIFT).values
    explained(module, inputs, GUIDED)
    np.testing.assert_array_equal(explained(module, inputs, DEEP_LIFT).values, first)
    network_kept = memory.prepared(module, inputs).network
    for kept in (network_kept.module, network_kept.twin):
        assert not any(part._forward_hooks or part._backward_hooks for part in kept.modules())
