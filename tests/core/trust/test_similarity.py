"""Whether maps are alike, beside SciPy and by hand, and how much of one lies where one points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.trust.similarity import agreement, likeness


def noise(seed=0, shape=(20, 10)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_agreement_of_maps():
    first = noise(0)
    second = first + noise(1)
    correlation, overlap = agreement([first, second, -first, np.zeros((20, 10))])
    assert correlation[0, 1] == pytest.approx(spearmanr(first.ravel(), second.ravel())[0])
    assert correlation[0, 2] == pytest.approx(-1)
    assert correlation[0, 3] == 0
    assert (overlap[0, 0], overlap[0, 2]) == (1, 0)
    np.testing.assert_array_equal(overlap, overlap.T)
    np.testing.assert_allclose(correlation, correlation.T)


def test_the_strongest_tenth_by_hand():
    first, second = np.zeros((4, 5)), np.zeros((4, 5))  # a tenth is two pixels
    first[0, :2] = 9, 8
    second[0, 1:3] = 8, 9
    _, overlap = agreement([first, second])
    assert overlap[0, 1] == 0.5


def test_unrelated_maps_share_a_tenth_of_their_strongest_tenth():
    _, overlap = agreement([noise(0, (100, 100)), noise(1, (100, 100))])
    assert overlap[0, 1] == pytest.approx(0.1, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(1e-6, 1e6))
def test_units_do_not_matter_and_sides_neither(seed, factor):
    first, second = noise(seed), noise(seed) + noise(seed + 1)
    found, scaled = likeness(first, second), likeness(first, factor * second.astype(float))
    np.testing.assert_allclose(found, scaled, atol=1e-5)
    np.testing.assert_allclose(found, likeness(second, first), atol=1e-9)
    assert -1 <= found.spearman <= 1
    assert -1 <= found.ssim <= 1
    np.testing.assert_allclose(likeness(first, first), (1, 1))


def test_the_less_two_maps_share_the_less_they_are_alike():
    first = noise(0, (60, 60))
    near, half = first + 0.1 * noise(1, (60, 60)), first + noise(2, (60, 60))
    found = [likeness(first, each) for each in (first, near, half, noise(3, (60, 60)))]
    for kind in ("spearman", "ssim"):
        values = [getattr(each, kind) for each in found]
        assert values == sorted(values, reverse=True), kind
        assert values[1] > 0.9
        assert 0.3 < values[2] < 0.8
        assert values[3] == pytest.approx(0, abs=0.1)
    assert likeness(first, -first).spearman == pytest.approx(-1)


def test_structure_counts_and_not_only_ranks():
    """Two squares of one strength beside squares of two: every rank is nearly as it was."""
    rows, columns = np.indices((40, 40))
    plain = ((rows // 10 + columns // 10) % 2).astype(float)
    moved = np.roll(plain, 5, axis=1)
    assert abs(likeness(plain, moved).spearman) < 0.1
    assert likeness(plain, plain + 0.01 * noise(0, (40, 40))).ssim > 0.9
    assert abs(likeness(plain, moved).ssim) < 0.3


def test_flat_maps_and_single_pixels_give_numbers():
    flat, single = np.zeros((12, 12), np.float32), np.zeros((12, 12), np.float32)
    single[3, 3] = 5.0  # the 99th percentile of its sizes is nothing
    for pair in ((flat, noise(0, (12, 12))), (flat, single), (flat, flat), (flat + 3, single)):
        found = likeness(*pair)
        assert found.spearman == 0
        assert np.isfinite(found.ssim)
    np.testing.assert_allclose(likeness(single, single), (1, 1))


def test_single_pixels_do_not_set_the_scale():
    calm = noise(0, (40, 40))
    loud = calm.copy()
    loud[20, 20] = 1e6
    assert likeness(calm, loud).ssim > 0.95
