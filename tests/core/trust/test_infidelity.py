"""What covered squares cost beside what a map says they do: as Captum measures it, and by hand."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import ModelError, SettingError
from core.methods.masked import WHOLE_PICTURES
from core.methods.scores import SCORE_KINDS, Question
from core.trust.infidelity import SQUARES, Squares, infidelity, square_steps
from tests.toys import Weighted, drained, network, picture, state

pytestmark = pytest.mark.usefixtures("one_thread")


def squares_of(module, inputs, question=None, baseline=0.0, seed=0):
    return drained(square_steps(module, inputs, question or Question(0), baseline, seed))[1]


def by_captum(module, inputs, values, squares, question, baseline):
    """Captum's number for the same squares; the map is spread over the channels."""
    masks = torch.from_numpy(squares.masks)[:, None].expand(-1, inputs.shape[1], -1, -1)

    def replay(batch):
        assert len(batch) == len(masks)
        return masks.float(), torch.where(masks, baseline, batch)

    spread = torch.from_numpy(values)[None, None].float().expand_as(inputs) / inputs.shape[1]
    found = captum_infidelity(
        lambda batch: question.scores(module(batch)),
        replay,
        inputs,
        spread,
        n_perturb_samples=len(masks),
        normalize=True,
    )
    return float(found)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["strided", "residual", "positional"]),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(SCORE_KINDS),
    tensor=st.booleans(),
)
def test_equal_to_captum_for_the_same_squares(name, seed, kind, tensor):
    module, inputs = network(name), picture(14, 12, seed)
    baseline = picture(14, 12, seed + 1) if tensor else torch.tensor(0.25)
    question = Question(1, kind=kind)
    squares = squares_of(module, inputs, question, baseline, seed)
    values = np.random.default_rng(seed).normal(size=(14, 12))
    expected = by_captum(module, inputs, values, squares, question, baseline)
    assert infidelity(values, squares).value == pytest.approx(expected, rel=1e-3, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(1e-4, 1e4))
def test_a_linear_network_is_explained_by_its_own_weights_in_any_unit(seed, factor):
    weights, inputs, baseline = (picture(12, 12, seed + more) for more in range(3))
    squares = squares_of(Weighted(weights), inputs, baseline=baseline, seed=seed)
    values = (weights * (inputs - baseline))[0].sum(0).double().numpy()
    found = infidelity(factor * values, squares)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.explained == pytest.approx(1, abs=1e-6)
    assert 0 <= found.flat < 1
    assert found.better
    assert found.verdict == "the map explains more than the size of the square alone"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_shares_are_shares_and_the_value_is_what_they_leave(seed):
    generator = np.random.default_rng(seed)
    masks = generator.random((9, 8, 8)) < 0.5
    squares = Squares(masks, generator.normal(size=9) * 10.0 ** generator.integers(-3, 4))
    found = infidelity(generator.normal(size=(8, 8)), squares)
    assert 0 <= found.flat <= 1
    assert 0 <= found.explained <= 1
    power = np.mean(squares.drops**2)
    assert found.value <= power * (1 + 1e-9)
    if found.explained:
        assert found.value == pytest.approx(power * (1 - found.explained))


def test_two_squares_by_hand():
    masks = np.zeros((2, 2, 2), bool)
    masks[0, 0, 0] = True
    masks[1] = True
    squares = Squares(masks, np.array([3.0, 4.0]))
    # Sums 1 and 2: the best factor is 11 / 5, which leaves 0.8 and 0.4 off.
    found = infidelity(np.array([[1.0, 0.5], [0.5, 0.0]]), squares)
    assert found.value == pytest.approx((0.8**2 + 0.4**2) / 2)
    assert found.explained == pytest.approx(1 - 0.4 / 12.5)
    # By size 1/4 and 1: the best factor is 4.75 / 1.0625.
    factor = 4.75 / 1.0625
    left = ((3 - factor / 4) ** 2 + (4 - factor) ** 2) / 2
    assert found.flat == pytest.approx(1 - left / 12.5)


def test_a_map_that_is_equal_everywhere_says_what_the_size_says():
    squares = squares_of(network("residual"), picture(12, 12), Question(1))
    found = infidelity(np.full((12, 12), 0.7), squares)
    assert found.explained == pytest.approx(found.flat)
    for value in (0.1, 0.3, 1.0, 7.0, 1e-6):  # whichever way the last bits fall
        assert not infidelity(np.full((12, 12), value, np.float32), squares).better
    assert not infidelity(np.zeros((12, 12)), squares).better
    assert infidelity(np.zeros((12, 12)), squares).explained == 0


def test_a_map_of_noise_says_less_than_the_size():
    """Covering costs what it covers: one unit a pixel."""
    inputs = torch.ones(1, 1, 24, 24)
    squares = squares_of(Weighted(torch.ones(1, 1, 24, 24)), inputs)
    found = infidelity(np.random.default_rng(0).normal(size=(24, 24)), squares)
    assert found.flat == pytest.approx(1)
    assert not found.better
    assert found.verdict == "the map explains no more than the size of the square alone"


def test_a_map_of_the_wrong_sign_explains_nothing():
    weights, inputs = picture(12, 12).abs(), torch.ones(1, 3, 12, 12)
    squares = squares_of(Weighted(weights), inputs)
    right = infidelity(weights[0].sum(0).numpy(), squares)
    wrong = infidelity(-weights[0].sum(0).numpy(), squares)
    assert right.better
    assert not wrong.better
    assert wrong.explained == 0
    assert wrong.value == pytest.approx(right.value, abs=1e-6)  # as Captum has it


def test_a_network_that_says_nothing():
    squares = squares_of(Weighted(torch.zeros(1, 3, 12, 12)), picture(12, 12))
    np.testing.assert_array_equal(squares.drops, np.zeros(SQUARES))
    found = infidelity(np.random.default_rng(0).normal(size=(12, 12)), squares)
    assert (found.value, found.explained, found.flat, found.better) == (0, 0, 0, False)


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_squares_are_squares_of_the_said_sizes(height, width, seed):
    assume(height * width > 1)
    inputs = torch.ones(1, 1, height, width)
    module = Weighted(torch.ones(1, 1, height, width))
    squares = squares_of(module, inputs, seed=seed)
    shorter = min(height, width)
    assert squares.masks.shape == (SQUARES, height, width)
    for mask in squares.masks:
        rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
        assert rows == columns
        assert mask.sum() == rows * columns, "without holes"
        assert max(1, round(shorter / 8)) <= rows <= max(1, round(shorter / 2))
    np.testing.assert_allclose(squares.drops, squares.masks.sum(axis=(1, 2)), rtol=1e-5)
    again = squares_of(module, inputs, seed=seed)
    np.testing.assert_array_equal(again.masks, squares.masks)
    if shorter > 7:
        other = squares_of(module, inputs, seed=seed + 1)
        assert (other.masks != squares.masks).any()


def test_nearly_every_pixel_is_covered_by_some_square():
    squares = squares_of(Weighted(torch.ones(1, 1, 56, 56)), torch.ones(1, 1, 56, 56))
    assert squares.masks.any(axis=0).mean() > 0.9


def test_every_square_and_the_picture_cost_a_pass_and_the_module_is_left_as_it_was(monkeypatch):
    module, inputs = network("residual"), picture(12, 12)
    before = state(module)
    fast, at_once = drained(square_steps(module, inputs, Question(0)))
    monkeypatch.setitem(WHOLE_PICTURES, "cpu", 1)
    slow, one_by_one = drained(square_steps(module, inputs, Question(0)))
    assert sum(fast) == sum(slow) == SQUARES + 1
    assert set(slow) == {1}
    np.testing.assert_allclose(at_once.drops, one_by_one.drops, atol=1e-5)
    assert state(module) == before


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(SettingError, match="choose one between 0 and 3"):
        squares_of(network("strided"), picture(12, 12), Question(4))
    with pytest.raises(ModelError, match="not finite"):
        squares_of(Weighted(torch.full((1, 3, 12, 12), torch.inf)), picture(12, 12))
