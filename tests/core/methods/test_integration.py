"""Points where the path needs them: known by hand, true to the promise, as Captum says."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.remembered import memory
from core.methods.gradient_methods import MOST_POINTS, IntegratedGradientsSetting
from core.methods.gradients import gradient_steps, integrated_gradients
from core.methods.integration import adaptive, even
from core.methods.request import Asked
from core.methods.scores import SCORE_KINDS, Question
from tests.toys import CLASSES, Linear, OneLogit, network, picture, seeded, two_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

ENOUGH = IntegratedGradientsSetting("enough")
KINKED = ["strided", "grouped", "unpadded", "residual", "concatenated", "positional", "untraceable"]


def asked(module, inputs, level=0.0, target=1):
    reference = torch.full_like(inputs, level)
    network = memory.prepared(module, inputs).network
    return Asked(network, inputs, reference, Question(target))


def change(module, inputs, level, question):
    with torch.no_grad():
        both = question.scores(module(torch.cat([inputs, torch.full_like(inputs, level)])).double())
    return float(both[0] - both[1])


def test_a_linear_network_is_exact_with_the_first_points():
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    baseline = picture(3, 4, seed=1, channels=2)
    found = integrated_gradients(module, inputs, target=2, steps="enough", baseline=baseline)
    weight = module.layer.weight[2].detach().view(2, 3, 4)
    np.testing.assert_allclose(found.values, (weight * (inputs - baseline)[0]).sum(0), atol=1e-6)
    assert found.gap == pytest.approx(0, abs=1e-5)
    assert found.forward_passes == 9 + 2  # the ends of eight pieces, and the two scores


def test_a_kink_known_by_hand():
    # relu(2a - 1) on the path to (3, 1), as in the tests of even steps: 3/2 and -1/2.
    module = OneLogit(lambda x, y: torch.relu(torch.relu(x) - 1 - torch.relu(y)))
    found = integrated_gradients(module, two_pixels(3.0, 1.0), target=0, steps="enough")
    np.testing.assert_allclose(found.values, [[1.5, -0.5]], rtol=0.011)
    assert abs(found.gap) <= 0.01 * found.change


def test_a_kink_off_the_first_points_is_found_by_halving():
    # The slope jumps from 0 to 100 at 0.99 of the path, which even steps meet only by chance.
    module = OneLogit(lambda x, y: 100 * torch.relu(x - 0.99) + 0 * y)
    found = integrated_gradients(module, two_pixels(1.0, 1.0), target=0, steps="enough")
    assert found.values[0, 0] == pytest.approx(1, abs=0.011)
    assert found.values[0, 1] == 0
    assert found.forward_passes - 2 < 100
    few = integrated_gradients(module, two_pixels(1.0, 1.0), target=0, steps=100)
    assert abs(few.gap) > 0.04


def test_a_product_known_by_hand():
    # Trapezoids are exact for the straight slopes of x y.
    module = OneLogit(lambda x, y: x * y)
    found = integrated_gradients(module, two_pixels(3.0, 2.0), target=0, steps="enough")
    np.testing.assert_allclose(found.values, [[3, 3]], atol=1e-6)
    from_one = integrated_gradients(
        module, two_pixels(3.0, 2.0), target=0, steps="enough", baseline=1.0
    )
    np.testing.assert_allclose(from_one.values, [[3, 2]], atol=1e-6)


@pytest.mark.parametrize("name", KINKED)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(SCORE_KINDS),
    contrast=st.sampled_from([None, 0, 3]),
    level=st.floats(-1, 1),
)
def test_near_enough_or_all_points_used(name, seed, kind, contrast, level):
    module, inputs = network(name, seed), picture(11, 9, seed)
    question = Question(1, contrast, kind)
    found = integrated_gradients(
        module, inputs, target=1, steps="enough", baseline=level, contrast=contrast, score=kind
    )
    passes = found.forward_passes - 2
    assert 9 <= passes <= MOST_POINTS
    wanted = change(module, inputs, level, question)
    assert found.change == pytest.approx(wanted, abs=1e-5)
    off = abs(float(found.values.sum(dtype=float)) - wanted)
    # The float32 scores of batches of different sizes differ in their last digits.
    assert off <= 0.01 * abs(wanted) + 2e-5 or passes == MOST_POINTS


@pytest.mark.parametrize("name", ["strided", "residual", "concatenated", "positional", "unpadded"])
def test_as_captum_says_with_very_many_steps(name):
    module, inputs = network(name), picture(11, 9)
    ours = integrated_gradients(module, inputs, target=1, steps="enough")
    theirs = IntegratedGradients(module).attribute(
        inputs, 0.0, 1, n_steps=600, internal_batch_size=100
    )
    theirs = theirs.sum(1)[0].detach().numpy()
    # Each pixel may be off, too, by what the pieces may be off together.
    assert np.abs(ours.values - theirs).max() < 0.05 * np.abs(theirs).max()
    assert np.corrcoef(ours.values.ravel(), theirs.ravel())[0, 1] > 0.995


def test_fewer_points_than_even_steps_need():
    module, inputs = network("residual"), picture(16, 16)

    def gap(steps):
        found = integrated_gradients(module, inputs, target=1, steps=steps)
        return abs(found.gap / found.change), found.forward_passes - 2

    off, passes = gap("enough")
    assert off <= 0.01
    steady = next(n for n in range(8, 600, 8) if all(gap(n + m)[0] <= 0.01 for m in (0, 8, 16)))
    assert passes < steady


def test_the_pieces_cannot_cancel_each_other_by_luck():
    # The score goes up and comes back: the whole sum of the first points is right by symmetry.
    module = OneLogit(lambda x, y: torch.relu(x - 0.45) - torch.relu(x - 0.55) + y)
    found = integrated_gradients(module, two_pixels(1.0, 1.0), target=0, steps="enough")
    np.testing.assert_allclose(found.values, [[0.1, 1.0]], atol=0.02)
    assert found.forward_passes - 2 > 9


def test_no_change_of_the_score_ends_at_the_cap():
    # Up by one and down again: nothing to be within 1 % of, but pixels with a share each.
    module = OneLogit(
        lambda x, y: torch.relu(x - 0.3) - torch.relu(y - 0.6) * 0.7 / 0.4 + 0.1 * torch.sin(9 * x)
        - 0.1 * torch.sin(9 * y)
    )  # fmt: skip
    inputs = two_pixels(1.0, 1.0)
    assert change(module, inputs, 0.0, Question(0)) == pytest.approx(0, abs=1e-6)
    found = integrated_gradients(module, inputs, target=0, steps="enough")
    assert found.forward_passes - 2 == MOST_POINTS
    shares = 0.7 + 0.1 * np.sin(9)
    np.testing.assert_allclose(found.values, [[shares, -shares]], atol=0.02)


def test_baseline_and_picture_the_same():
    found = integrated_gradients(
        network("residual"), torch.full((1, 3, 9, 9), 0.5), target=1, steps="enough", baseline=0.5
    )
    assert not found.values.any()
    assert found.gap == found.change == 0
    assert found.forward_passes - 2 == 9


@pytest.mark.parametrize("method", [adaptive, lambda a: even(a, 40)], ids=["adaptive", "even"])
@pytest.mark.parametrize("name", ["residual", "unpadded"])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.usefixtures("teams")
def test_every_point_on_the_way_can_be_shown(method, name, batch, monkeypatch):
    monkeypatch.setattr("core.methods.request._LARGEST_BATCH", {"cpu": batch})
    module, inputs = network(name), picture(9, 10)
    points = list(method(asked(module, inputs)))
    assert points[-1].done == points[-1].total
    assert all(point.done < point.total for point in points[:-1])
    done = [point.done for point in points]
    assert done == sorted(set(done))
    for point in points:
        values = point.values()
        assert values.shape == (3, 9, 10)
        assert values.dtype == torch.float64
        assert values.isfinite().all()
    if batch == 1:
        assert done == list(range(1, len(done) + 1))


@pytest.mark.usefixtures("one_by_one")
def test_what_was_yielded_early_can_be_read_when_more_is_known():
    # A page reads a snapshot while the next batch is computed: it may be newer, never broken.
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    points = list(adaptive(asked(module, inputs)))
    for point in points:
        torch.testing.assert_close(point.values(), points[-1].values())


@pytest.mark.usefixtures("one_by_one")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), level=st.floats(-2, 2), target=st.integers(0, CLASSES - 1))
def test_every_point_stands_for_the_whole_path_of_a_linear_network(seed, level, target):
    module, inputs = seeded(Linear, seed), picture(3, 4, seed, channels=2)
    weight = module.layer.weight[target].detach().view(2, 3, 4)
    exact = (weight * (inputs[0] - level)).double()
    given = asked(module, inputs, level, target)
    early = [point.values() for point in adaptive(given)]
    for values in early:
        torch.testing.assert_close(values, exact, atol=1e-5, rtol=0)
    assert len(early) > 1


@pytest.mark.usefixtures("one_by_one")
def test_the_first_point_alone_stands_for_the_path_too():
    module, inputs = seeded(Linear), picture(3, 4, channels=2)
    points = adaptive(asked(module, inputs))
    first = next(points)
    seen = first.values()
    assert first.done == 1
    torch.testing.assert_close(seen, list(points)[-1].values())


@pytest.mark.parametrize("setting", [ENOUGH, IntegratedGradientsSetting(30)], ids=str)
def test_teams_and_the_size_of_batches_change_nothing_but_speed(setting, monkeypatch):
    module, inputs = network("strided"), picture(10, 10)
    found = []
    for threads, batch in ((1, 8), (1, 1), (1, 3), (3, 8), (2, 1)):
        torch.set_num_threads(threads)
        monkeypatch.setattr("core.methods.request._LARGEST_BATCH", {"cpu": batch})
        found.append(list(gradient_steps(module, inputs, Question(2), setting))[-1].snapshot())
    for other in found[1:]:
        np.testing.assert_allclose(other.values, found[0].values, atol=1e-5)
        assert other.forward_passes == found[0].forward_passes
        assert other.change == found[0].change


def test_what_the_map_says_of_itself():
    found = integrated_gradients(network("residual"), picture(), target=1, steps="enough")
    assert dict(found.parameters) == {"steps": "enough", "baseline": 0.0}
    assert found.method == "integrated_gradients"
    assert found.gap == pytest.approx(float(found.values.sum(dtype=float)) - found.change)
