"""Localisation: by hand, and as Quantus computes it."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.torchvision_compat import torchvision
from core.trust.localisation import TOP_K, Localisation, localisation

assert torchvision  # which Quantus imports, and which has to be imported so


def test_by_hand():
    values = np.array([[4.0, 3, -9], [1, 0, 2]])
    marked = np.array([[True, False, True], [False, False, True]])
    # The largest is on it; 4 and 2 of 10; 4 and 2 of the three largest.
    assert localisation(values, marked) == Localisation(1.0, 0.6, 2 / 3, None, 0.5)
    assert localisation(values, ~marked) == Localisation(0.0, 0.4, 1 / 3, None, 0.5)


def test_what_cannot_be_said():
    marked = np.array([[True, False, False, False]])
    # Nothing is largest; any order of equal pixels finds the object by chance.
    assert localisation(np.zeros((1, 4)), marked) == Localisation(None, None, 0.25, None, 0.25)
    assert localisation(np.ones((1, 4)), marked) == Localisation(None, 0.25, 0.25, None, 0.25)
    assert localisation(np.array([[-1.0, -2, -3, -4]]), marked) == Localisation(
        1, None, 1, None, 0.25
    )


def test_nothing_marked():
    found = localisation(np.arange(4.0).reshape(2, 2), np.zeros((2, 2), bool))
    assert found == Localisation(None, None, None, None, 0)


def test_equal_pixels_count_by_chance_whatever_their_order():
    values = np.array([[5.0, 1, 1, 1, 0]])
    marked = np.array([[True, True, False, True, False]])
    # 5 and two of the three ones, of which two are on it: (1 + 2 * 2/3) / 3.
    assert localisation(values, marked).rank == pytest.approx(7 / 9)
    for order in itertools.permutations(range(5)):
        assert localisation(values[:, order], marked[:, order]).rank == pytest.approx(7 / 9)


def test_a_uniform_object_of_all_pixels_holds_all():
    values = np.random.default_rng(0).standard_normal((40, 40))
    assert localisation(values, np.ones((40, 40), bool)) == (1, pytest.approx(1), 1, 1, 1)


def by_quantus(values, marked, k=TOP_K):
    """Pointing game, mass, rank and top-k intersection of maps (n, H, W), by Quantus."""
    quantus = pytest.importorskip("quantus")
    asked = {"disable_warnings": True, "display_progressbar": False, "normalise": False}
    given = {
        "model": None,
        "channel_first": True,
        "x_batch": np.zeros((len(values), 1, *values.shape[1:])),
        "y_batch": np.zeros(len(values), int),
        "a_batch": values[:, None],
        "s_batch": marked[:, None],
    }
    # Positive relevance, as its paper has it; Quantus sums what it is given, whatever the sign.
    mass = quantus.RelevanceMassAccuracy(
        **{**asked, "normalise": True}, normalise_func=lambda a, **_: np.clip(a, 0, None)
    )
    metrics = (
        quantus.PointingGame(**asked),
        mass,
        quantus.RelevanceRankAccuracy(**asked),
        quantus.TopKIntersection(**asked, k=k),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([metric(**given) for metric in metrics], float)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.001, 1), shift=st.sampled_from([0.0, 1, -1]))
def test_equal_to_quantus_on_signed_maps(seed, share, shift):
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((4, 40, 33)) + shift
    marked = generator.random((4, 40, 33)) < share
    marked[:, 0, 0] = True
    found = [localisation(a, s)[:4] for a, s in zip(values, marked, strict=True)]
    np.testing.assert_allclose(np.array(found).T, by_quantus(values, marked), atol=1e-12)


def test_equal_to_quantus_over_all_orders_of_equal_pixels():
    """Quantus takes one order of them, by a sort that is not stable; this is the mean of all."""
    generator = np.random.default_rng(3)
    orders = np.array(list(itertools.permutations(range(6))))
    for _ in range(5):
        values = generator.integers(-1, 3, 6).astype(float)
        marked = generator.random(6) < 0.5
        marked[0] = True
        shuffled = values[orders][:, None], marked[orders][:, None]
        found = localisation(values[None], marked[None])
        pointing, mass, rank, _ = by_quantus(*shuffled, k=3)
        assert rank.mean() == pytest.approx(found.rank, abs=1e-12)
        np.testing.assert_allclose(mass, found.mass)
        if found.pointing is not None:
            assert set(pointing) == {found.pointing}


def test_where_quantus_says_something_else():
    """Of an empty mask it gives NaN, but for the pointing game; signed mass leaves 0 to 1."""
    values = np.array([[[3.0, -1, -1, 0]]])
    empty = by_quantus(values, np.zeros((1, 1, 4), bool), k=3)[:, 0]
    assert empty[0] == 1  # NaN in an array of truth values
    assert np.isnan(empty[1:]).all()
    quantus = pytest.importorskip("quantus")
    signed = quantus.RelevanceMassAccuracy(disable_warnings=True, normalise=False)
    marked = np.array([[[True, False, False, False]]])
    (mass,) = signed.evaluate_batch(a_batch=values, s_batch=marked)
    assert mass == 3.0
    assert localisation(values[0], marked[0]).mass == 1.0
