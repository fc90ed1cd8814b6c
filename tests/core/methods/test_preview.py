"""The order of visits misses nothing and doubles nothing, and guesses between are sane."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.methods.preview import coarse, interpolate, legs

SHAPES = st.tuples(st.integers(1, 16), st.integers(1, 16))


def visit(shape, known, answers):
    """All legs, visited as the caller of `legs` is to visit them."""
    visited = []
    for leg in legs(shape, known, lambda: answers):
        assert len(leg) > 0
        assert not known[leg].any(), "a window that is known already"
        assert len(set(leg.tolist())) == len(leg)
        known[leg] = True
        visited.append(leg)
    return visited


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, share=st.floats(0, 1), seed=st.integers(0, 1000), flat=st.booleans())
def test_every_unknown_window_is_visited_exactly_once(shape, share, seed, flat):
    random = np.random.default_rng(seed)
    known = random.random(shape[0] * shape[1]) < share
    before = known.copy()
    answers = np.zeros((len(known), 2)) if flat else random.normal(size=(len(known), 2))
    visited = visit(shape, known, answers)
    assert known.all()
    assert sorted(np.concatenate([[], *visited])) == np.flatnonzero(~before).tolist()


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_answers_of_unknown_windows_are_never_read(shape, seed):
    random = np.random.default_rng(seed)
    known = random.random(shape[0] * shape[1]) < 0.2
    truth = random.normal(size=(len(known), 2))
    orders = []
    for unknown in (np.nan, 1e9):
        seen = known.copy()
        order = []
        for leg in legs(shape, seen, lambda: np.where(seen[:, None], truth, unknown)):  # noqa: B023
            seen[leg] = True
            order.append(leg.tolist())
        orders.append(order)
    assert orders[0] == orders[1]


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_the_first_leg_reaches_every_corner_of_the_image(shape):
    first = next(legs(shape, np.zeros(shape[0] * shape[1], bool), lambda: np.zeros((0, 1))))
    places = np.indices(shape).reshape(2, -1).T
    apart = np.abs(places[:, None] - places[first]).max(-1).min(1)
    assert apart.max() <= 3
    if len(places) > 64:
        assert len(first) <= np.ceil(shape[0] / 4) * np.ceil(shape[1] / 4)
    else:
        assert len(first) == len(places), "so few windows are visited at once"


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_the_first_leg_is_the_coarse_grid(shape):
    first = next(legs(shape, np.zeros(shape[0] * shape[1], bool), lambda: np.zeros((0, 1))))
    np.testing.assert_array_equal(np.flatnonzero(coarse(shape)), np.sort(first))


def test_the_coarse_grid_by_hand():
    grid = coarse((9, 10)).reshape(9, 10)
    np.testing.assert_array_equal(np.flatnonzero(grid.any(axis=1)), [1, 5])
    np.testing.assert_array_equal(np.flatnonzero(grid.any(axis=0)), [1, 5, 9])
    assert grid.sum() == 6
    assert coarse((8, 8)).all()
    line = coarse((1, 100))
    np.testing.assert_array_equal(np.flatnonzero(line), range(1, 100, 4))


def test_windows_are_spent_where_the_answers_differ():
    shape = (24, 24)
    rows, columns = np.indices(shape)
    # Waves in the left half, nothing in the right one.
    answers = (np.sin(rows * 1.3) * np.cos(columns) * (columns < 12)).reshape(-1, 1)
    visited = visit(shape, np.zeros(576, bool), answers)
    chosen = np.concatenate(visited[1:-1]) % 24
    assert len(visited) > 4
    assert (chosen < 12).sum() > 1.5 * (chosen >= 12).sum()
    assert (chosen >= 12).any(), "flat parts are not forgotten"


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, share=st.floats(0.05, 1), seed=st.integers(0, 1000))
def test_interpolation_is_exact_where_known_and_finite_everywhere(shape, share, seed):
    random = np.random.default_rng(seed)
    known = random.random(shape[0] * shape[1]) < share
    values = random.normal(size=known.sum())
    filled = interpolate(shape, known, values)
    assert filled.shape == known.shape
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[known], values)


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 1000), value=st.floats(-100, 100))
def test_a_constant_stays_a_constant(shape, seed, value):
    known = np.random.default_rng(seed).random(shape[0] * shape[1]) < 0.3
    known[seed % len(known)] = True
    filled = interpolate(shape, known, np.full(known.sum(), value))
    np.testing.assert_allclose(filled, value, atol=1e-6 * max(1, abs(value)))


def test_nothing_known_is_zero():
    assert interpolate((2, 3), np.zeros(6, bool), np.zeros(0)).tolist() == [0] * 6


@pytest.mark.parametrize("side", [16, 60], ids=["one solution", "neighbourhoods"])
def test_a_ramp_is_nearly_a_ramp(side):
    rows, columns = np.indices((side, side)) / side
    ramp = (rows + 2 * columns).ravel()
    known = np.zeros(side * side, bool)
    known.reshape(side, side)[:: 2 if side > 16 else 4, :: 2 if side > 16 else 4] = True
    known.reshape(side, side)[-1, :: 2 if side > 16 else 4] = True
    known.reshape(side, side)[:, -1] = True
    filled = interpolate((side, side), known, ramp[known])
    assert np.abs(filled - ramp).max() < 0.1  # of a range of nearly 3
    assert spearmanr(filled, ramp).statistic > 0.99


def test_mirrored_values_give_a_mirrored_map():
    random = np.random.default_rng(3)
    known = random.random((9, 9)) < 0.3
    values = random.normal(size=(9, 9))
    plain = interpolate((9, 9), known.ravel(), values[known]).reshape(9, 9)
    flipped, mirrored = known[:, ::-1], values[:, ::-1]
    again = interpolate((9, 9), flipped.ravel(), mirrored[flipped]).reshape(9, 9)
    np.testing.assert_allclose(again[:, ::-1], plain, atol=1e-9)
