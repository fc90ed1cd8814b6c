"""The layers that hold maps, how their values lie over the picture, and why others are none."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.engine.incremental import IncrementalNetwork
from core.engine.positions import Places
from core.engine.watched_layers import layers, rest, run, why_none, why_not
from tests.toys import CLASSES, head, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")


class Stages(nn.Module):
    """A map, a map with channels last, tokens behind a class token, and what is none of these."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 2, stride=2)
        self.norm = nn.LayerNorm(6)
        self.cut = nn.Conv2d(6, 5, 2, stride=2)
        self.blocks = nn.Sequential(nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 5))
        self.last = nn.Linear(5, CLASSES)
        self.unused = nn.Linear(2, 2)
        self.twice = nn.ReLU()
        self.token = nn.Parameter(torch.ones(1, 1, 5))
        self.pair = Pair()

    def features(self, x):
        x = self.norm(self.twice(self.stem(x)).permute(0, 2, 3, 1))
        x = self.cut(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), self.twice(x)], 1)
        left, right = self.pair(x)
        return self.blocks(left + right)

    def forward(self, x):
        return self.last(self.features(x)[:, 1:].mean(1))


class Pair(nn.Module):
    """Returns two values."""

    def forward(self, x):
        return x.sigmoid(), x.tanh()


class Undecided(Stages):
    """Cannot be exported."""

    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


def prepared(make, inputs=None):
    module = seeded(make).eval()
    return module, IncrementalNetwork(module, picture(16, 12) if inputs is None else inputs)


def returned(module, inputs, wanted):
    """What a layer returns, and the logits, by a hook on the module itself."""
    held = []
    hook = module.get_submodule(wanted).register_forward_hook(lambda *call: held.append(call[2]))
    logits = module(inputs)
    hook.remove()
    return logits, held[0]


def test_layers_in_the_order_in_which_they_end():
    _, network = prepared(Stages)
    found = layers(network, picture(16, 12))
    assert {name: layer.places for name, layer in found.items()} == {
        "stem": Places("NCHW", (8, 6)),
        "norm": Places("NHWC", (8, 6)),
        "cut": Places("NCHW", (4, 3)),
        "blocks.0": Places("NTC", (4, 3), 1),
        "blocks.1": Places("NTC", (4, 3), 1),
        "blocks.2": Places("NTC", (4, 3), 1),
        "blocks": Places("NTC", (4, 3), 1),
    }
    assert list(found) == ["stem", "norm", "cut", "blocks.0", "blocks.1", "blocks.2", "blocks"]


@pytest.mark.parametrize("name", ["stem", "norm", "cut", "blocks.1", "blocks"])
def test_values_and_gradients_are_the_modules_own(name):
    module, network = prepared(Stages)
    inputs = picture(16, 12)
    layer = layers(network, inputs)[name]
    logits, (values,) = run(network, [name], inputs.clone().requires_grad_())
    (found,) = torch.autograd.grad(logits[0, 2], values)
    expected_logits, expected_values = returned(module, inputs, name)
    (expected,) = torch.autograd.grad(expected_logits[0, 2], expected_values)
    torch.testing.assert_close(logits, expected_logits, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(values, expected_values, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert layer.places.map(values).shape[2:] == layer.places.grid


def test_several_layers_in_one_pass():
    _, network = prepared(Stages)
    _, (late, early) = run(network, ["blocks", "stem"], picture(16, 12).requires_grad_())
    (slopes,) = torch.autograd.grad(late.sum(), early)
    assert slopes.any()


class ReadByRelu6(nn.Module):
    """One layer is read by a rectifier alone, the other by two operations."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.deep = nn.Conv2d(6, 6, 3)
        self.head = head(6)

    def forward(self, x):
        x = self.deep(4 * F.relu6(self.stem(x)))
        return self.head(x + F.relu(x))


def test_values_behind_a_rectifier_that_alone_reads_a_layer():
    module, network = prepared(ReadByRelu6)
    inputs = picture(16, 12)
    assert [layer.ceiling for layer in layers(network, inputs).values()] == [6.0, None]
    _, (stem, deep) = run(network, ["stem", "deep"], inputs, rectified=True)
    expected = module.stem(inputs)
    torch.testing.assert_close(stem, F.relu6(expected))
    torch.testing.assert_close(deep, module.deep(4 * stem))
    assert expected.min() < 0


class Bypassed(Stages):
    """Past the blocks, a connection leads from the tokens to the end."""

    def features(self, x):
        x = self.cut(self.stem(x)).flatten(2).transpose(1, 2)
        return x + self.blocks(x)


class BypassedUndecided(Bypassed):
    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


@pytest.mark.parametrize("make", [Stages, Undecided, Bypassed, BypassedUndecided])
@pytest.mark.parametrize("name", ["stem", "cut", "blocks"])
def test_what_a_network_makes_of_other_values(make, name):
    """As a hook on the module itself says; operations before the layer do not run."""
    module, network = prepared(make)
    inputs, before = picture(16, 12), state(module)
    if name not in layers(network, inputs):  # tokens, where the module runs with hooks
        assert network.captured is None
        return
    _, values = returned(module, inputs, name)
    values = torch.cat([values * 0, values, values.flip(-1)]).detach()
    found = rest(network, name)(inputs.expand(3, -1, -1, -1), values)
    for one, expected in zip(found, values.split(1), strict=True):
        hook = module.get_submodule(name).register_forward_hook(lambda *_, to=expected: to)
        torch.testing.assert_close(one, module(inputs)[0], atol=1e-6, rtol=1e-5)
        hook.remove()
    torch.testing.assert_close(found[1], module(inputs)[0], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert state(module) == before
    assert all(not part._forward_hooks for part in network.twin.modules())


def test_what_comes_before_a_layer_is_not_computed_again(monkeypatch):
    _, network = prepared(Stages)
    (values,) = run(network, ["blocks"], picture(16, 12))[1]
    monkeypatch.setattr(torch.ops.aten.conv2d, "default", None)
    monkeypatch.setattr(torch.nn.functional, "conv2d", None)
    found = rest(network, "blocks")(picture(16, 12), values)
    assert found.shape == (1, CLASSES)


class ByClassToken(Stages):
    """Reads the class token alone."""

    def forward(self, x):
        return self.last(self.features(x)[:, 0])


@pytest.mark.parametrize(("make", "expected"), [(Stages, True), (ByClassToken, False)])
def test_whether_the_scores_depend_on_a_layer(make, expected):
    _, network = prepared(make)
    assert {layer.counts for layer in layers(network, picture(16, 12)).values()} == {expected}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("layer5", 'There is no layer "layer5"'),
        ("", 'There is no layer ""'),
        ("blocks.3", 'There is no layer "blocks.3"'),
        ("twice", 'The layer "twice" runs 2 times'),
        ("unused", 'The layer "unused" computes nothing of its own'),
        ("pair", 'The layer "pair" does not return one map'),
        (
            "last",
            'The layer "last" returns values of shape (N, 4), of which it is not known where in '
            "the picture they lie",
        ),
    ],
)
def test_why_a_layer_is_none(name, sentence):
    _, network = prepared(Stages)
    assert why_not(network, name) == sentence
    assert name not in layers(network, picture(16, 12))


class Mixed(nn.Module):
    """A layer whose values lost their places, though there are as many as before."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.over_rows = nn.Linear(12, 12)
        self.after = nn.Conv2d(6, 6, 3, padding=1)
        self.head = head(6)

    def forward(self, x):
        return self.head(self.after(self.over_rows(self.stem(x))))


def test_a_shape_alone_proves_nothing():
    _, network = prepared(Mixed)
    assert "over_rows" not in layers(network, picture(16, 12))
    assert why_not(network, "over_rows") == (
        'The layer "over_rows" returns values of shape (N, 6, 16, 12), of which it is not known '
        "where in the picture they lie"
    )


class LongHead(nn.Module):
    """Maps in the first layers only, behind them a long head of lists of numbers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2)
        self.deep = nn.Conv2d(6, 6, 3)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 6, 1), nn.Flatten())
        self.rest = nn.Sequential(
            *(part for _ in range(6) for part in (nn.Linear(6, 6), nn.ReLU(), nn.Dropout())),
            nn.Linear(6, CLASSES),
        )

    def forward(self, x):
        return self.rest(self.squeeze(self.deep(self.stem(x))))


class LongHeadUndecided(LongHead):
    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


@pytest.mark.parametrize("make", [LongHead, LongHeadUndecided])
def test_a_head_may_be_as_long_as_it_likes(make):
    _, network = prepared(make)
    found = layers(network, picture(16, 12))
    assert {name: (layer.places.grid, layer.counts) for name, layer in found.items()} == {
        "stem": ((7, 5), True),
        "deep": ((5, 3), True),
    }


class MixedTokens(nn.Module):
    """Behind a map of patches, tokens whose places are not followed; ``axes`` is their order."""

    def __init__(self, axes=(0, 2, 1)):
        super().__init__()
        self.axes = axes
        self.cut = nn.Conv2d(3, 5, 4, stride=4)
        self.over_places = nn.Linear(12, 12)
        self.blocks = nn.Sequential(*(nn.Linear(5, 5) for _ in range(4)))
        self.last = nn.Linear(5, CLASSES)

    def forward(self, x):
        x = self.over_places(self.cut(x).flatten(2)).permute(self.axes)
        return self.last(self.blocks(x).mean(self.axes.index(2)))


class MixedTokensFirst(MixedTokens):
    """The tokens' axis before that of the pictures."""

    def __init__(self):
        super().__init__((2, 0, 1))


class MixedTokensUndecided(MixedTokensFirst):
    def forward(self, x):
        return super().forward(-x if x.sum() > 1e9 else x)


@pytest.mark.parametrize("make", [MixedTokens, MixedTokensFirst, MixedTokensUndecided])
def test_maps_that_end_long_before_the_head_are_none(make):
    _, network = prepared(make)
    assert (network.captured is None) == (make is MixedTokensUndecided)
    assert layers(network, picture(16, 12)) == {}
    assert why_none(network, picture(16, 12)) == (
        "its later layers return values of which it is not known where in the picture they lie"
    )


def test_without_a_layer_that_returns_a_map():
    _, network = prepared(lambda: nn.Sequential(nn.Flatten(), nn.Linear(576, CLASSES)))
    assert layers(network, picture(16, 12)) == {}
    assert why_none(network, picture(16, 12)) == (
        "none of its layers returns one map that is known to lie over the picture"
    )


class OfMaps(nn.Module):
    """Cannot be exported; one layer runs twice, one keeps channels last."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.twice = nn.ReLU()
        self.deep = nn.Sequential(nn.Conv2d(6, 6, 3, stride=2), nn.ReLU(inplace=True))
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x):
        if x.sum() > 1e9:
            x = -x
        return {"logits": self.last(self.deep(self.twice(self.twice(self.stem(x)))).mean((2, 3)))}


def test_a_network_that_cannot_be_exported_is_watched_by_hooks():
    module, network = prepared(OfMaps)
    before, twin_before = state(module), state(network.twin)
    assert network.captured is None
    inputs = picture(16, 12)
    found = layers(network, inputs)
    assert {name: layer.places for name, layer in found.items()} == {
        "stem": Places("NCHW", (16, 12)),
        "deep.0": Places("NCHW", (7, 5)),
        "deep.1": Places("NCHW", (7, 5)),
        "deep": Places("NCHW", (7, 5)),
    }
    logits, (values,) = run(network, ["deep"], inputs.clone().requires_grad_())
    (slopes,) = torch.autograd.grad(logits[0, 1], values)
    expected, expected_values = returned(module, inputs, "deep")
    (expected_slopes,) = torch.autograd.grad(expected["logits"][0, 1], expected_values)
    torch.testing.assert_close(logits, expected["logits"])
    torch.testing.assert_close(values, expected_values)
    torch.testing.assert_close(slopes, expected_slopes)
    assert state(module) == before
    assert state(network.twin) == twin_before


def test_why_a_layer_of_such_a_network_is_none():
    _, network = prepared(OfMaps)
    assert why_not(network, "layer5") == 'There is no layer "layer5"'
    assert why_not(network, "last") == 'The layer "last" does not return one map'


def test_hooks_are_gone_after_a_failure():
    _, network = prepared(Undecided)
    before = state(network.twin)
    with pytest.raises(RuntimeError):
        layers(network, torch.zeros(1, 2, 16, 12))
    assert state(network.twin) == before


class InPlaceAfter(nn.Module):
    """A layer whose output is written over by the next one, as in ResNets."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.last(F.relu_(self.norm(self.stem(x))).mean((2, 3)))


def test_a_value_that_is_written_over_is_watched_before():
    module, network = prepared(InPlaceAfter)
    inputs = picture(16, 12)
    _, (values,) = run(network, ["norm"], inputs)
    expected = module.norm(module.stem(inputs))
    assert expected.min() < 0
    torch.testing.assert_close(values, expected, atol=1e-6, rtol=1e-5)
