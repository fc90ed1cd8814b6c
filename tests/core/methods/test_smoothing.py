"""Maps of noisy pictures put together: as Captum's NoiseTunnel does it, and the same every time."""

import random

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.methods.gradient_methods import (
    SMOOTH_KINDS,
    GradientSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.gradients import gradient_steps
from core.methods.scores import Question
from tests.toys import CLASSES, Linear, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")

SALIENCY = GradientSetting("saliency")


def smoothed(module, inputs, setting, target=1, baseline=0.0):
    steps = gradient_steps(module, inputs, Question(target), setting, baseline)
    return list(steps)[-1].snapshot()


@pytest.mark.parametrize("kind", SMOOTH_KINDS)
@pytest.mark.parametrize("method", ["integrated_gradients", "saliency"])
@settings(max_examples=8, deadline=None)
@given(
    name=st.sampled_from(["strided", "grouped", "residual", "positional", "untraceable"]),
    seed=st.integers(0, 2**31 - 1),
    samples=st.integers(2, 4),
    stdev=st.sampled_from([0.1, 1.0]),
    target=st.integers(0, CLASSES - 1),
)
def test_as_captum_says(kind, method, name, seed, samples, stdev, target):
    module, inputs = network(name, seed % 7), picture(9, 10, seed % 11)
    if method == "saliency":
        inner, captum, options = SALIENCY, Saliency(module), {}
    else:
        inner, captum = IntegratedGradientsSetting(6), IntegratedGradients(module)
        options = {"baselines": 0.25, "n_steps": 6}
    setting = SmoothSetting(inner, kind, samples, stdev, seed)
    ours = smoothed(module, inputs, setting, target, baseline=0.25)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = NoiseTunnel(captum).attribute(
            inputs.clone(), nt_type=kind, nt_samples=samples, nt_samples_batch_size=1,
            stdevs=stdev, target=target, **options,
        )  # fmt: skip
    theirs = theirs.sum(1)[0].detach().numpy()
    np.testing.assert_allclose(ours.values, theirs, atol=1e-4 * np.abs(theirs).max(), rtol=0)


def test_a_linear_network_known_by_hand():
    # The slope is the same for every noisy copy: its square is the mean of squares, nothing varies.
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    weight = module.layer.weight[2].detach().view(2, 3, 4).abs()
    mean, squares = (
        smoothed(module, inputs, SmoothSetting(SALIENCY, kind, 3), 2).values
        for kind in ("smoothgrad", "smoothgrad_sq")
    )
    np.testing.assert_allclose(mean, weight.sum(0), atol=1e-6)
    np.testing.assert_allclose(squares, (weight**2).sum(0), atol=1e-6)
    varied = smoothed(
        module, inputs, SmoothSetting(GradientSetting("input_x_gradient"), "vargrad", 200, 2.0), 2
    )
    # Input times slope varies as the noise does: slope squared times 2 squared.
    expected = (weight**2).numpy() * 4
    np.testing.assert_allclose(varied.values, expected.sum(0), rtol=0.6)


@pytest.mark.parametrize("kind", SMOOTH_KINDS)
def test_the_seed_decides(kind):
    module, inputs = network("residual"), picture()
    setting = SmoothSetting(SALIENCY, kind, 3, 0.5, seed=4)
    first, again = (smoothed(module, inputs, setting).values for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = smoothed(module, inputs, SmoothSetting(SALIENCY, kind, 3, 0.5, seed=5)).values
    assert np.abs(other - first).max() > 1e-3 * np.abs(first).max()


def test_no_global_generator_is_touched():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    module = network("residual")
    kept = state(module)
    smoothed(module, picture(), SmoothSetting(SALIENCY, "vargrad", 3))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    assert state(module) == kept


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize("batch", [8, 1])
@pytest.mark.parametrize("kind", SMOOTH_KINDS)
@pytest.mark.parametrize(
    ("inner", "total"), [(SALIENCY, 4), (IntegratedGradientsSetting(11), 44)], ids=["s", "ig"]
)
def test_progress_runs_to_the_end(inner, total, kind, batch, monkeypatch):
    monkeypatch.setattr("core.methods.request._LARGEST_BATCH", {"cpu": batch})
    setting = SmoothSetting(inner, kind, 4, 0.5)
    module, inputs = network("strided"), picture(9, 9)
    steps = list(gradient_steps(module, inputs, Question(0), setting))
    done = [step.done for step in steps]
    assert done == sorted(set(done))
    assert done[-1] == total
    assert {step.total for step in steps} == {total}
    assert len(steps) >= 4
    for step in steps:
        made = step.snapshot()
        assert np.isfinite(made.values).all()
        assert made.forward_passes == step.done + 2
        assert made.gap is made.change is None
        assert made.method == kind


def test_teams_and_the_size_of_batches_change_nothing_but_speed(monkeypatch):
    module, inputs = network("residual"), picture(9, 9)
    setting = SmoothSetting(IntegratedGradientsSetting(12), "smoothgrad_sq", 3)
    fast = smoothed(module, inputs, setting).values
    for threads, batch in ((3, 8), (1, 1), (2, 1)):
        torch.set_num_threads(threads)
        monkeypatch.setattr("core.methods.request._LARGEST_BATCH", {"cpu": batch})
        other = smoothed(module, inputs, setting).values
        np.testing.assert_allclose(other, fast, atol=1e-5 * np.abs(fast).max())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(["smoothgrad_sq", "vargrad"]))
def test_squares_and_variances_are_not_negative(seed, kind):
    module, inputs = network("positional", seed), picture(8, 8, seed)
    found = smoothed(module, inputs, SmoothSetting(SALIENCY, kind, 2, 0.01, seed))
    assert found.values.min() >= -1e-9


def test_no_variance_is_an_answer():
    # Noise as small as this crosses no kink: the slope is the same on every copy, and not zero.
    module, inputs = network("positional"), picture(8, 8)
    setting = SmoothSetting(SALIENCY, "vargrad", 2, 1e-6)
    assert not smoothed(module, inputs, setting).values.any()


def test_what_the_map_says_of_itself():
    setting = SmoothSetting(IntegratedGradientsSetting(5), "smoothgrad_sq", 2, 0.5, 3)
    found = smoothed(network("strided"), picture(), setting)
    assert found.method == "smoothgrad_sq"
    assert found.units == "squared logits"
    assert dict(found.parameters) == {
        "method": "integrated_gradients", "steps": 5, "samples": 2, "stdev": 0.5, "seed": 3,
        "baseline": 0.0,
    }  # fmt: skip


def test_given_up_between_samples():
    module = network("residual")
    steps = gradient_steps(module, picture(), Question(0), SmoothSetting(SALIENCY, samples=5))
    first = next(steps)
    steps.close()
    assert first.snapshot().forward_passes == 3
    assert list(steps) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"method": IntegratedGradientsSetting("enough")},
            "Smoothing needs the same steps for every sample: give a number.",
        ),
        ({"kind": "vargrad", "samples": 1}, "Noisy samples: 1; choose between 2 and 200."),
        ({"samples": 0}, "Noisy samples: 0; choose between 1 and 200."),
        ({"samples": 201}, "Noisy samples: 201; choose between 1 and 200."),
        (
            {"stdev": 0.0},
            "Standard deviation of the noise: 0.0; choose above 0, up to 100.",
        ),
        ({"seed": -1}, "Seed: -1; choose between 0 and 2147483647."),
        (
            {"kind": "smoothiegrad"},
            'There is no smoothing "smoothiegrad": choose one of smoothgrad, smoothgrad_sq, '
            "vargrad.",
        ),
    ],
)
def test_refusals(wrong, sentence):
    with pytest.raises(SettingError) as refused:
        SmoothSetting(**wrong)
    assert str(refused.value) == sentence
