"""Noisy linear imputation: by hand, by its properties, and as other packages compute it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.teams import heeding
from core.methods.masked import covered_scores
from core.methods.scores import Question
from core.models.torchvision_compat import torchvision
from core.trust.faithfulness import combined, control_steps, curve_steps, faithfulness, order_of
from core.trust.imputation import NOISE, Imputer, imputed
from core.trust.settings import FaithfulnessSetting
from tests.toys import drained, network, picture

assert torchvision  # before what imports it
from pytorch_grad_cam.metrics import road as gradcam  # noqa: E402
from pytorch_grad_cam.metrics.perturbation_confidence import (  # noqa: E402
    AveragerAcrossThresholds,
    PerturbationConfidenceMetric,
    RemoveLeastRelevantFirst,
    RemoveMostRelevantFirst,
)

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # What the others do is their own affair.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:numpy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pytorch_grad_cam"),
]

CASES = st.fixed_dictionaries(
    {
        "shape": st.tuples(st.integers(1, 4), st.integers(1, 24), st.integers(1, 24)),
        "share": st.floats(0.05, 0.99),
        "seed": st.integers(0, 10_000),
    }
)


def drawn(shape, share, seed):
    """A picture and a mask that covers some of it, but not all."""
    generator = np.random.default_rng(seed)
    mask = generator.random(shape[1:]) < share
    mask.flat[generator.integers(mask.size)] = False
    return generator.standard_normal(shape).astype(np.float32), mask


def by_gradcam(values, mask, noise=0.0):
    kept = torch.from_numpy((~mask).astype(np.float32))
    return gradcam.NoisyLinearImputer(noise)(torch.from_numpy(values), kept).numpy()


def test_one_pixel_is_the_weighted_mean_of_its_neighbours():
    values = np.array([[[1.0, 2, 3], [4, 99, 6], [7, 8, 9]]])
    middle = np.zeros((3, 3), bool)
    middle[1, 1] = True
    beside, across = 2 + 4 + 6 + 8, 1 + 3 + 7 + 9
    assert imputed(values, middle)[0, 1, 1] == pytest.approx(beside / 6 + across / 12)
    corner = np.zeros((3, 3), bool)
    corner[0, 0] = True  # three neighbours are left to make the mean
    expected = (2 / 6 + 4 / 6 + 99 / 12) / (5 / 12)
    assert imputed(values, corner)[0, 0, 0] == pytest.approx(expected)


def test_two_pixels_are_solved_for_together():
    values = np.array([[[6.0, 99, 99, 0]]])
    mask = np.array([[False, True, True, False]])
    # a = (6 + b) / 2 and b = (a + 0) / 2
    np.testing.assert_allclose(imputed(values, mask), [[[6, 4, 2, 0]]])


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_covered_pixels_are_means_and_the_others_stay(case):
    values, mask = drawn(**case)
    found = imputed(values, mask)
    np.testing.assert_array_equal(found[:, ~mask], values[:, ~mask])
    for channel, known in zip(found, values[:, ~mask].astype(float), strict=True):
        assert known.min() - 1e-9 <= channel.min()
        assert channel.max() <= known.max() + 1e-9
    np.testing.assert_array_equal(imputed(np.where(mask, 1e6, values), mask), found)


def test_an_even_slope_is_continued():
    slope = np.add.outer(2.0 * np.arange(12), np.arange(15.0))[None]
    mask = np.zeros((12, 15), bool)
    mask[2:9, 3:13] = True
    np.testing.assert_allclose(imputed(slope, mask), slope)


def test_nothing_and_everything_covered():
    values, _ = drawn((3, 5, 7), 0.5, 0)
    np.testing.assert_array_equal(imputed(values, np.zeros((5, 7), bool)), values)
    means = values.astype(float).mean(axis=(1, 2), keepdims=True)
    everything = imputed(values, np.ones((5, 7), bool))
    np.testing.assert_allclose(everything, np.broadcast_to(means, values.shape))


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_equal_to_pytorch_grad_cam(case):
    values, mask = drawn(**case)
    np.testing.assert_allclose(imputed(values, mask), by_gradcam(values, mask), atol=1e-5)
    torch.manual_seed(case["seed"])
    theirs = by_gradcam(values, mask, NOISE)
    noise = np.zeros(values.shape)
    torch.manual_seed(case["seed"])
    noise[:, mask] = NOISE * torch.randn(len(values), int(mask.sum())).numpy()
    np.testing.assert_allclose(imputed(values, mask, noise), theirs, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_equal_to_quantus(case):
    quantus = pytest.importorskip("quantus.functions.perturb_func")
    values, mask = drawn(**case)
    places = np.flatnonzero(mask)
    theirs = quantus.noisy_linear_imputation(values, places, noise=0.0)
    np.testing.assert_allclose(imputed(values, mask), theirs, atol=1e-5)
    before = np.random.get_state()
    try:
        np.random.seed(case["seed"])
        theirs = quantus.noisy_linear_imputation(values, places, noise=NOISE)
        np.random.seed(case["seed"])
        noise = np.zeros(values.shape)
        noise[:, mask] = NOISE * np.random.randn(len(values), len(places))
    finally:
        np.random.set_state(before)
    np.testing.assert_allclose(imputed(values, mask, noise), theirs, atol=1e-5)


def test_the_size_of_a_real_input():
    values, _ = drawn((3, 224, 224), 0.5, 1)
    mask = np.kron(np.random.default_rng(2).random((16, 16)) < 0.6, np.ones((14, 14))) > 0
    np.testing.assert_allclose(imputed(values, mask), by_gradcam(values, mask), atol=1e-5)


def test_noise_is_that_of_the_seed_and_of_the_pixel_whatever_is_covered():
    inputs = picture(20, 20)
    small, large = np.zeros((2, 20, 20), bool)
    small[3:8, 3:8] = True
    large[2:18, 2:18] = True
    first, second = Imputer(inputs, 4)(np.stack([small, large])).numpy()
    values = inputs[0].numpy()
    noise = {
        name: found - imputed(values, mask)
        for name, found, mask in (("small", first, small), ("large", second, large))
    }
    np.testing.assert_allclose(noise["small"][:, small], noise["large"][:, small], atol=1e-6)
    assert not noise["small"][:, ~small].any()
    assert noise["large"][:, large].std() == pytest.approx(NOISE, rel=0.15)
    again = Imputer(inputs, 4)(large[None]).numpy()[0]
    np.testing.assert_array_equal(again, second)
    assert not np.array_equal(Imputer(inputs, 5)(large[None]).numpy()[0], second)


def test_several_threads_may_ask_at_once():
    inputs, masks = picture(24, 24), np.random.default_rng(0).random((12, 24, 24)) < 0.5
    imputer = Imputer(inputs)
    alone = imputer(masks)
    with ThreadPoolExecutor(4) as pool:
        together = torch.cat(list(pool.map(lambda mask: imputer(mask[None]), masks)))
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
    assert alone.shape == (12, 3, 24, 24)
    assert alone.dtype == torch.float32


def test_it_ends_between_two_pictures():
    def left():
        raise KeyboardInterrupt

    with heeding(left), pytest.raises(KeyboardInterrupt):
        Imputer(picture(8, 8))(np.ones((1, 8, 8), bool))


def test_scores_are_those_of_the_imputed_pictures():
    module, inputs = network("residual"), picture(12, 12)
    masks = np.random.default_rng(0).random((21, 12, 12)) < 0.4
    imputer = Imputer(inputs, 3)
    yielded, scores = drained(covered_scores(module, inputs, masks, Question(2), imputer))
    with torch.no_grad():
        expected = module(imputer(masks))[:, 2]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert sum(yielded) == 21
    assert max(yielded) <= 8


def curves_of(module, inputs, values, setting, cover, question):
    asked = (module, inputs, question)
    _, own = drained(curve_steps(*asked, [order_of(values, setting)], setting, cover))
    _, controls = drained(control_steps(*asked, setting, cover))
    return faithfulness(own, controls)


def test_deletion_and_insertion_are_the_curves_of_pytorch_grad_cam(monkeypatch):
    """Removing the most and the least relevant first; and the combined score of the two."""
    monkeypatch.setattr("core.trust.imputation.NOISE", 0.0)
    module, inputs = network("residual"), picture(10, 10)
    values = np.random.default_rng(0).permutation(100).reshape(10, 10) / 100
    setting = FaithfulnessSetting(block=1, points=11, repeats=2, baseline="road")
    found = curves_of(module, inputs, values, setting, Imputer(inputs), Question(1))
    percentiles = range(10, 100, 10)

    def metric(remove, percentile):
        return PerturbationConfidenceMetric(remove(percentile, gradcam.NoisyLinearImputer(noise=0)))

    asked = (inputs, values[None].astype(np.float32), [lambda output: output[1]], module)
    curves = {each.direction: each.curve.scores[1:-1] for each in found}
    for remove, mine in (
        (RemoveMostRelevantFirst, curves["deletion"][::-1]),
        (RemoveLeastRelevantFirst, curves["insertion"]),
    ):
        theirs = [metric(remove, each)(*asked, return_diff=False)[0] for each in percentiles]
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    most, least = (
        AveragerAcrossThresholds(lambda p, remove=remove: metric(remove, p), percentiles)(*asked)
        for remove in (RemoveMostRelevantFirst, RemoveLeastRelevantFirst)
    )
    assert combined(found) == pytest.approx(float((least - most)[0] / 2), abs=1e-5)


def test_random_orders_have_no_combined_score():
    module, inputs = network("residual"), picture(12, 12)
    setting = FaithfulnessSetting(block=2, points=7, repeats=3, baseline="road")
    values = np.random.default_rng(1).random((12, 12))
    found = curves_of(module, inputs, values, setting, Imputer(inputs), Question(1))
    for number in range(3):
        inner = [each.random[number].scores[1:-1].mean() for each in found]
        assert inner[0] == pytest.approx(inner[1], abs=1e-6)
