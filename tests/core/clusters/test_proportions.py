"""Confidence intervals equal those of SciPy and of Newcombe's paper."""

import pytest
from scipy.stats import binomtest

from core.clusters.proportions import Share, difference, paired_difference, share


@pytest.mark.parametrize(("part", "whole"), [(0, 5), (5, 5), (17, 20), (1, 1), (200, 900)])
def test_wilson_equals_scipys(part, whole):
    expected = binomtest(part, whole).proportion_ci(0.95, "wilson")
    assert Share(part, whole).interval == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_equal_newcombes(first, second, low, high):
    found = difference(Share(*first), Share(*second))
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("both", "first", "second", "neither", "low", "high"),
    [
        (36, 12, 2, 0, 0.0569, 0.3404),  # Newcombe 1998, of pairs, method 10
        (1, 1, 7, 12, -0.507, -0.026),  # Fagerland, Lydersen and Laake 2014, of Bentur's pairs
    ],
)
def test_differences_of_the_same_pictures_equal_newcombes(both, first, second, neither, low, high):
    whole = both + first + second + neither
    found = paired_difference(Share(both + first, whole), Share(both + second, whole), both)
    assert found.value == pytest.approx((first - second) / whole)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4)


def test_shares_of_the_same_pictures_that_exclude_each_other_differ_less_surely():
    first, second = Share(20, 30), Share(10, 30)
    assert difference(first, second).low > 0
    assert paired_difference(first, second, 0).low < 0 < paired_difference(first, second, 0).high


def test_nothing_is_no_share():
    assert share(0, 0) is None
    assert difference(None, Share(1, 2)) is None
    assert paired_difference(Share(1, 2), None, 0) is None
