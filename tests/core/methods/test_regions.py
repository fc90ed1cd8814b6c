"""The smallest regions: on toys where they are known, and by properties on any network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import ModelError, SettingError, UserError
from core.methods.cover_methods import RegionSetting
from core.methods.gradients import gradient_steps
from core.methods.regions import covered_by
from core.methods.scores import Question
from core.models.heads import Head

SIDE = 32
ASKED = Question(0)
ENOUGH, MUST_GO = RegionSetting("enough", blocks=8), RegionSetting("counterfactual", blocks=8)

pytestmark = pytest.mark.usefixtures("one_thread")


class Spots(nn.Module):
    """Class 0 speaks for either of two spots, class 1 always a little."""

    def __init__(self, both=False):
        super().__init__()
        self.both = both

    def forward(self, x):
        first, second = x[:, 0, 4:8, 4:8].mean((1, 2)), x[:, 0, 20:28, 20:24].mean((1, 2))
        spots = torch.minimum(first, second) if self.both else torch.maximum(first, second)
        return torch.stack([8 * spots, torch.full_like(spots, 4.0)], 1)


def made(module, setting, question=ASKED, inputs=None, baseline=0.0):
    inputs = torch.ones(1, 3, SIDE, SIDE) if inputs is None else inputs
    *_, last = gradient_steps(module, inputs, question, setting, baseline)
    return last.snapshot()


def block(top, left, height=4, width=4):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + height, left : left + width] = True
    return mask


FIRST, SECOND = block(4, 4), block(20, 20, 8, 4)


def test_one_of_two_spots_is_enough_and_both_are_found_apart():
    found = made(Spots(), replace(ENOUGH, answers=3))
    regions = {tuple(np.flatnonzero(found.values == value)) for value in (1, 0.5)}
    assert regions == {tuple(np.flatnonzero(spot)) for spot in (FIRST, SECOND)}
    assert len(found.found["regions"]) == 2  # there is no third
    assert sorted(said["share"] for said in found.found["regions"]) == [16 / 1024, 32 / 1024]
    assert {said["answer"] for said in found.found["regions"]} == {0}
    probability = 1 / (1 + np.exp(-4))
    for said in found.found["regions"]:
        assert said["probability"] == pytest.approx(probability, abs=1e-6)


def test_two_spots_that_are_both_needed():
    found = made(Spots(both=True), ENOUGH)
    assert np.array_equal(found.values == 1, FIRST | SECOND)
    assert np.array_equal(covered_by(found), ~(FIRST | SECOND))


def test_what_must_go():
    either = made(Spots(), MUST_GO)  # both: one alone keeps the answer
    (said,) = either.found["regions"]
    assert said["answer"] == 1
    inside = either.values == 1
    assert (inside & FIRST).any()
    assert (inside & SECOND).any()
    assert not (inside & ~(FIRST | SECOND)).any()
    one = made(Spots(both=True), MUST_GO)
    assert np.array_equal(covered_by(one), one.values == 1)
    assert (one.values == 1).sum() == 16  # a single block of either


@pytest.mark.parametrize("kind", ["enough", "counterfactual"])
@pytest.mark.parametrize("seed", range(3))
def test_the_region_serves_and_no_block_of_it_can_be_left_out(kind, seed):
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 4)
    ).eval()
    inputs = 3 * torch.randn(1, 3, SIDE, 40)
    with torch.no_grad():
        nothing = module(0 * inputs)[0]
        gained = module(inputs)[0] - nothing
        answer = int(gained.argmax())
        module[-1].bias -= nothing
        module[-1].bias[gained.argmin()] += gained.max() / 3  # what the baseline alone is called
    found = made(module, RegionSetting(kind, blocks=8, keep=0.0), Question(answer), inputs)
    inside = torch.from_numpy(found.values == 1)

    def serves(inside):
        shown = inside if kind == "enough" else ~inside
        return (int(module(torch.where(shown, inputs, 0.0)).argmax()) == answer) == (
            kind == "enough"
        )

    assert serves(inside)
    for top in range(8):
        for left in range(8):
            smaller = inside.clone()
            smaller[top * 4 : top * 4 + 4, left * 5 : left * 5 + 5] = False
            assert smaller.equal(inside) or not smaller.any() or not serves(smaller)


def test_enough_keeps_the_share_of_the_probability_that_is_asked_for():
    class Sum(nn.Module):
        def forward(self, x):
            amount = x[:, :1].mean((2, 3))
            return torch.cat([6 * amount, 1 + 0 * amount], 1)

    def probability(share):
        return 1 / (1 + np.exp(1 - 6 * share))

    for keep in (0.6, 0.9, 0.99):
        (said,) = made(Sum(), replace(ENOUGH, keep=keep)).found["regions"]
        least = keep * probability(1)
        assert probability(said["share"]) >= least > probability(said["share"] - 1 / 64)


def test_labels_cross_their_thresholds():
    class Label(nn.Module):
        def forward(self, x):
            spot = x[:, 0, 4:8, 4:8].mean((1, 2))
            return torch.stack([4 * spot - 2, 0 * spot], 1)

    labels = Question(0, head=Head("sigmoid", (0.6,)))
    enough, gone = (made(Label(), each, labels) for each in (ENOUGH, MUST_GO))
    assert np.array_equal(enough.values == 1, FIRST)
    assert enough.found["regions"][0]["target_probability"] == pytest.approx(0.8808, abs=1e-4)
    assert not (gone.values[~FIRST]).any()
    assert gone.found["regions"][0]["target_probability"] < 0.6
    # A label that does not hold changes where covering makes it hold.
    raised = made(Label(), MUST_GO, labels, -torch.ones(1, 3, SIDE, SIDE), baseline=1.0)
    assert np.array_equal(raised.values == 1, FIRST)
    assert raised.found["regions"][0]["target_probability"] >= 0.6


@pytest.mark.parametrize(
    ("for_it", "against_it", "blocks"),
    [
        (FIRST, SECOND, 8),
        (block(4, 4, 2, 4), block(6, 4, 2, 4), 16),  # one coarse block covers both
    ],
)
def test_what_must_go_where_the_baseline_alone_has_the_answer(for_it, against_it, blocks):
    class Balance(nn.Module):
        def forward(self, x):
            amounts = [x[:, 0, torch.from_numpy(mask)].mean(1) for mask in (for_it, against_it)]
            return torch.stack([8 * (amounts[1] - amounts[0]), 4 + 0 * amounts[0]], 1)

    module, everything = Balance(), torch.ones(1, 3, SIDE, SIDE)
    assert [int(module(each).argmax()) for each in (everything, 0 * everything)] == [1, 1]
    found = made(module, replace(MUST_GO, blocks=blocks), Question(1))
    assert np.array_equal(found.values == 1, for_it)
    assert found.found["regions"][0]["answer"] == 0
    with pytest.raises(ModelError, match="so no part of the picture is needed for it"):
        made(module, ENOUGH, Question(1))


@pytest.mark.parametrize(
    ("module", "question", "words"),
    [
        (Spots(), Question(1), "The target is not what the model says"),
        (Spots(), Question(0, head=Head("value")), "This model gives values"),
        (
            nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
            None,
            "The baseline alone gets the same answer",
        ),
    ],
)
def test_where_there_is_no_such_region(module, question, words):
    if question is None:
        module[-1].weight.data[:] = 0
        module[-1].bias.data[:] = torch.tensor([1.0, 0.0])
        question = Question(0)
    for setting in (ENOUGH, MUST_GO):
        with pytest.raises(UserError, match=words):
            made(module, setting, question)


def test_it_forms_and_can_be_left():
    steps = gradient_steps(Spots(), torch.ones(1, 3, SIDE, SIDE), Question(0), ENOUGH)
    points = [next(steps) for _ in range(12)]
    assert all(point.done < point.total for point in points)
    steps.close()
    shares = [(point.snapshot().values > 0).mean() for point in points]
    found = [share for share in shares if share]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    "options", [{"blocks": 15}, {"answers": 0}, {"answers": 6}, {"keep": 1.1}, {"keep": -0.1}]
)
def test_settings_out_of_range(options):
    with pytest.raises(SettingError):
        RegionSetting("enough", **options)
