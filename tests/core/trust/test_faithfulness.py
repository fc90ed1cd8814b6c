"""Deletion, insertion and their controls: known by hand, and in the right order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ModelError, SettingError
from core.methods.masked import WHOLE_PICTURES
from core.methods.scores import Question
from core.trust.faithfulness import (
    DIRECTIONS,
    Curve,
    Faithfulness,
    control_orders,
    control_steps,
    curve_passes,
    curve_steps,
    faithfulness,
    order_of,
    orders,
)
from core.trust.settings import FaithfulnessSetting
from tests.toys import Weighted, drained, network, picture, state

pytestmark = pytest.mark.usefixtures("one_thread")

BETTER = "better than random orders and than the centre-first order"


def run(module, inputs, values, setting, question=None, baseline=0.0):
    """Deletion and insertion of a map beside their controls, and the passes of each batch."""
    asked = (module, inputs, question or Question(0))
    first, own = drained(curve_steps(*asked, [order_of(values, setting)], setting, baseline))
    second, controls = drained(control_steps(*asked, setting, baseline))
    return faithfulness(own, controls), [*first, *second]


def test_what_orders_the_blocks():
    setting = FaithfulnessSetting(block=2)
    assert orders(np.arange(8.0).reshape(2, 4), setting)
    assert not orders(np.ones((2, 4)), setting)  # a single value
    assert not orders(np.arange(4.0).reshape(2, 2), setting)  # a single block


def test_two_blocks_by_hand():
    module = Weighted(torch.tensor([3.0, 1.0]).view(1, 1, 1, 2))
    setting = FaithfulnessSetting(block=1, points=3, repeats=2)
    (deletion, insertion), passes = run(
        module, torch.ones(1, 1, 1, 2), np.array([[2.0, 1.0]]), setting
    )
    np.testing.assert_allclose(deletion.curve.shares, [0, 0.5, 1])
    np.testing.assert_allclose(deletion.curve.scores, [4, 1, 0])
    np.testing.assert_allclose(insertion.curve.scores, [0, 3, 4])
    assert deletion.curve.area == pytest.approx(1.5)
    assert insertion.curve.area == pytest.approx(2.5)
    # The ends of each; between them one point, of the map and of the middle in two directions, of
    # the two by chance in one.
    assert sum(passes) == 3 * 2 + 2 * (1 + 1) + 2
    assert min(passes) > 0


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
        assert bad.verdict == "no better than random orders"


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
        (
            judged(0.9, 0.95),
            "better than random orders, but not better than the centre-first order",
        ),
        (judged(0.65, 0.6), "no better than random orders"),
        (judged(0.2, 0.3, direction="insertion"), "no better than random orders"),
        (
            judged(0.1, 0.4, direction="deletion"),
            "better than random orders and than the centre-first order",
        ),
    ],
)
def test_verdicts(found, words):
    assert found.verdict == words


@pytest.mark.parametrize("wrong", [{"block": 0}, {"points": 2}, {"repeats": 1}, {"seed": -1}])
def test_settings_out_of_range(wrong):
    with pytest.raises(SettingError, match=r"choose between \d+ and \d+\.$"):
        FaithfulnessSetting(**wrong)


def test_what_does_not_fit_is_refused():
    setting, inputs = FaithfulnessSetting(block=3, points=3), picture(12, 12)
    with pytest.raises(SettingError, match="give the map of this input"):
        run(network("strided"), inputs, np.zeros((12, 8)), setting)
    with pytest.raises(SettingError, match="choose one between 0 and 3"):
        run(network("strided"), inputs, np.zeros((12, 12)), setting, Question(4))
    broken = Weighted(torch.full((1, 3, 12, 12), torch.nan))
    with pytest.raises(ModelError, match="not finite"):
        run(broken, inputs, np.zeros((12, 12)), setting)
    with pytest.raises(SettingError, match=r"the input's shape \(1, 3, 12, 12\)"):
        run(network("strided"), inputs, np.zeros((12, 12)), setting, None, torch.zeros(1, 3, 9, 9))


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    block=st.integers(1, 12),
    points=st.integers(3, 9),
    repeats=st.integers(2, 3),
)
def test_passes_are_known_before(size, block, points, repeats):
    setting = FaithfulnessSetting(block, points, repeats)
    module, inputs = Weighted(torch.ones(1, 1, *size)), torch.ones(1, 1, *size)
    middle = control_orders(size, setting)[0]
    own, alone = drained(curve_steps(module, inputs, Question(0), [middle], setting))
    taken, controls = drained(control_steps(module, inputs, Question(0), setting))
    assert (sum(own), sum(taken)) == curve_passes(size, setting)
    for direction in DIRECTIONS:
        assert len(controls[direction]) == 1 + repeats
        for curve in (*alone[direction], *controls[direction]):
            shares = curve.shares
            assert (shares[0], shares[-1]) == (0, 1)
            assert (np.diff(shares) > 0).all()
            wanted = min(points, -(-size[0] // block) * -(-size[1] // block) + 1)
            assert wanted <= len(shares) <= wanted + 2  # so that they are the same from both ends
            np.testing.assert_allclose(shares, 1 - shares[::-1])


def test_revealing_in_a_random_order_is_drawn_as_it_is():
    """Though no pass is made for it: it is the covering of the reverse, backwards."""
    setting = FaithfulnessSetting(block=3, points=6, repeats=2, seed=3)
    module, inputs, baseline = network("residual"), picture(12, 12), picture(12, 12, 1)
    asked = (module, inputs, Question(1, kind="probability"))
    _, controls = drained(control_steps(*asked, setting, baseline))
    _, *random = control_orders((12, 12), setting)
    reverse = [order[::-1] for order in random]
    _, drawn = drained(curve_steps(*asked, reverse, setting, baseline))
    for found, expected in zip(controls["insertion"][1:], drawn["insertion"], strict=True):
        np.testing.assert_allclose(found.shares, expected.shares)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    block=st.integers(1, 12),
    repeats=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_controls_are_orders_of_all_blocks_the_middle_first(size, block, repeats, seed):
    setting = FaithfulnessSetting(block, repeats=repeats, seed=seed)
    centre, *randoms = control_orders(size, setting)
    down, across = (-(-length // block) for length in size)
    assert len(randoms) == repeats
    for order in (centre, *randoms):
        assert sorted(order.tolist()) == list(range(down * across))
    # The middle of each block, as a share of the picture's sides, in the order of the blocks.
    rows, columns = (
        [(min(start + block, length) + start - 1) / 2 for start in range(0, length, block)]
        for length in size
    )
    away = [
        np.hypot(row / max(size[0] - 1, 1) - 0.5, column / max(size[1] - 1, 1) - 0.5)
        for row in rows
        for column in columns
    ]
    assert (np.diff(np.array(away)[centre]) > -1e-9).all()


def test_equal_blocks_keep_their_order():
    setting = FaithfulnessSetting(block=2)
    np.testing.assert_array_equal(order_of(np.zeros((4, 4)), setting), range(4))
    values = np.zeros((4, 4))
    values[:2, 2:] = [[9, -1], [-1, -1]]  # six together, more than the others' nothing
    values[2:, :2] = -1
    np.testing.assert_array_equal(order_of(values, setting), [1, 0, 3, 2])


def test_teams_and_the_size_of_batches_do_not_change_the_curves(monkeypatch):
    module, inputs, setting = network("residual"), picture(12, 12), FaithfulnessSetting(4, 9)
    orders = control_orders((12, 12), setting)
    fast, large = drained(curve_steps(module, inputs, Question(1), orders, setting))
    assert max(fast) > 1
    for threads, batch in ((3, 8), (1, 1), (2, 1)):
        torch.set_num_threads(threads)
        monkeypatch.setitem(WHOLE_PICTURES, "cpu", batch)
        slow, small = drained(curve_steps(module, inputs, Question(1), orders, setting))
        assert set(slow) == {1} or batch > 1
        for direction in DIRECTIONS:
            for one, many in zip(small[direction], large[direction], strict=True):
                np.testing.assert_allclose(one.scores, many.scores, atol=1e-5)
