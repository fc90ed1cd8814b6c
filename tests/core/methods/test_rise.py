"""RISE: random masks as published, and means of the scores under them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from core.engine.remembered import memory
from core.errors import SettingError
from core.methods.rise import RiseSurvey
from core.methods.scores import Question
from core.methods.survey import survey_steps
from tests.toys import network, picture

pytestmark = pytest.mark.usefixtures("one_thread")


class Places(nn.Module):
    """Scores are the red of two places and their product: what masks keep can be read from them."""

    def forward(self, x):
        one, other = x[:, 0, 2, 3], x[:, 0, 9, 8]
        return torch.stack([one, other, one * other], 1)


def run(survey):
    return survey.run()


def by_hand(survey, scores):
    """Kept mean minus covered mean, and its standard error, from all masks at once in float64."""
    masks = survey.masks(np.arange(survey.count))[:, 0].double().numpy()
    weights = scores[:, None, None]
    kept = (masks * weights).sum(0) / masks.sum(0)
    covered = ((1 - masks) * weights).sum(0) / (1 - masks).sum(0)
    part = masks.mean(0)
    moves = masks * (weights - kept) / part - (1 - masks) * (weights - covered) / (1 - part)
    return kept - covered, np.sqrt((moves**2).sum(0)) / len(masks)


@pytest.mark.parametrize(("size", "cells"), [((12, 12), 3), ((13, 17), 4), ((8, 8), 8)])
def test_masks_are_enlarged_grids_that_are_shifted(size, cells):
    survey = RiseSurvey(Places(), picture(*size), masks=40, cells=cells, seed=3)
    masks = survey.masks(np.arange(40))
    assert masks.shape == (40, 1, *size)
    assert masks.min() >= 0
    assert masks.max() <= 1
    for number in (0, 17):
        generator = np.random.default_rng((3, number))
        grid = torch.from_numpy(generator.random((cells, cells)) < 0.5).float()
        cell = [math.ceil(side / cells) for side in size]
        top, left = generator.integers(0, cell)
        assert 0 <= top < cell[0]
        # Bilinear interpolation by its definition: centres of cells, edges repeated.
        steps = (cells + 1) * np.array(cell)
        rows, columns = (
            np.clip((np.arange(side) + first + 0.5) * cells / step - 0.5, 0, cells - 1)
            for side, first, step in zip(size, (top, left), steps, strict=True)
        )
        low, down = np.floor(rows).astype(int), np.floor(columns).astype(int)
        high, up = np.minimum(low + 1, cells - 1), np.minimum(down + 1, cells - 1)
        y, x = (rows - low)[:, None], (columns - down)[None]
        grid = grid.numpy()
        expected = (
            grid[low][:, down] * (1 - y) * (1 - x)
            + grid[low][:, up] * (1 - y) * x
            + grid[high][:, down] * y * (1 - x)
            + grid[high][:, up] * y * x
        )
        np.testing.assert_allclose(masks[number, 0], expected, atol=1e-6)


def test_a_mask_depends_on_number_and_seed_alone():
    few, many = (RiseSurvey(Places(), picture(), masks=n, cells=3) for n in (5, 50))
    other = RiseSurvey(Places(), picture(), masks=5, cells=3, seed=1)
    numbers = np.array([4, 1])
    assert few.masks(numbers).equal(many.masks(numbers))
    assert not few.masks(numbers).equal(other.masks(numbers))
    assert abs(float(many.masks(np.arange(50)).mean()) - 0.5) < 0.05


def test_values_and_errors_are_those_of_all_masks_at_once():
    inputs = picture()
    survey = run(RiseSurvey(Places(), inputs, 0.3, masks=150, cells=3))
    masks = survey.masks(np.arange(150))
    with torch.no_grad():
        scores = Places()(masks * inputs + (1 - masks) * 0.3)
    torch.testing.assert_close(survey.scores, scores, atol=1e-5, rtol=1e-5)
    for question in (Question(0), Question(2), Question(1, 0, "probability")):
        values, errors = by_hand(survey, question.scores(scores.double()).numpy())
        np.testing.assert_allclose(survey.values(question), values, atol=1e-5)
        np.testing.assert_allclose(survey.errors(question), errors, rtol=1e-3, atol=1e-6)


def test_it_ranks_as_the_published_value():
    survey = run(RiseSurvey(Places(), picture(), masks=3000, cells=3))
    masks, scores = survey.masks(np.arange(3000))[:, 0].double(), survey.scores[:, 0].double()
    published = (masks * scores[:, None, None]).mean(0) / 0.5
    np.testing.assert_allclose(
        survey.values(Question(0)), 2 * (published - scores.mean()).numpy(), atol=0.15
    )
    assert np.corrcoef(survey.values(Question(0)).ravel(), published.ravel())[0, 1] > 0.98


def test_what_the_place_adds_is_found_where_it_is():
    """The score is linear in the mask at one place, so the value there is the change itself."""
    inputs = torch.zeros(1, 3, 12, 12)
    inputs[0, 0, 2, 3] = 5.0
    survey = run(RiseSurvey(Places(), inputs, masks=2000, cells=6))
    values = survey.values(Question(0))
    assert np.unravel_index(values.argmax(), values.shape) == (2, 3)
    masks = survey.masks(np.arange(2000))[:, 0, 2, 3].double()
    expected = 5 * float(masks.var(correction=0) / (masks.mean() * (1 - masks.mean())))
    np.testing.assert_allclose(values[2, 3], expected, rtol=1e-4)
    far = values[9:, 9:]
    assert np.abs(far).max() < 4 * survey.errors(Question(0))[9:, 9:].max()


def test_the_standard_error_is_the_spread_over_seeds():
    inputs, question = picture(), Question(2)
    surveys = [run(RiseSurvey(Places(), inputs, masks=300, cells=3, seed=n)) for n in range(40)]
    spread = np.std([each.values(question) for each in surveys], axis=0, ddof=1)
    told = np.mean([each.errors(question) for each in surveys], axis=0)
    assert 0.85 < np.median(told / spread) < 1.15


def test_more_masks_and_another_class_cost_what_is_new(monkeypatch):
    module, inputs = network("residual"), picture()
    few = run(RiseSurvey(module, inputs, masks=20, cells=3))
    assert few.forward_passes == 20
    more = RiseSurvey(module, inputs, masks=50, cells=3)
    assert more.known.tolist() == [True] * 20 + [False] * 30
    run(more)
    assert more.forward_passes == 30
    before = more.values(Question(0))
    (step,) = survey_steps(more, Question(1, 2, "probability"))
    made = step.snapshot()
    assert made.forward_passes == 0
    assert made.errors.shape == made.values.shape == before.shape
    assert made.errors.min() > 0
    fresh = run(RiseSurvey(module, inputs, masks=50, cells=3))
    np.testing.assert_allclose(fresh.values(Question(0)), before, atol=1e-6)
    made_anew = []
    monkeypatch.setattr(RiseSurvey, "masks", lambda _, numbers: made_anew.append(numbers) or 1 / 0)
    fresh.values(Question(0))
    assert not made_anew, "the same question once more needs no mask"


@pytest.mark.usefixtures("one_by_one")
def test_it_can_be_left_and_goes_on():
    module, inputs = network("residual"), picture()
    survey = RiseSurvey(module, inputs, masks=30, cells=3)
    steps = survey_steps(survey, Question(1))
    first = next(steps)
    assert (first.done, first.total) == (0, 30)
    assert not first.snapshot().values.any()
    assert not first.snapshot().errors.any()
    for _ in range(3):
        made = next(steps).snapshot()
        assert np.isfinite(made.values).all()
        assert np.isfinite(made.errors).all()
    steps.close()
    *_, last = survey_steps(survey, Question(1))
    assert last.done == 30
    memory.forget_scores()
    whole = run(RiseSurvey(module, inputs, masks=30, cells=3))
    np.testing.assert_allclose(last.snapshot().values, whole.values(Question(1)), atol=1e-5)
    assert whole.agreement.windows == 1


def test_settings_out_of_range():
    for wrong in ({"masks": 1}, {"cells": 1}, {"seed": -1}):
        with pytest.raises(SettingError, match="choose between"):
            RiseSurvey(Places(), picture(), **wrong)
