"""Integrated Gradients: known by hand, known by its axioms, and as Captum says."""

import math

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.errors import ModelError, SettingError
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting
from core.methods.gradients import gradient_steps, integrated_gradients
from core.methods.scores import SCORE_KINDS, Question
from tests.toys import CLASSES, Linear, OneLogit, network, picture, seeded, state, two_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

SMOOTH = {
    "tanh": lambda: nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(60, CLASSES)
    ),
    "two layers": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 2), nn.GELU(), nn.Conv2d(4, 3, 2), nn.Softplus(), nn.Flatten(),
        nn.Linear(6, CLASSES),
    ),
}  # fmt: skip


@pytest.mark.parametrize("steps", [1, 7])
def test_a_linear_network_gives_weight_times_difference(steps):
    module = seeded(Linear)
    inputs = picture(3, 4, channels=2)
    baseline = picture(3, 4, seed=1, channels=2)
    found = integrated_gradients(module, inputs, target=2, steps=steps, baseline=baseline)
    weight = module.layer.weight[2].detach().view(2, 3, 4)
    expected = (weight * (inputs - baseline)[0]).sum(0)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert found.gap == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("steps", [2, 50])
def test_a_relu_network_known_by_hand(steps):
    # relu(relu(3a) - 1 - relu(a)) = relu(2a - 1) on the path from (0, 0) to (3, 1): its gradient is
    # (1, -1) on the second half, where also half of the quadrature's weight lies.
    module = OneLogit(lambda x, y: torch.relu(torch.relu(x) - 1 - torch.relu(y)))
    found = integrated_gradients(module, two_pixels(3.0, 1.0), target=0, steps=steps)
    np.testing.assert_allclose(found.values, [[1.5, -0.5]], atol=1e-6)
    assert found.gap == pytest.approx(0, abs=1e-6)


def test_a_product_known_by_hand():
    # x y on the path to (3, 2): each pixel's share is the integral of 6a, which is 3.
    module = OneLogit(lambda x, y: x * y)
    found = integrated_gradients(module, two_pixels(3.0, 2.0), target=0, steps=2)
    np.testing.assert_allclose(found.values, [[3, 3]], atol=1e-6)
    from_one = integrated_gradients(module, two_pixels(3.0, 2.0), target=0, steps=2, baseline=1.0)
    # From (1, 1): 2 times the integral of 1 + a, and the integral of 1 + 2a.
    np.testing.assert_allclose(from_one.values, [[3, 2]], atol=1e-6)


def test_probabilities_known_by_hand():
    # A sigmoid of x: the only pixel that counts has all of the change.
    module = OneLogit(lambda x, y: x + 0 * y)
    found = integrated_gradients(
        module, two_pixels(2.0, 5.0), target=0, steps=20, score="probability"
    )
    np.testing.assert_allclose(found.values, [[1 / (1 + math.exp(-2)) - 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(SCORE_KINDS),
    contrast=st.sampled_from([None, 0, 3]),
    level=st.floats(-2, 2),
)
def test_completeness(name, seed, kind, contrast, level):
    module, inputs = seeded(SMOOTH[name], seed), picture(3, 4, seed, channels=2)
    found = integrated_gradients(
        module, inputs, target=1, steps=60, baseline=level, contrast=contrast, score=kind
    )
    with torch.no_grad():
        scores = Question(1, contrast, kind).scores(
            module(torch.cat([inputs, torch.full_like(inputs, level)])).double()
        )
    change = float(scores[0] - scores[1])
    assert float(found.values.sum(dtype=float)) == pytest.approx(change, abs=2e-5)
    assert found.gap == pytest.approx(found.values.sum(dtype=float) - change, abs=1e-5)


@pytest.mark.parametrize("name", ["strided", "grouped", "residual", "unpadded"])
def test_completeness_with_kinks_needs_more_steps(name):
    module, inputs = network(name), picture(11, 9)
    with torch.no_grad():
        scores = module(torch.cat([inputs, torch.zeros_like(inputs)]))
    change = float(scores[0, 1] - scores[1, 1])
    found = integrated_gradients(module, inputs, target=1, steps=400)
    scale = np.abs(found.values).sum()
    assert abs(found.values.sum(dtype=float) - change) < 0.01 * scale
    assert found.gap == pytest.approx(found.values.sum(dtype=float) - change, abs=1e-5)
    few = integrated_gradients(module, inputs, target=1, steps=3)
    assert abs(found.gap) <= abs(few.gap) + 1e-4


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_pixels_that_mean_the_same_get_the_same(seed):
    # Every pixel is treated alike, and then averaged: a mirrored picture has the mirrored map.
    def make():
        pixelwise = nn.Conv2d(3, 6, 1), nn.Tanh(), nn.Conv2d(6, 4, 1), nn.Tanh()
        return nn.Sequential(*pixelwise, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))

    module, inputs = seeded(make, seed), picture(4, 5, seed)
    inputs[..., 3, 4] = inputs[..., 0, 0]
    plain = integrated_gradients(module, inputs, target=0, steps=10).values
    mirrored = integrated_gradients(module, inputs.flip(-1), target=0, steps=10).values
    np.testing.assert_allclose(mirrored[:, ::-1], plain, atol=1e-6)
    assert plain[3, 4] == pytest.approx(plain[0, 0], abs=1e-7)


def test_a_pixel_that_is_as_in_the_baseline_gets_nothing():
    module, inputs = network("residual"), picture(10, 10)
    inputs[..., 4:6, 2:5] = 0.3
    found = integrated_gradients(module, inputs, target=0, steps=9, baseline=0.3)
    assert not found.values[4:6, 2:5].any()
    assert np.abs(found.values).max() > 0


@pytest.mark.parametrize("internal_batch_size", [None, 5])
@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(["strided", "dilated", "grouped", "residual", "positional"]),
    seed=st.integers(0, 100),
    steps=st.sampled_from([1, 2, 7, 8, 9, 25]),
    target=st.integers(0, CLASSES - 1),
    level=st.sampled_from([None, 0.0, -0.7]),
)
def test_as_captum_says(internal_batch_size, name, seed, steps, target, level):
    module, inputs = network(name, seed), picture(9, 11, seed)
    baseline = picture(9, 11, seed + 1) if level is None else level
    ours = integrated_gradients(module, inputs, target=target, steps=steps, baseline=baseline)
    theirs = IntegratedGradients(module).attribute(
        inputs, baseline, target, n_steps=steps, internal_batch_size=internal_batch_size
    )
    theirs = theirs.sum(1)[0].detach().numpy()
    np.testing.assert_allclose(ours.values, theirs, atol=1e-5 * np.ptp(theirs), rtol=0)


def test_the_map_of_a_contrast_is_the_difference_of_the_maps():
    module, inputs = network("concatenated"), picture()
    first, second, both = (
        integrated_gradients(module, inputs, target=target, contrast=contrast, steps=12).values
        for target, contrast in ((0, None), (3, None), (0, 3))
    )
    np.testing.assert_allclose(both, first - second, atol=1e-6)


def test_what_the_map_says_of_itself():
    found = integrated_gradients(
        network("strided"), picture(), target=2, contrast=1, steps=11, baseline=0.5,
        score="log_probability",
    )  # fmt: skip
    assert found.method == "integrated_gradients"
    assert found.question == Question(2, 1, "log_probability")
    assert dict(found.parameters) == {"steps": 11, "baseline": 0.5}
    assert found.forward_passes == 13
    assert found.values.shape == (12, 12)
    assert found.seconds > 0


def test_every_step_stands_for_the_whole_path():
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    question = Question(0)
    final = integrated_gradients(module, inputs, target=0, steps=30)
    done = []
    for step in gradient_steps(module, inputs, question, IntegratedGradientsSetting(30)):
        done.append(step.done)
        assert step.total == 30
        snapshot = step.snapshot()
        np.testing.assert_allclose(snapshot.values, final.values, atol=1e-6)
        assert snapshot.forward_passes == step.done + 2
        assert (snapshot.gap is None) == (step.done < 30)
    assert done == sorted(set(done))
    assert len(done) > 1
    assert done[-1] == 30


def test_early_snapshots_are_near_the_final_map():
    module, inputs = network("residual"), picture(16, 16)
    final = integrated_gradients(module, inputs, target=1, steps=64).values
    for step in gradient_steps(module, inputs, Question(1), IntegratedGradientsSetting(64)):
        values = step.snapshot().values
        assert np.isfinite(values).all()
        if step.done >= 8:
            assert np.corrcoef(values.ravel(), final.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_out_of_range(steps):
    with pytest.raises(SettingError) as refused:
        integrated_gradients(seeded(Linear), picture(3, 4, channels=2), target=0, steps=steps)
    assert str(refused.value) == (
        f"Integrated Gradients steps: {steps}; choose between 1 and 1000."
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 4},
        {"target": 0, "contrast": 0},
        {"target": 0, "score": "odds"},
        {"target": 0, "baseline": torch.zeros(1, 2, 4, 3)},
    ],
)
def test_other_settings_out_of_range(wrong):
    with pytest.raises(SettingError, match=r"^[A-Z][^\n]*\.$"):
        integrated_gradients(seeded(Linear), picture(3, 4, channels=2), steps=5, **wrong)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(2, 2, 3, 4),
        torch.zeros(2, 3, 4),
        torch.zeros(1, 2, 3, 4, dtype=torch.int64),
        torch.full((1, 2, 3, 4), torch.inf),
    ],
)
def test_inputs_that_are_not_one_picture(inputs):
    with pytest.raises(SettingError, match=r"^[A-Z][^\n]*\.$"):
        integrated_gradients(seeded(Linear), inputs, target=0, steps=5)


def test_gradients_that_are_no_numbers_are_reported():
    # The root has an infinite slope where the path crosses zero.
    module = OneLogit(lambda x, y: torch.sqrt(x * 0) + y)
    with pytest.raises(ModelError, match=r"^The gradients are not finite numbers.*\.$"):
        integrated_gradients(module, two_pixels(1.0, 1.0), target=0, steps=4)


def test_scores_that_are_no_numbers_are_reported():
    # The gradient is 1 everywhere, but there is no score whose change it could explain.
    module = OneLogit(lambda x, y: x + y + torch.nan)
    with pytest.raises(ModelError, match=r"not finite"):
        integrated_gradients(module, two_pixels(1.0, 1.0), target=0, steps=4)


class Mixed(nn.Module):
    """Parts in different modes, as in a network whose statistics are frozen while it learns."""

    def __init__(self, fail_at=None):
        super().__init__()
        self.body = network("grouped")
        self.dropout = nn.Dropout(0.5)
        self.calls, self.fail_at = 0, fail_at
        self.train()
        self.body[3].eval()

    def forward(self, x):
        self.calls += 1
        if self.calls == self.fail_at:
            raise RuntimeError("the fan stopped")
        return self.dropout(self.body(x))


def test_the_module_is_used_in_eval_mode_and_left_as_it_was():
    module, inputs = Mixed(), picture()
    next(module.parameters()).requires_grad_(False)
    before = state(module)
    found = integrated_gradients(module, inputs, target=0, steps=9)
    assert state(module) == before
    again = integrated_gradients(module.eval(), inputs, target=0, steps=9)
    np.testing.assert_array_equal(found.values, again.values)
    assert not inputs.requires_grad
    assert inputs.grad is None


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_the_module_is_left_as_it_was_after_a_failure(fail_at):
    module = Mixed(fail_at)
    before = state(module)
    with pytest.raises(ModelError, match="the fan stopped"):
        integrated_gradients(module, picture(), target=0, steps=20)
    assert state(module) == before


def test_the_module_is_as_it_was_between_steps_and_when_they_are_given_up():
    module = Mixed()
    before = state(module)
    steps = gradient_steps(module, picture(), Question(0), IntegratedGradientsSetting(20))
    first = next(steps)
    assert state(module) == before
    steps.close()
    assert state(module) == before
    assert first.snapshot().forward_passes == first.done + 2
    assert list(steps) == []


def test_gradients_inside_no_grad():
    # Whoever shows maps may have turned gradients off for everything.
    with torch.no_grad():
        found = integrated_gradients(seeded(Linear), picture(3, 4, channels=2), target=0, steps=3)
    assert np.abs(found.values).max() > 0


@pytest.mark.parametrize("kind", ["probability", "log_probability"])
@pytest.mark.parametrize("name", ["saliency", "input_x_gradient"])
def test_a_saturated_probability_suggests_the_logit(name, kind):
    module = OneLogit(lambda x, y: 1000 * (x + y))
    question = Question(0, None, kind)
    with pytest.raises(ModelError) as refused:
        list(gradient_steps(module, two_pixels(1.0, 1.0), question, GradientSetting(name)))
    assert str(refused.value) == (
        "The gradients are zero everywhere, so there is no map: the probability is saturated; "
        "choose the logit as the score."
    )
    flat = OneLogit(lambda x, y: 0 * (x + y))
    with pytest.raises(ModelError, match=r"choose another class, model or picture\.$"):
        list(gradient_steps(flat, two_pixels(1.0, 1.0), Question(0), GradientSetting(name)))


def test_saliency_and_input_times_gradient_known_by_hand():
    module = OneLogit(lambda x, y: 2 * x - 3 * y)
    for name, expected in (("saliency", [[2, 3]]), ("input_x_gradient", [[10, -12]])):
        steps = list(
            gradient_steps(module, two_pixels(5.0, 4.0), Question(0), GradientSetting(name))
        )
        assert [(step.done, step.total) for step in steps] == [(1, 1)]
        found = steps[0].snapshot()
        np.testing.assert_allclose(found.values, expected)
        assert found.method == name
        assert found.change is found.gap is None
        assert found.forward_passes == 3
