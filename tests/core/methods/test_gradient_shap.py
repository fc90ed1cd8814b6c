"""GradientShap: as Captum says with the same draws, and nobody else's draws are disturbed."""

import random

import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from hypothesis import given, settings
from hypothesis import strategies as st

from core.methods.gradient_methods import GradientShapSetting
from core.methods.gradients import gradient_steps
from core.methods.scores import Question
from tests.toys import Linear, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")


def explained(module, inputs, setting, target=1, baseline=0.0):
    steps = list(gradient_steps(module, inputs, Question(target), setting, baseline))
    return steps[-1].snapshot()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), target=st.integers(0, 3), level=st.floats(-1, 1))
def test_a_linear_network_known_by_hand(seed, target, level):
    # Hardly any noise: wherever on the path, slope times difference.
    module, inputs = seeded(Linear, seed), picture(3, 4, seed, channels=2)
    found = explained(module, inputs, GradientShapSetting(3, 1e-6, seed), target, level)
    weight = module.layer.weight[target].detach().view(2, 3, 4)
    np.testing.assert_allclose(found.values, (weight * (inputs[0] - level)).sum(0), atol=1e-4)
    assert found.gap == pytest.approx(0, abs=1e-3)


def test_noise_averages_out():
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    weight = module.layer.weight[2].detach().view(2, 3, 4)
    found = explained(module, inputs, GradientShapSetting(1000, 0.5), 2)
    deviation = 0.5 * weight.square().sum(0).sqrt() / 1000**0.5
    off = np.abs(found.values - (weight * inputs[0]).sum(0).numpy())
    assert (off < 5 * deviation.numpy()).all()
    assert off.max() > 0


@pytest.mark.parametrize("name", ["residual", "positional", "untraceable"])
@pytest.mark.parametrize("level", [None, 0.3])
def test_the_mean_of_captums_own(name, level):
    module, inputs = network(name), picture(9, 10)
    baseline = picture(9, 10, 1) if level is None else torch.full_like(inputs, level)
    setting = GradientShapSetting(6, 0.2, 11)
    ours = explained(module, inputs, setting, 1, baseline).values
    total = 0.0
    with torch.random.fork_rng():
        before = np.random.get_state()
        for seed in np.random.SeedSequence(11).generate_state(6):
            torch.manual_seed(int(seed))
            np.random.seed(int(seed))
            total = total + GradientShap(module).attribute(
                inputs.clone(), baseline, n_samples=1, stdevs=0.2, target=1
            )
        np.random.set_state(before)
    theirs = (total / 6).sum(1)[0].detach().numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_the_seed_decides():
    module, inputs = network("residual"), picture()
    first, again = (explained(module, inputs, GradientShapSetting(5)).values for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = explained(module, inputs, GradientShapSetting(5, seed=1)).values
    assert np.abs(other - first).max() > 1e-3 * np.abs(first).max()


def generators():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


def test_the_global_generators_are_as_they_were():
    module = network("residual")
    before, kept = generators(), state(module)
    steps = gradient_steps(module, picture(), Question(1), GradientShapSetting(5))
    next(steps)
    assert generators() == before
    steps.close()
    assert generators() == before
    explained(module, picture(), GradientShapSetting(2))
    assert generators() == before
    assert state(module) == kept


def test_the_global_generators_come_back_after_a_failure(monkeypatch):
    def broken(*_, **__):
        torch.rand(3)
        np.random.rand(3)
        raise OSError("the fan stopped")

    monkeypatch.setattr(GradientShap, "attribute", broken)
    before = generators()
    with pytest.raises(OSError, match="the fan stopped"):
        explained(network("residual"), picture(), GradientShapSetting(2))
    assert generators() == before


def test_every_sample_is_a_step():
    module, inputs = network("strided"), picture()
    steps = list(gradient_steps(module, inputs, Question(1), GradientShapSetting(4)))
    assert [(step.done, step.total) for step in steps] == [(i, 4) for i in range(1, 5)]
    maps = [step.snapshot() for step in steps]
    assert all(np.isfinite(made.values).all() for made in maps)
    assert [made.change is None for made in maps] == [True, True, True, False]
    assert maps[-1].gap == pytest.approx(maps[-1].values.sum(dtype=float) - maps[-1].change)
    assert dict(maps[-1].parameters) == {"samples": 4, "stdev": 0.1, "seed": 0, "baseline": 0.0}


def test_a_whole_number_as_deviation():
    module, inputs = network("strided"), picture()
    whole, same = (explained(module, inputs, GradientShapSetting(2, s)).values for s in (1, 1.0))
    np.testing.assert_array_equal(whole, same)
