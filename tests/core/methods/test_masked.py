"""Scores of covered pictures: the same as covering one at a time by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.engine.teams import alone
from core.errors import ModelError, SettingError
from core.methods.masked import WHOLE_PICTURES, covered_scores
from core.methods.scores import SCORE_KINDS, Question
from tests.toys import Counted, Weighted, drained, network, picture, seeded, state

pytestmark = pytest.mark.usefixtures("one_thread")


def masks_of(count, seed=0, side=12):
    return np.random.default_rng(seed).random((count, side, side)) < 0.4


def by_hand(module, inputs, masks, question, baseline):
    found = []
    with torch.no_grad():
        for mask in masks:
            seen = inputs.clone()
            for row, column in zip(*np.nonzero(mask), strict=True):
                at = np.s_[..., row, column]
                seen[at] = baseline[at] if isinstance(baseline, torch.Tensor) else baseline
            found += question.scores(module(seen).double()).tolist()
    return np.array(found)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["strided", "grouped", "residual", "positional", "untraceable"]),
    count=st.integers(1, 20),
    seed=st.integers(0, 1000),
    baseline=st.one_of(st.none(), st.floats(-3, 3)),
    contrast=st.sampled_from([None, 3]),
    kind=st.sampled_from(SCORE_KINDS),
)
def test_equal_to_covering_by_hand(name, count, seed, baseline, contrast, kind):
    module, inputs, masks = network(name), picture(12, 12, seed), masks_of(count, seed)
    question = Question(1, contrast, kind)
    cover = picture(12, 12, seed + 1) if baseline is None else baseline
    before = state(module)
    yielded, scores = drained(covered_scores(module, inputs, masks, question, cover))
    assert (scores.shape, scores.dtype) == ((count,), np.float64)
    np.testing.assert_allclose(
        scores, by_hand(module, inputs, masks, question, cover), rtol=1e-4, atol=1e-4
    )
    assert sum(yielded) == count
    assert state(module) == before


def test_nothing_and_everything_covered():
    module, inputs, cover = network("residual"), picture(12, 12), picture(12, 12, 1)
    masks = np.stack([np.zeros((12, 12), bool), np.ones((12, 12), bool)])
    _, scores = drained(covered_scores(module, inputs, masks, Question(2), cover))
    with torch.no_grad():
        expected = module(torch.cat([inputs, cover]))[:, 2]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize("batch", [1, 4, 8, 100])
def test_the_size_of_batches_changes_no_number(batch, monkeypatch):
    monkeypatch.setitem(WHOLE_PICTURES, "cpu", batch)
    module, inputs, masks = network("concatenated"), picture(12, 12), masks_of(21)
    yielded, scores = drained(covered_scores(module, inputs, masks, Question(0), 0.5))
    assert sum(yielded) == 21
    assert yielded[0] == max(yielded) == min(batch, 21)
    expected = by_hand(module, inputs, masks, Question(0), 0.5)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_what_was_yielded_was_seen_and_no_more():
    module, inputs = Counted(network("strided")), picture(12, 12)
    steps = covered_scores(module, inputs, masks_of(20), Question(0))
    first = next(steps)
    steps.close()
    alone(lambda: None)  # comes after what was begun
    assert 0 < first <= sum(module.seen) < 20
    # And the next one may begin at once.
    yielded, _ = drained(covered_scores(module, inputs, masks_of(20), Question(0)))
    assert sum(yielded) == 20


def test_pictures_that_depend_on_each_other_go_one_by_one():
    def make():
        batch_norm = nn.BatchNorm2d(3, track_running_stats=False)
        return nn.Sequential(batch_norm, network("strided"))

    module, inputs, masks = seeded(make).eval(), picture(12, 12), masks_of(6)
    _, scores = drained(covered_scores(module, inputs, masks, Question(0)))
    np.testing.assert_allclose(
        scores, by_hand(module, inputs, masks, Question(0), 0.0), rtol=1e-4, atol=1e-4
    )


def test_no_masks_no_passes():
    module = network("strided")
    masks = np.zeros((0, 12, 12), bool)
    yielded, scores = drained(covered_scores(module, picture(12, 12), masks, Question(0)))
    assert yielded == []
    assert scores.shape == (0,)


def test_what_does_not_fit_is_refused():
    module, inputs, masks = network("strided"), picture(12, 12), masks_of(2)
    with pytest.raises(SettingError, match="give one picture"):
        drained(covered_scores(module, torch.cat([inputs, inputs]), masks, Question(0)))
    with pytest.raises(SettingError, match=r"the input's shape \(1, 3, 12, 12\)"):
        drained(covered_scores(module, inputs, masks, Question(0), torch.zeros(1, 3, 12, 11)))
    with pytest.raises(SettingError, match=r"input is on the meta device, .* give a picture on"):
        drained(covered_scores(module, inputs.to("meta"), masks, Question(0)))
    with pytest.raises(SettingError, match=r"baseline is on the meta device, .* give a number, or"):
        drained(covered_scores(module, inputs, masks, Question(0), inputs.to("meta")))
    with pytest.raises(ModelError, match=r"meta device, .* load the weights onto"):
        drained(covered_scores(network("strided").to("meta"), inputs, masks, Question(0)))
    with pytest.raises(SettingError, match="choose one between 0 and 3"):
        drained(covered_scores(module, inputs, masks, Question(9)))
    broken = Weighted(torch.full((1, 3, 12, 12), torch.nan))
    with pytest.raises(ModelError, match="not finite numbers for 2 of 2 inputs"):
        drained(covered_scores(broken, inputs, masks, Question(0)))
