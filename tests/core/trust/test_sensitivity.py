"""How a map moves under noise: as Captum measures it, and where it cannot move at all."""

import math

import numpy as np
import pytest
import torch
from captum.metrics import sensitivity_max
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr

from core.methods.cam_methods import GradCamSetting
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting, SmoothSetting
from core.methods.scores import Question
from core.trust.coarse_maps import Asking, quick_map, quick_passes
from core.trust.sensitivity import RADIUS, SAMPLES, Sensitivity, noises, sensitivity_steps
from tests.core.methods.test_grad_cam import stages
from tests.toys import OneLogit, Weighted, drained, picture, state, two_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 20
SALIENCY = GradientSetting("saliency")


def asking(setting, inputs, question=None):
    grey = Image.new("RGB", (inputs.shape[3], inputs.shape[2]), "grey")
    return Asking(question or Question(0), setting, torch.zeros_like(inputs), grey)


def measured(module, inputs, setting, seed=0, question=None):
    """The finding, its passes, and the map of the picture as it is."""
    how = asking(setting, inputs, question)
    _, reference = drained(quick_map(module, inputs, how))
    yielded, found = drained(sensitivity_steps(module, inputs, how, reference, seed))
    return found, yielded, reference


@pytest.mark.parametrize(
    "setting",
    [
        SALIENCY,
        GradientSetting("input_x_gradient"),
        IntegratedGradientsSetting(20),
        SmoothSetting(SALIENCY, "vargrad", 3, 0.2),
        GradCamSetting(),
        OcclusionSetting(6, 2),
    ],
    ids=lambda setting: setting.name,
)
def test_equal_to_captum_for_the_same_noise(setting):
    module, inputs = stages(), picture(SIDE, SIDE)
    before = state(module)
    how = asking(setting, inputs, Question(1))
    found, yielded, reference = measured(module, inputs, setting, 5, Question(1))

    def maps(batch):
        made = [drained(quick_map(module, each[None], how))[1] for each in batch]
        return torch.from_numpy(np.stack(made))[:, None]

    def explain(batch):  # like Captum's own methods: a tuple for a tuple
        return (maps(*batch),) if isinstance(batch, tuple) else maps(batch)

    expected = sensitivity_max(
        explain,
        inputs,
        lambda batch: batch + torch.cat(noises(inputs, 5)),
        n_perturb_samples=SAMPLES,
    )
    assert found.largest == pytest.approx(float(expected), rel=1e-4)
    assert found.largest > 0
    noisy = maps(torch.cat([inputs + noise for noise in noises(inputs, 5)])).flatten(1).numpy()
    worst = min(spearmanr(reference.ravel(), each).statistic for each in noisy)
    assert found.spearman == pytest.approx(worst, abs=1e-6)
    assert sum(yielded) == SAMPLES * quick_passes(setting, SIDE)
    assert state(module) == before


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_slope_of_a_linear_network_does_not_move(seed):
    weights, inputs = picture(SIDE, SIDE, seed), picture(SIDE, SIDE, seed + 1)
    found, _, _ = measured(Weighted(weights), inputs, SALIENCY, seed)
    assert found.largest == pytest.approx(0, abs=1e-6)
    assert found.spearman == pytest.approx(1)
    assert found.steady
    assert found.verdict == "the map is stable"


def test_a_map_that_moves_as_far_as_the_noise_by_hand():
    """Input times gradient of a sum is the input: the noise itself is what moves it."""
    inputs = picture(SIDE, SIDE)
    module = Weighted(torch.ones_like(inputs))
    found, _, reference = measured(module, inputs, GradientSetting("input_x_gradient"), 2)
    np.testing.assert_allclose(reference, inputs[0].sum(0), atol=1e-5)
    moved = max(float(noise.sum(dim=1).norm()) for noise in noises(inputs, 2))
    assert found.largest == pytest.approx(moved / np.linalg.norm(reference), rel=1e-3)
    assert found.spearman > 0.99


def test_a_network_of_fast_waves_gives_another_map():
    inputs = picture(SIDE, SIDE, channels=1)

    class Waves(torch.nn.Module):
        def forward(self, x):
            score = torch.sin(5000 * x).flatten(1).sum(1, keepdim=True)
            return torch.cat([score, score * 0], 1)

    found, _, _ = measured(Waves(), inputs, SALIENCY)
    assert found.largest > 0.5
    assert not found.steady
    assert found.verdict == "the map is unstable, so its details are not reliable"


def test_a_map_of_nothing_that_stays_nothing_is_steady():
    """Grad-CAM finds nothing for a class against which all maps speak."""
    module, inputs = stages(), picture(SIDE, SIDE)
    with torch.no_grad():
        module.last.weight[2] = -module.last.weight[2].abs()
    found, _, reference = measured(module, inputs, GradCamSetting(), 0, Question(2))
    assert not reference.any()
    assert found.largest == 0
    assert found.steady


def test_where_a_map_is_nothing_its_change_counts_as_it_is():
    module = OneLogit(lambda a, b: torch.relu(a) + 0 * b)
    inputs = two_pixels(0.0, 1.0)
    how = asking(SALIENCY, inputs)
    _, found = drained(sensitivity_steps(module, inputs, how, np.zeros((1, 2), np.float32)))
    expected = any(float(noise[..., 0]) > 0 for noise in noises(inputs, 0))
    assert found.largest == float(expected)


@pytest.mark.parametrize(("spearman", "steady"), [(1.0, True), (0.5, True), (0.49, False)])
def test_steady_from_a_half(spearman, steady):
    assert Sensitivity(0.3, spearman, np.zeros((2, 2)), ()).steady is steady


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_noise_is_even_and_within_its_radius_and_repeatable(seed):
    inputs = picture(40, 40)
    drawn = noises(inputs, seed)
    assert len(drawn) == SAMPLES
    for noise in drawn:
        assert noise.shape == inputs.shape
        assert noise.dtype == inputs.dtype
        assert float(noise.abs().max()) <= RADIUS
    every = torch.stack(drawn)
    assert abs(float(every.mean())) < 0.05 * RADIUS
    assert float(every.std()) == pytest.approx(RADIUS / math.sqrt(3), rel=0.05)
    assert torch.equal(every, torch.stack(noises(inputs, seed)))
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(every, torch.stack(noises(inputs, (seed + 1) % 2**31)))


def test_the_seed_decides_and_the_global_generator_does_not():
    module, inputs = stages(), picture(SIDE, SIDE)
    torch.manual_seed(1)
    first = measured(module, inputs, SALIENCY, 3)[0]
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = measured(module, inputs, SALIENCY, 3)[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert (again.largest, again.spearman) == (first.largest, first.spearman)
    assert measured(module, inputs, SALIENCY, 4)[0].largest != first.largest
