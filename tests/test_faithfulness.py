"""Deletion, insertion and their controls: known by hand, and in the right order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn
from toys import network, picture, seeded, state

from core.errors import ModelError, SettingError
from core.faithfulness import (
    Curve,
    Faithfulness,
    FaithfulnessSetting,
    agreement,
    faithfulness_steps,
    pointing,
)
from core.scores import Question

pytestmark = pytest.mark.usefixtures("one_thread")

BETTER = "better than random and than pointing at the middle"


class Weighted(nn.Module):
    """Class 0 is a weighted sum of the pixels, class 1 is nothing."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, x):
        score = (x * self.weights).flatten(1).sum(1, keepdim=True)
        return torch.cat([score, torch.zeros_like(score)], 1)


def run(module, inputs, values, setting, question=None, baseline=0.0):
    steps = faithfulness_steps(module, inputs, question or Question(0), values, setting, baseline)
    stages = list(steps)
    return stages[-1].found, [(stage.done, stage.total) for stage in stages]


def test_two_blocks_by_hand():
    module = Weighted(torch.tensor([3.0, 1.0]).view(1, 1, 1, 2))
    setting = FaithfulnessSetting(block=1, points=3, repeats=2)
    (deletion, insertion), progress = run(
        module, torch.ones(1, 1, 1, 2), np.array([[2.0, 1.0]]), setting
    )
    np.testing.assert_allclose(deletion.curve.shares, [0, 0.5, 1])
    np.testing.assert_allclose(deletion.curve.scores, [4, 1, 0])
    np.testing.assert_allclose(insertion.curve.scores, [0, 3, 4])
    assert deletion.curve.area == pytest.approx(1.5)
    assert insertion.curve.area == pytest.approx(2.5)
    assert progress[-1] == (2 * 4 * 3, 2 * 4 * 3)
    assert [done for done, _ in progress] == sorted({done for done, _ in progress})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_best_order_is_best_and_the_worst_is_worst(seed):
    weights, inputs = picture(8, 8, seed, channels=1), torch.ones(1, 1, 8, 8)
    shares = weights[0, 0].double().numpy()
    setting = FaithfulnessSetting(block=2, points=17, repeats=10, seed=seed)
    module = Weighted(weights)
    best, _ = run(module, inputs, shares, setting)
    worst, _ = run(module, inputs, -shares, setting)
    for good, bad in zip(best, worst, strict=True):
        sign = -1 if good.direction == "deletion" else 1
        areas = [sign * curve.area for curve in (*good.random, good.centre)]
        assert sign * good.curve.area >= max(areas) - 1e-9
        assert sign * bad.curve.area <= min(areas) + 1e-9
        assert bad.verdict == "no better than guessing at random"


def test_random_orders_are_near_the_middle():
    weights, inputs = picture(8, 8, 3, channels=1), torch.ones(1, 1, 8, 8)
    values = weights[0, 0].double().numpy()
    (deletion, _), _ = run(
        Weighted(weights), inputs, values, FaithfulnessSetting(block=1, points=65, repeats=40)
    )
    mean, spread = deletion.random_area
    assert mean == pytest.approx(float(weights.sum()) / 2, abs=spread)


def test_blocks_take_the_mean_of_the_map_and_uneven_ones_count():
    weights = torch.zeros(1, 1, 5, 5)
    weights[..., 4, 4] = 7.0  # the last block is a single pixel
    values = weights[0, 0].numpy().copy()
    values[0, 0] = 20.0  # but the mean of its four pixels is 5
    (deletion, _), _ = run(
        Weighted(weights), torch.ones(1, 1, 5, 5), values, FaithfulnessSetting(block=2, points=10)
    )
    np.testing.assert_allclose(deletion.curve.scores, [7, *[0] * 9])


def test_the_same_seed_gives_the_same_controls_and_another_does_not():
    module, inputs = network("strided"), picture(12, 12)
    values = np.random.default_rng(0).random((12, 12))
    first, again, other = (
        run(module, inputs, values, FaithfulnessSetting(block=3, seed=seed))[0][0].random_area
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_scores_are_those_of_the_covered_picture():
    module, inputs, baseline = network("residual"), picture(12, 12), picture(12, 12, 1)
    before = state(module)
    values = np.arange(144.0).reshape(12, 12)
    question = Question(2, 0, "probability")
    setting = FaithfulnessSetting(block=12, points=3, repeats=2)
    (deletion, insertion), _ = run(module, inputs, values, setting, question, baseline)
    with torch.no_grad():
        clean, covered = question.scores(module(torch.cat([inputs, baseline])).double())
    np.testing.assert_allclose(deletion.curve.scores, [clean, covered], atol=1e-5)
    np.testing.assert_allclose(insertion.curve.scores, [covered, clean], atol=1e-5)
    assert state(module) == before


def judged(area, centre, random=(0.4, 0.5, 0.6), direction="insertion"):
    def flat(height):
        return Curve(np.array([0.0, 1.0]), np.array([height, height]))

    return Faithfulness(direction, flat(area), tuple(map(flat, random)), flat(centre))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (judged(0.9, 0.6), BETTER),
        (judged(0.9, 0.95), "better than random, but no better than pointing at the middle"),
        (judged(0.65, 0.6), "no better than guessing at random"),
        (judged(0.2, 0.3, direction="insertion"), "no better than guessing at random"),
        (
            judged(0.1, 0.4, direction="deletion"),
            "better than random and than pointing at the middle",
        ),
    ],
)
def test_verdicts(found, words):
    assert found.verdict == words


def test_agreement_of_maps():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(20, 10))
    second = first + generator.normal(size=(20, 10))
    correlation, overlap = agreement([first, second, -first, np.zeros((20, 10))])
    assert correlation[0, 1] == pytest.approx(spearmanr(first.ravel(), second.ravel())[0])
    assert correlation[0, 2] == pytest.approx(-1)
    assert correlation[0, 3] == 0
    assert (overlap[0, 0], overlap[0, 2]) == (1, 0)
    np.testing.assert_array_equal(overlap, overlap.T)


def test_pointing():
    values = np.array([[3.0, -5.0], [1.0, 0.0]])
    marked = np.array([[True, True], [False, False]])
    assert pointing(values, marked) == (0.75, 0.5)
    assert pointing(-np.abs(values), marked) == (0, 0.5)


@pytest.mark.parametrize("wrong", [{"block": 0}, {"points": 2}, {"repeats": 1}, {"seed": -1}])
def test_settings_out_of_range(wrong):
    with pytest.raises(SettingError, match=r"choose between \d+ and \d+\.$"):
        FaithfulnessSetting(**wrong)


def test_what_does_not_fit_is_refused():
    setting = FaithfulnessSetting()
    with pytest.raises(SettingError, match="give the map of this input"):
        run(network("strided"), picture(12, 12), np.zeros((12, 11)), setting)
    with pytest.raises(SettingError, match="choose one between 0 and 3"):
        run(network("strided"), picture(12, 12), np.zeros((12, 12)), setting, Question(4))
    broken = seeded(lambda: Weighted(torch.full((1, 3, 12, 12), torch.nan)))
    with pytest.raises(ModelError, match="not finite"):
        run(broken, picture(12, 12), np.zeros((12, 12)), setting)
