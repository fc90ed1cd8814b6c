"""What the network itself says, and which differences from it are rounding."""

import numpy as np
import pytest
import torch
from torch import nn

from core.engine.agreement import (
    ROUNDING,
    Agreement,
    covered,
    difference,
    first_line,
    is_rounding,
    numbers_to_check,
    only_rounding,
    own_batch,
    own_scores,
    probes,
)
from core.errors import ModelError, SettingError
from tests.toys import CLASSES, network, picture

pytestmark = pytest.mark.usefixtures("one_thread")

INF, NAN = float("inf"), float("nan")


class Returning(nn.Module):
    """Computes its output by any function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def pictures(count):
    return torch.cat([picture(seed=seed) for seed in range(count)])


def test_each_picture_is_computed_alone():
    seen = []

    def forward(x):
        seen.append(len(x))
        return x.mean((2, 3)) - x.mean((0, 2, 3))  # of a batch, this would be something else

    scores = own_scores(Returning(forward), pictures(3))
    assert seen == [1, 1, 1]
    assert torch.equal(scores, torch.zeros(3, 3))
    assert own_batch(Returning(forward), pictures(3)).abs().max() > 1e-3
    assert seen == [1, 1, 1, 3]


def test_scores_are_plain_and_the_picture_stays():
    module, given = network("residual"), pictures(2).requires_grad_()
    expected = torch.cat([module(each) for each in given.split(1)]).detach()
    before = given.detach().clone()
    shifting = Returning(lambda x: module(x.sub_(1).add_(1)))
    with torch.inference_mode():
        scores, together = own_scores(shifting, given), own_batch(shifting, given)
    assert not scores.requires_grad
    assert not together.is_inference()
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(together, expected)
    assert torch.equal(given.detach(), before)


def test_scores_that_a_network_writes_over_are_copied():
    kept = torch.zeros(1, 2)

    def forward(x):
        return kept.copy_(x.mean((1, 2, 3))[:, None].expand(1, 2))

    scores = own_scores(Returning(forward), pictures(2))
    assert not torch.equal(scores[0], scores[1])


@pytest.mark.parametrize("shape", [(1, 4, 12, 12), (1, 3, 2, 2)])
def test_a_picture_that_the_network_does_not_take(shape):
    module = nn.Sequential(nn.Conv2d(3, CLASSES, 3), nn.AdaptiveAvgPool2d(1))
    said = ", ".join(map(str, shape))
    with pytest.raises(ModelError) as refused:
        own_scores(module, torch.zeros(shape))
    sentence = str(refused.value)
    assert sentence.startswith(
        f"The model cannot be computed on an input of shape ({said}) and type float32: "
    )
    assert sentence.endswith(". Give it pictures of the size, channels and type that it takes.")
    assert "\n" not in sentence


def test_one_row_for_all_pictures():
    def forward(x):
        return x.mean((0, 2, 3))[None]

    assert own_scores(Returning(forward), pictures(3)).shape == (3, 3)
    with pytest.raises(ModelError, match="returns 1 row of scores for 3 pictures: it has to"):
        own_batch(Returning(forward), pictures(3))


def test_errors_that_say_what_to_do_are_left_as_they_are():
    def refuse(_):
        raise SettingError("Choose another.")

    with pytest.raises(SettingError, match=r"^Choose another\.$"):
        own_batch(Returning(refuse), pictures(1))


def test_too_little_memory_is_no_fault_of_the_model():
    def exhaust(_):
        raise MemoryError

    with pytest.raises(MemoryError):
        own_batch(Returning(exhaust), pictures(1))


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.5, 1.0], 1.0),
        ([NAN, 2.0], [NAN, 1.0], 1.0),
        ([NAN, NAN], [NAN, NAN], 0.0),
        ([INF, -INF], [INF, -INF], 0.0),
        ([INF, 1.0], [-INF, 1.0], INF),
        ([NAN, 1.0], [1.0, 1.0], INF),
        ([1.0, 1.0], [1.0, NAN], INF),
        ([INF, 1.0], [1.0, 1.0], INF),
        ([INF, 1.0], [NAN, 1.0], INF),
        ([3e38, 0.0], [-3e38, 0.0], 6e38),  # finite, though not in float32
        ([1.0, 2.0], [1.0, 2.0, 3.0], INF),
        ([], [], 0.0),
    ],
)
def test_difference(scores, truth, expected):
    found = difference(torch.tensor([scores]), torch.tensor([truth]))
    assert found == pytest.approx(expected, rel=1e-6)
    assert difference(torch.tensor([truth]), torch.tensor([scores])) == found


def test_differences_of_short_types_are_not_rounded():
    whole, half = torch.tensor([[1.0001, 60000.0]]), torch.tensor([[1.0, -60000.0]]).half()
    assert difference(whole, half) == 120000


@pytest.mark.parametrize("dtype", ROUNDING)
def test_rounding_is_a_share_of_the_largest_logit(dtype):
    truth = torch.tensor([[1.0, -50.0, NAN, INF]], dtype=dtype)
    assert is_rounding(49 * ROUNDING[dtype], truth, dtype)
    assert not is_rounding(51 * ROUNDING[dtype], truth, dtype)
    assert not is_rounding(INF, truth, dtype)


def test_without_finite_logits_only_equality_is_rounding():
    truth = torch.tensor([[NAN, INF]])
    assert is_rounding(0.0, truth, torch.float32)
    assert not is_rounding(1e-12, truth, torch.float32)


class Amplifying(nn.Module):
    """Multiplies every rounding of its input by a million."""

    def forward(self, x):
        mean = x.mean((2, 3))
        return torch.cat([1e6 * (mean - mean.round(decimals=2)), mean], 1)


def test_a_network_that_amplifies_rounding_is_allowed_more():
    given = pictures(2) + 10
    module = Amplifying()
    truth = own_scores(module, given)
    eps = torch.finfo(torch.float32).eps
    moved = given + given * eps  # one unit in the last place
    found = difference(own_scores(module, moved), truth)
    assert not is_rounding(found, truth, torch.float32)
    assert only_rounding(module, found, given, truth)
    assert not only_rounding(module, float(truth.abs().max()), given, truth)
    assert not only_rounding(module, INF, given, truth)
    assert not only_rounding(module, NAN, given, truth)


def test_a_network_that_does_not_amplify_is_not():
    module, given = network("residual"), pictures(2)
    truth = own_scores(module, given)
    scale = float(truth.abs().max())
    assert only_rounding(module, 1e-5 * scale, given, truth)
    assert not only_rounding(module, 1e-3 * scale, given, truth)


def test_noise_is_no_rounding():
    """However much a noisy network scatters, that excuses nothing."""
    generator = torch.Generator().manual_seed(0)
    module = Returning(lambda x: x.mean((2, 3)) + torch.rand(len(x), 3, generator=generator))
    given = pictures(2)
    truth = own_scores(module, given)
    again = difference(own_scores(module, given), truth)
    assert again > 0.1
    assert not only_rounding(module, again, given, truth)
    assert not only_rounding(module, 1e-3, given, truth)


@pytest.mark.parametrize(
    ("windows", "count"), [(1, 1), (2, 1), (99, 1), (199, 1), (200, 2), (399, 3), (10**6, 4)]
)
def test_one_window_of_a_hundred_is_checked(windows, count):
    numbers = numbers_to_check(windows)
    assert len(set(numbers.tolist())) == len(numbers) == count
    assert numbers.min() >= 0
    assert numbers.max() < windows
    np.testing.assert_array_equal(numbers_to_check(windows), numbers)


def test_agreements_are_added():
    assert Agreement(2, 0.5) + Agreement(3, 0.25) == Agreement(5, 0.5)
    assert Agreement() + Agreement(1, 0.1) == Agreement(1, 0.1)
    pair = 1, 0.1
    with pytest.raises(TypeError):
        Agreement() + pair


@pytest.mark.parametrize("size", [(12, 9), (1, 1), (3, 2), (4, 40)])
def test_probes_change_any_picture(size):
    for inputs in (picture(*size), torch.zeros(1, 3, *size), torch.ones(1, 2, *size)):
        patches, tops, lefts = probes(inputs)
        changed = covered(inputs, patches, tops, lefts)
        assert changed.shape == (2, *inputs.shape[1:])
        assert all(not torch.equal(each, inputs[0]) for each in changed)
        assert (tops[1], lefts[1]) == (0, 0)


def test_covered_by_hand():
    inputs = torch.zeros(1, 1, 2, 3)
    patches = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
    changed = covered(inputs, patches, [0, 1], [1, 0])
    assert changed[:, 0].tolist() == [[[0, 1, 2], [0, 0, 0]], [[0, 0, 0], [3, 4, 0]]]
    assert not inputs.any()


def test_the_first_line_of_an_error():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError("\n  one  \n")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(KeyError("k")) == "'k'"
