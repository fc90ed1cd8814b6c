"""LRP of whole networks: known by hand, by what it conserves, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.remembered import memory
from core.errors import ModelError, SettingError
from core.methods import lrp
from core.methods.gradients import gradient_steps
from core.methods.lrp_method import LRP_RULES, LrpSetting
from core.methods.scores import Question
from tests.toys import CLASSES, OneLogit, head, network, picture, seeded, state, two_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

RULES = [rule for rule in LRP_RULES if rule != "auto"]


def explained(module, inputs, question=None, baseline=0.0, **options):
    setting = LrpSetting(**options)
    steps = gradient_steps(module, inputs, question or Question(0), setting, baseline)
    return list(steps)[-1].snapshot()


def shares(function, first, second, **options):
    """What each of two pixels gets of a function of them."""
    found = explained(OneLogit(function), two_pixels(first, second), baseline=1.0, **options)
    return found.values[0].tolist()


def why_none(module, inputs):
    return lrp.why_none(memory.prepared(module, inputs).network, inputs)


class TwoLayers(nn.Module):
    """Of the pixels (3, 1), the hidden values are 2 and 6 and the first logit is 0.5."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 2)
        self.first.weight.data = torch.tensor([[1.0, -1.0], [2.0, 1.0]])
        self.first.bias.data = torch.tensor([0.0, -1.0])
        self.last.weight.data = torch.tensor([[3.0, -1.0], [1.0, 1.0]])
        self.last.bias.data = torch.tensor([0.5, 0.0])

    def forward(self, x):
        return self.last(F.relu(self.first(x.flatten(1))))


def test_two_layers_known_by_hand():
    # The hidden values get 6 and -6: the first is 3 - 1, the second 6 + 1 - 1 of the bias.
    found = explained(TwoLayers(), two_pixels(3.0, 1.0), rule="epsilon", epsilon=1e-9)
    np.testing.assert_allclose(found.values, [[9 - 6, -3 - 1]], rtol=1e-5)
    assert found.change == pytest.approx(0.5)
    assert found.gap == pytest.approx(-1.5, rel=1e-4)  # 0.5 to one bias, 1 from the other


def test_only_the_first_layer_is_flat():
    # Of the second logit, 8: the hidden values get 2 and 6, each half of it to either pixel.
    found = explained(TwoLayers(), two_pixels(3.0, 1.0), Question(1), rule="epsilon_plus_flat")
    np.testing.assert_allclose(found.values, [[4.0, 4.0]], rtol=1e-4)
    assert found.gap == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y: x + 2 * y, [3, 4]),
        (lambda x, y: x - y, [3, -2]),
        (lambda x, y: x + 0 * y + 7, [3, 0]),  # the rest is the constant's
        (lambda x, y: x * y, [3, 3]),
        (lambda x, y: x * x + 0 * y, [9, 0]),
        (lambda x, y: x / y, [1.5, 0]),
        (lambda x, y: 6 * y / x, [0, 4]),
        (lambda x, y: torch.maximum(x, y), [3, 0]),
        (lambda x, y: torch.cat([x, y], 1).mean(1, keepdim=True), [1.5, 1]),
        (lambda x, y: torch.stack([x, y]).amax(0), [3, 0]),
        (lambda x, y: torch.cat([y, x], 1).flip(1)[:, :1], [3, 0]),
        (lambda x, y: torch.where(x > y, 2 * x, y), [6, 0]),
        (lambda x, y: torch.stack([x, y]).unbind(0)[1], [0, 2]),
    ],
)  # fmt: skip
def test_operations_known_by_hand(function, expected):
    assert shares(function, 3.0, 2.0) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("gate", "signal"),
    [
        (torch.sigmoid, lambda x: x),
        (torch.sigmoid, torch.tanh),
        (F.hardsigmoid, F.relu),
        (lambda y: F.relu6(y + 3) / 6, F.relu6),
        (lambda y: (y + 3).clamp(0, 6) * (1 / 6), lambda x: x),
        (lambda y: 0.5 * (1 + torch.erf(y)), lambda x: x),
        (torch.tanh, lambda x: x),
        (lambda y: torch.rsqrt(y + 1), lambda x: x),
        (lambda y: (y + 1) ** -0.5, lambda x: x),
        (lambda y: torch.cat([y, -y], 1).softmax(1)[:, :1], lambda x: x),
        (lambda y: 1 / (1 + y * y), lambda x: x),
    ],
)
def test_a_gate_gets_nothing(gate, signal):
    expected = float(signal(torch.tensor(3.0)) * gate(torch.tensor([[2.0]])))
    for function in (lambda x, y: signal(x) * gate(y), lambda x, y: gate(y) * signal(x)):
        assert shares(function, 3.0, 2.0) == pytest.approx([expected, 0], rel=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: F.relu6(x) * y,
        lambda x, y: torch.tanh(x) * torch.tanh(y),
        lambda x, y: F.silu(x) * y,
    ],
)
def test_two_signals_get_half_each(function):
    score = float(function(torch.tensor(3.0), torch.tensor(2.0)))
    assert shares(function, 3.0, 2.0) == pytest.approx([score / 2, score / 2], rel=1e-4)


@pytest.mark.parametrize(
    "function",
    [F.silu, F.gelu, F.hardswish, F.mish, torch.exp, lambda x: x * torch.sigmoid(x), lambda x: -x],
)
def test_what_works_number_by_number_passes_all(function):
    score = float(function(torch.tensor(3.0)))
    assert shares(lambda x, y: function(x) + 0 * y, 3.0, 2.0) == pytest.approx([score, 0], rel=1e-4)


class Unbiased(nn.Module):
    """A residual block with squeeze-and-excitation between poolings, without a bias anywhere."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.long = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(6, 6, 1)
        self.last = nn.Linear(24, CLASSES, bias=False)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 2)
        y = F.relu(self.long(x))
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        return self.last(F.adaptive_avg_pool2d(x + y, 2).flatten(1))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("contrast", [None, 2])
def test_without_biases_all_relevance_arrives(rule, contrast):
    found = explained(seeded(Unbiased), picture(), Question(1, contrast), rule=rule)
    assert found.change != 0
    assert found.gap == pytest.approx(0, abs=2e-3 * abs(found.change))
    assert found.values.any()


@pytest.mark.parametrize("rule", RULES)
def test_the_map_of_a_difference_is_the_difference_of_two_maps(rule):
    module, inputs = network("residual"), picture()
    first, second = (explained(module, inputs, Question(n), rule=rule).values for n in (1, 3))
    both = explained(module, inputs, Question(1, 3), rule=rule).values
    np.testing.assert_allclose(both, first - second, atol=1e-4 * np.abs(first).max())


@pytest.mark.parametrize("kind", ["probability", "log_probability"])
def test_a_probability_weighs_the_logits_by_its_slopes(kind):
    module, inputs = network("residual"), picture()
    question = Question(1, None, kind)
    logits = module(inputs).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(question.scores(logits).sum(), logits)
    maps = [explained(module, inputs, Question(n)).values for n in range(CLASSES)]
    expected = sum(float(slopes[0, n]) * maps[n] for n in range(CLASSES))
    found = explained(module, inputs, question)
    np.testing.assert_allclose(found.values, expected, atol=1e-4 * np.abs(expected).max())
    assert found.change is None


class NormsEverywhere(nn.Module):
    """Batch norms behind a convolution, behind a linear layer, and before a convolution."""

    def __init__(self, merged=False):
        super().__init__()
        self.merged = merged
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.hidden, self.last = nn.Linear(16, 5), nn.Linear(5, CLASSES)
        self.behind, self.before = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.flat = nn.BatchNorm1d(5)
        for norm in (self.behind, self.before, self.flat):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)

    def forward(self, x):
        def norm(part, x):
            return x if self.merged else part(x)

        x = F.relu(norm(self.behind, self.first(x)))
        x = F.max_pool2d(self.second(F.relu(self.before(x))), 4)
        return self.last(F.relu(norm(self.flat, self.hidden(x.flatten(1)))))


@pytest.mark.parametrize("rule", ["epsilon", "epsilon_gamma_box"])
def test_a_batch_norm_behind_a_layer_is_part_of_it(rule):
    plain = seeded(NormsEverywhere).eval()
    merged = seeded(lambda: NormsEverywhere(merged=True)).eval()
    for layer, norm in ((merged.first, plain.behind), (merged.hidden, plain.flat)):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        layer.weight.data *= scale.detach().view(-1, *[1] * (layer.weight.dim() - 1))
        layer.bias.data = ((layer.bias - norm.running_mean) * scale + norm.bias).detach()
    inputs = picture()
    torch.testing.assert_close(plain(inputs), merged(inputs))
    found, expected = (explained(module, inputs, rule=rule).values for module in (plain, merged))
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_auto_says_which_rule_it_took():
    found = explained(network("residual"), picture())
    assert found.parameters["rule"] == "auto"
    assert found.found["rule"] == "epsilon_plus_flat"
    named = explained(network("residual"), picture(), rule="epsilon_plus_flat")
    assert named.values.tobytes() == found.values.tobytes()


class Scaled(nn.Module):
    """Multiplies the picture before its first layer reads it."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.conv, self.head = nn.Conv2d(3, 4, 3), head(4)

    def forward(self, x):
        return self.head(F.relu(self.conv(self.factor * x)))


def test_the_box_is_the_range_of_what_the_first_layer_reads():
    inputs = picture()
    scaled = explained(seeded(lambda: Scaled(-3)), inputs, rule="epsilon_gamma_box").values
    plain = explained(seeded(lambda: Scaled(1)), -3 * inputs, rule="epsilon_gamma_box").values
    np.testing.assert_allclose(scaled, plain, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize("name", ["dilated", "grouped", "unpadded", "positional"])
@pytest.mark.parametrize("rule", RULES)
def test_every_kind_of_network_has_a_finite_map(name, rule):
    module = network(name)
    before = state(module)
    found = explained(module, picture(), rule=rule)
    assert np.isfinite(found.values).all()
    assert found.values.any()
    assert str(state(module)) == str(before)


def test_an_operation_without_a_rule():
    class Sorted(nn.Module):
        def forward(self, x):
            return x.flatten(1).cumprod(1)[:, :2]

    reason = why_none(Sorted(), picture(2, 2))
    assert reason == "it has no rule for aten.cumprod"
    message = "LRP is not available for this model, since it has no rule for aten.cumprod."
    with pytest.raises(SettingError, match=f"^{message}$"):
        explained(Sorted(), picture(2, 2))


def test_weights_that_depend_on_the_picture():
    class Dynamic(nn.Module):
        def forward(self, x):
            return F.conv2d(x, x[:, :, :2, :2].expand(2, 3, 2, 2)).mean((2, 3))

    expected = "it has no rule for aten.conv2d with weights that depend on the picture"
    assert why_none(Dynamic(), picture(4, 4)) == expected


def test_a_network_that_cannot_be_exported():
    assert why_none(network("untraceable"), picture()) == "the network cannot be exported"
    assert why_none(network("residual"), picture()) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "alpha"}, 'no rule "alpha" of LRP: choose one of auto, epsilon,'),
        ({"epsilon": 0.0}, "Epsilon: 0.0; choose between 1e-9 and 1"),
        ({"epsilon": math.nan}, "Epsilon: nan; choose"),
        ({"gamma": -0.1}, "Gamma: -0.1; choose between 0 and 100"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(SettingError, match=message):
        LrpSetting(**options)


def test_relevance_that_is_no_number():
    with pytest.raises(ModelError, match="relevance is not finite"):
        shares(lambda x, y: y + 1 / (1 + torch.exp(100 * x)), 3.0, 2.0)  # infinity times zero
