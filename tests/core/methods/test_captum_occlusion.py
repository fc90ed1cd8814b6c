"""Captum's own Occlusion: by hand, beside the survey, and polite to the module it is given."""

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import ModelError, SettingError
from core.methods.captum_occlusion import captum_occlusion
from core.methods.occlusion import OcclusionSurvey
from core.methods.scores import Question
from tests.toys import Sums, network, picture


def silent(done, total):
    pass


def test_sums_by_hand():
    inputs = torch.ones(1, 3, 2, 4)
    found = captum_occlusion(Sums(), inputs, Question(0), window=2, stride=2, report=silent)
    # The left window takes all four ones of the left half away, the right one none of them.
    np.testing.assert_array_equal(found.values, [[4, 4, 0, 0], [4, 4, 0, 0]])
    assert found.forward_passes == 2
    assert found.method == "occlusion"
    assert found.parameters == {"window": (2, 2), "stride": (2, 2), "engine": "captum"}


@pytest.mark.parametrize("kind", ["logit", "probability", "log_probability"])
def test_agrees_with_the_survey(kind):
    module, inputs = network("residual"), picture(11, 14)
    baseline = picture(11, 14, seed=1)
    question = Question(2, contrast=0, kind=kind)
    ours = OcclusionSurvey(module, inputs, window=4, stride=3, baseline=baseline).run()
    captum = captum_occlusion(
        module, inputs, question, window=4, stride=3, baseline=baseline, report=silent
    )
    values = ours.attribution(2, contrast=0, score=kind).numpy()
    np.testing.assert_allclose(captum.values, values, atol=1e-5)
    assert captum.forward_passes == ours.grid.count


def test_reports_each_batch_until_all_windows_are_done():
    reports = []
    captum_occlusion(
        Sums(),
        picture(10, 10),
        Question(0),
        window=2,
        stride=2,
        report=lambda done, total: reports.append((done, total)),
    )
    assert reports == [(0, 25), (8, 25), (16, 25), (24, 25), (25, 25)]


@pytest.mark.parametrize(("window", "stride"), [(13, 1), (0, 1), (3, 4), (3, 0)])
def test_refuses_what_the_survey_refuses(window, stride):
    with pytest.raises(SettingError, match="choose between 1 and"):
        captum_occlusion(
            Sums(), picture(), Question(0), window=window, stride=stride, report=silent
        )


def test_refuses_a_class_that_is_not_there():
    with pytest.raises(SettingError, match="target is class 2: choose one between 0 and 1"):
        captum_occlusion(Sums(), picture(), Question(2), window=4, stride=4, report=silent)


class Broken(nn.Module):
    def forward(self, x):
        return torch.full((len(x), 2), torch.nan)


def test_scores_that_are_not_finite_are_an_error_and_the_module_is_left_as_it_was():
    module = Broken().train()
    with pytest.raises(ModelError, match="not finite"):
        captum_occlusion(module, picture(), Question(0), window=4, stride=4, report=silent)
    assert module.training
