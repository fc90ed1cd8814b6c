"""Random weights: drawn as said, from the end, in a copy; and maps that follow them or do not."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional as F

from core.explaining.explainer import Explainer
from core.methods.cam_methods import GradCamSetting
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.trust.coarse_maps import Asking, quick_map, quick_passes
from core.trust.randomisation import (
    Networks,
    Randomisation,
    Stage,
    randomisation_steps,
    randomised,
    stages_of,
)
from core.trust.similarity import Likeness, likeness
from tests.core.methods.test_grad_cam import stages
from tests.toys import NETWORKS, Linear, drained, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 28
SALIENCY = GradientSetting("saliency")


class Edges(nn.Module):
    """Its score is how much the picture changes from row to row: the weights hardly count."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 2, 3, padding=1), nn.Linear(2, 3)

    def forward(self, x):
        learnt = self.last(self.first(x).mean((2, 3)))
        edges = (x[:, :, 1:] - x[:, :, :-1]).pow(2).sum((1, 2, 3))
        return 1e-6 * learnt + edges[:, None] * torch.tensor([1.0, 2.0, 3.0])


def asking(setting, inputs, question=None):
    grey = Image.new("RGB", (inputs.shape[3], inputs.shape[2]), "grey")
    return Asking(question or Question(1), setting, torch.zeros_like(inputs), grey)


def measured(module, inputs, setting, seed=0, question=None):
    how = asking(setting, inputs, question)
    _, reference = drained(quick_map(copy.deepcopy(module), inputs, how))
    return drained(randomisation_steps(Networks(module, seed), inputs, how, reference))


def layers_of(module):
    return [each for each in module.modules() if list(each.parameters(recurse=False))]


def differ(module, other):
    """For each layer, whether one of its weights differs."""
    return [
        any(not torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
        for mine, theirs in zip(
            ([*each.parameters(recurse=False)] for each in layers_of(module)),
            ([*each.parameters(recurse=False)] for each in layers_of(other)),
            strict=True,
        )
    ]


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from([*NETWORKS]), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_only_the_last_layers_change_and_the_module_does_not(name, share, seed):
    module = network(name)
    kept = copy.deepcopy(module.state_dict())
    before = state(module)
    count = len(layers_of(module))
    layers = round(share * count)
    changed = randomised(module, layers, seed)
    assert changed is not module
    assert differ(module, changed) == [False] * (count - layers) + [True] * layers
    for key, value in module.state_dict().items():
        assert torch.equal(value, kept[key])
    assert state(module) == before
    assert not changed.training
    # Statistics of batch norms are no weights.
    for (_, mine), (_, theirs) in zip(module.named_buffers(), changed.named_buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_weights_keep_their_mean_and_spread_and_lose_their_order():
    module = nn.Sequential(nn.Linear(60, 80), nn.Conv2d(20, 30, 3)).requires_grad_(False)
    with torch.no_grad():
        module[0].weight.normal_(3.0, 0.2)
        module[1].weight.uniform_(-1, 0)
    changed = randomised(module, 2)
    for mine, theirs in zip(module.parameters(), changed.parameters(), strict=True):
        spread = float(mine.std())
        near = 4 / mine.numel() ** 0.5
        assert float(theirs.mean()) == pytest.approx(float(mine.mean()), abs=near * spread)
        assert float(theirs.std()) == pytest.approx(spread, rel=near)
        if mine.numel() > 1000:
            both = np.corrcoef(mine.flatten(), theirs.flatten())
            assert abs(both[0, 1]) < 0.1
    # Drawn from a bell, whatever they were.
    assert float(changed[1].weight.max()) > 0.2


def test_the_seed_decides_and_the_global_generator_does_not():
    module = network("residual")
    torch.manual_seed(1)
    first = randomised(module, 3, 7)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = randomised(module, 3, 7)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(differ(first, again))
    assert differ(first, randomised(module, 3, 8)) == [False] * 3 + [True] * 3


def test_a_weight_by_itself_and_equal_ones_stay_what_they_are():
    module = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm2d(5))
    changed = randomised(module, 2)
    for mine, theirs in zip(module.parameters(), changed.parameters(), strict=True):
        assert torch.equal(mine, theirs), "they have no spread to draw from, and no NaN either"


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60))
def test_stages_rise_from_the_last_layer_to_all(count):
    found = stages_of(nn.Sequential(*(nn.Linear(1, 1) for _ in range(count))))
    assert found[0] == 1
    assert found[-1] == count
    assert list(found) == sorted(set(found))
    assert len(found) <= 4


def test_stages_by_hand():
    def stack(count):
        # Layers without weights of their own do not count, and neither do those that hold others.
        return nn.Sequential(
            *(nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Identity()) for _ in range(count))
        )

    assert stages_of(stack(1)) == (1,)
    assert stages_of(stack(2)) == (1, 2)
    assert stages_of(stack(4)) == (1, 2, 4)
    assert stages_of(stack(40)) == (1, 10, 20, 40)


@pytest.mark.parametrize(
    "setting",
    [SALIENCY, IntegratedGradientsSetting(20), OcclusionSetting(6, 2), GradCamSetting()],
    ids=lambda setting: setting.name,
)
def test_each_stage_is_the_map_of_the_randomised_network(setting):
    module, inputs = stages(), picture(SIDE, SIDE)
    before = copy.deepcopy(module.state_dict()), state(module)
    yielded, found = measured(module, inputs, setting, 5)
    assert [stage.layers for stage in found.stages] == list(stages_of(module)) == [1, 2, 5]
    assert found.layers == 5
    for stage in found.stages:
        random = randomised(module, stage.layers, 5)
        _, expected = drained(quick_map(random, inputs, asking(setting, inputs)))
        np.testing.assert_array_equal(stage.values, expected)
        assert stage.like == likeness(found.values, expected)
    assert found.spearman == pytest.approx(np.mean([s.like.spearman for s in found.stages]))
    assert sum(yielded) == 3 * quick_passes(setting, SIDE)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[0][key])
    assert state(module) == before[1]


@pytest.mark.parametrize(
    "setting", [SALIENCY, OcclusionSetting(7, 7)], ids=lambda setting: setting.name
)
def test_a_map_of_edges_ignores_the_weights(setting):
    module, inputs = seeded(Edges).eval(), picture(SIDE, SIDE)
    _, found = measured(module, inputs, setting)
    assert found.spearman > 0.99
    assert all(stage.like.ssim > 0.99 for stage in found.stages)
    assert not found.changes
    assert found.verdict == (
        "the map hardly changes with random weights, so it does not explain the model"
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_map_of_the_weights_themselves_follows_them(seed):
    """What a linear network learnt, the slope shows: a spot, and after that nothing like it."""
    shape = (3, SIDE, SIDE)
    module = seeded(lambda: Linear(shape), seed)
    spot = torch.zeros(shape)
    spot[:, 5:15, 8:20] = 1
    with torch.no_grad():
        module.layer.weight += spot.flatten()
    _, found = measured(module, picture(SIDE, SIDE, seed), SALIENCY, seed)
    assert [stage.layers for stage in found.stages] == [1]
    assert abs(found.spearman) < 0.2
    assert found.changes
    assert found.verdict == "the map depends on the weights"


def test_a_trained_network_is_followed():
    """Taught to tell left from right, it looks there; random, it does not."""
    inputs, module = picture(SIDE, SIDE), taught()
    for setting in (IntegratedGradientsSetting(8), OcclusionSetting(7, 7)):
        _, found = measured(module, inputs, setting)
        assert found.changes, setting.name
        assert found.stages[-1].like.ssim < 0.8


def taught():
    """Two layers that learnt to say in which quarter of a picture something bright lies."""

    class Quarters(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 8, 7, stride=7), nn.Linear(128, 4)

        def forward(self, x):
            return self.last(F.relu(self.first(x)).flatten(1))

    def teach():
        module = Quarters()
        training = torch.optim.Adam(module.parameters(), lr=0.01)
        for _ in range(60):
            pictures, quarters = torch.randn(32, 3, SIDE, SIDE), torch.randint(4, (32,))
            for each, quarter in zip(pictures, quarters.tolist(), strict=True):
                down, across = divmod(quarter, 2)
                half = SIDE // 2
                each[:, half * down : half * (down + 1), half * across : half * (across + 1)] += 1
            training.zero_grad()
            F.cross_entropy(module(pictures), quarters).backward()
            training.step()
        return module.eval().requires_grad_(False)

    return seeded(teach)


def test_flat_maps_correlate_with_nothing():
    """Random networks whose scores are not numbers give maps of zeros."""
    module, inputs = seeded(lambda: Linear((3, SIDE, SIDE))), picture(SIDE, SIDE)
    with torch.no_grad():
        module.layer.bias.fill_(3e38)  # as many again by chance, and the sum is infinite
        module.layer.bias[0] = -3e38
    _, found = measured(module, inputs, SALIENCY, question=Question(1))
    for stage in found.stages:
        if not stage.values.any():
            assert stage.like.spearman == 0
        assert np.isfinite(stage.like).all()
    assert np.isfinite(found.spearman)
    assert found.changes


@pytest.mark.parametrize(
    ("likes", "changes"), [((0.5,), False), ((0.49,), True), ((0.9, 0.0), True), ((1, 0.2), False)]
)
def test_the_mean_of_all_stages_decides(likes, changes):
    flat = np.zeros((7, 7))
    found = Randomisation(flat, 9, tuple(Stage(1, flat, Likeness(each, 0)) for each in likes))
    assert found.changes is changes


@pytest.mark.parametrize(("name", "follows"), [("guided_backprop", False), ("saliency", True)])
def test_the_finding_of_the_paper_on_the_default_model(name, follows):
    """Guided Backprop is an edge detector (Adebayo et al.); the plain gradient is none."""
    explainer = Explainer()
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    swan = picture_from_file(samples()["swan"].path)
    inputs = explainer.inputs(classifier, swan)
    _, found = measured(classifier.module, inputs, METHODS[name].setting, question=Question(145))
    assert found.changes is follows


def test_small_networks_are_made_once_and_large_ones_each_time(monkeypatch):
    module = network("strided").eval()
    networks = Networks(module, 3)
    assert networks.stages == stages_of(module)
    for layers in (0, *networks.stages):
        assert networks(layers) is networks(layers) is not module
        again = randomised(module, layers, 3).state_dict()
        for name, value in networks(layers).state_dict().items():
            torch.testing.assert_close(value, again[name], rtol=0, atol=0)
    monkeypatch.setattr("core.trust.randomisation._MOST_BYTES", 1)
    large = Networks(module, 3)
    assert large(1) is not large(1)
