"""KernelSHAP and LIME on patches: games with known Shapley values, and Captum's classes."""

import itertools
from dataclasses import replace
from math import factorial

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnLinearRegression, SkLearnRidge
from captum.attr import KernelShap, LimeBase
from captum.attr._core.lime import get_exp_kernel_similarity_function
from torch import nn

from core.drawing.captions import finding, settings_words
from core.methods.coalitions import KernelShapSurvey, LimeSurvey
from core.methods.scores import Question
from core.methods.survey import survey_steps
from tests.core.methods.test_superpixels import patches_of
from tests.toys import network, picture

pytestmark = pytest.mark.usefixtures("one_thread")

PATCHES = np.array([[1, 1, 2, 2], [1, 3, 3, 2], [4, 3, 3, 2], [4, 4, 4, 4]])


class Game(nn.Module):
    """Class 0 is linear in what is kept of the patches; in class 1 patches 1, 2 and 4 interact."""

    def forward(self, x):
        kept = [x[:, 0, place[0], place[1]] for place in ((0, 0), (0, 2), (1, 1), (3, 0))]
        one, two, three, four = kept
        linear = 3 * one - 2 * two + 0.5 * three
        return torch.stack([linear, linear + 4 * one * two - 6 * one * two * four], 1)


INPUTS = torch.ones(1, 3, 4, 4)
# Shapley values by hand: a product of k patches is shared evenly by them.
LINEAR = [3.0, -2.0, 0.5, 0.0]
WITH_PRODUCTS = [3 + 4 / 2 - 6 / 3, -2 + 4 / 2 - 6 / 3, 0.5, -6 / 3]


def brute_force(worth, players):
    """Shapley values by their definition: the mean over all orders of what a player adds."""
    values = np.zeros(players)
    for order in itertools.permutations(range(players)):
        inside = np.zeros(players, bool)
        for player in order:
            before = worth(inside)
            inside[player] = True
            values[player] += worth(inside) - before
    return values / factorial(players)


def test_shapley_values_known_by_hand():
    survey = KernelShapSurvey(Game(), INPUTS, PATCHES).run()
    assert survey.exact
    assert survey.count == 2**4 - 1
    np.testing.assert_allclose(survey.worth(Question(0)), LINEAR, atol=1e-5)
    np.testing.assert_allclose(survey.worth(Question(1)), WITH_PRODUCTS, atol=1e-5)
    np.testing.assert_allclose(
        survey.values(Question(1)), np.array(WITH_PRODUCTS)[PATCHES - 1], atol=1e-5
    )


@pytest.mark.parametrize(
    "question", [Question(0), Question(1, 2), Question(2, None, "probability")]
)
def test_all_coalitions_give_the_shapley_values_of_any_network(question):
    module, inputs, patches = network("residual"), picture(), patches_of(segments=5)
    survey = KernelShapSurvey(module, inputs, patches, 0.2).run()

    def worth(kept):
        with torch.no_grad():
            mask = torch.from_numpy(kept[patches - 1])
            return float(question.scores(module(torch.where(mask, inputs, 0.2)).double()))

    expected = brute_force(worth, 5)
    np.testing.assert_allclose(survey.worth(question), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # its plots, as it is imported
def test_shap_says_the_same():
    import shap

    survey = KernelShapSurvey(Game(), INPUTS, PATCHES).run()

    def game(kept):
        masks = torch.from_numpy(np.asarray(kept, bool)[:, PATCHES - 1])[:, None]
        return Game()(torch.where(masks, INPUTS, 0.0))[:, 1].numpy()

    explain = shap.ExactExplainer(game, np.zeros((1, 4)))
    np.testing.assert_allclose(
        survey.worth(Question(1)), explain(np.ones((1, 4))).values[0], atol=1e-5
    )


def test_a_sample_of_coalitions_is_near_and_adds_up():
    inputs, patches, question = picture(), patches_of(segments=12), Question(1)
    module = network("residual")
    exact = KernelShapSurvey(module, inputs, patches, samples=5000).run()
    sampled = KernelShapSurvey(module, inputs, patches, samples=600, seed=1).run()
    assert exact.exact
    assert not sampled.exact
    apart = np.abs(sampled.worth(question) - exact.worth(question)).max()
    assert apart < 0.1 * np.abs(exact.worth(question)).max()
    for survey in (exact, sampled):
        *_, last = survey_steps(survey, question)
        made = last.snapshot()
        assert made.change == pytest.approx(survey.change(question))
        assert abs(made.gap) < 1e-6 * abs(made.change) + 1e-9


@pytest.mark.parametrize(("samples", "determined"), [(20, False), (400, True)])
def test_too_few_coalitions_say_so(samples, determined):
    class Sum(nn.Module):
        def forward(self, x):
            return x[:, :1].flatten(1) @ torch.arange(36.0)[:, None].repeat(1, 2)

    patches = np.arange(1, 37).reshape(6, 6)
    survey = KernelShapSurvey(Sum(), torch.ones(1, 3, 6, 6), patches, samples=samples).run()
    right = np.abs(survey.worth(Question(0)) - np.arange(36)).max() < 1e-3
    assert survey.parameters["determined"] == determined == right
    *_, last = survey_steps(survey, Question(0))
    made = replace(last.snapshot(), parameters={**survey.parameters, "samples": samples, "seed": 0})
    for words in (settings_words(made), finding(made, None, ())):
        assert ("too few to tell the worth of each" in words) != determined


def test_coalitions_come_in_pairs_and_sizes_as_the_kernel_weights_them():
    survey = KernelShapSurvey(network("residual"), picture(), patches_of(segments=14), samples=4000)
    assert not survey.coalitions[0].any()
    drawn = survey.coalitions[1:]
    np.testing.assert_array_equal(drawn[::2], ~drawn[1::2])
    sizes = np.arange(1, 14)
    expected = 1 / (sizes * (14 - sizes))
    share = np.bincount(drawn.sum(1), minlength=14)[1:] / len(drawn)
    np.testing.assert_allclose(share, expected / expected.sum(), atol=0.03)
    again = KernelShapSurvey(network("residual"), picture(), patches_of(segments=14), samples=10)
    np.testing.assert_array_equal(again.coalitions, survey.coalitions[:11])


def forward_of(module, question):
    return lambda x: question.scores(module(x))


def mask_of(patches):
    return torch.from_numpy(patches - 1)[None, None].expand(1, 3, -1, -1)


def given(coalitions):
    """Captum's way to be handed coalitions, one after the other."""

    def perturb(_, **__):
        for kept in coalitions:
            yield torch.from_numpy(kept[None]).float()

    return perturb


@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_kernel_shap_as_captum_says(kind):
    """With the same coalitions, and the two ends weighted so that they all but hold exactly."""
    module, inputs, patches = network("residual"), picture(), patches_of(segments=9)
    question = Question(1, None, kind)
    survey = KernelShapSurvey(module, inputs, patches, 0.1, samples=200, seed=2).run()
    ends = np.stack([np.ones(9, bool), np.zeros(9, bool)])
    every = np.concatenate([ends, survey.coalitions[1:]])
    theirs = LimeBase(
        forward_of(module, question),
        SkLearnLinearRegression(),
        similarity_func=KernelShap(module).kernel_shap_similarity_kernel,
        perturb_func=given(every),
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda kept, *_, **__: torch.where(
            kept[0].bool()[mask_of(patches)], inputs, 0.1
        ),
        to_interp_rep_transform=None,
    ).attribute(inputs, n_samples=len(every), num_interp_features=9)
    np.testing.assert_allclose(
        survey.worth(question), theirs[0].numpy(), atol=1e-3 * theirs.abs().max().item()
    )


@pytest.mark.parametrize("question", [Question(0), Question(1, 3, "probability")])
def test_lime_as_captum_says(question):
    module, inputs, patches = network("residual"), picture(), patches_of(segments=9)
    survey = LimeSurvey(module, inputs, patches, 0.1, samples=60, seed=4).run()
    every = np.concatenate([np.ones((1, 9), bool), survey.coalitions])
    cosine = get_exp_kernel_similarity_function("cosine", kernel_width=0.25)
    theirs = LimeBase(
        forward_of(module, question),
        SkLearnRidge(alpha=1.0),
        similarity_func=lambda _, __, kept, **___: cosine(torch.ones(1, 9), kept, kept),
        perturb_func=given(every),
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda kept, *_, **__: torch.where(
            kept[0].bool()[mask_of(patches)], inputs, 0.1
        ),
        to_interp_rep_transform=None,
    ).attribute(inputs, n_samples=len(every), num_interp_features=9)
    np.testing.assert_allclose(
        survey.worth(question), theirs[0].numpy(), atol=1e-4 * theirs.abs().max().item()
    )


def test_lime_finds_a_linear_score_up_to_its_penalty():
    survey = LimeSurvey(Game(), INPUTS, PATCHES, samples=4000).run()
    np.testing.assert_allclose(survey.worth(Question(0)), LINEAR, atol=0.05)


def test_a_coalition_that_is_drawn_again_costs_no_pass():
    three = np.minimum(PATCHES, 3)
    survey = LimeSurvey(Game(), INPUTS, three, samples=300)
    assert survey.missing == 8
    survey.run()
    assert survey.missing == 0
    assert survey.forward_passes == 8
    assert survey.known.all()
    with torch.inference_mode():
        expected = Game()(INPUTS * survey.masks(np.arange(300)))
    np.testing.assert_allclose(survey.scores, expected, atol=1e-6)
    elsewhere = LimeSurvey(Game(), INPUTS, three, samples=300)
    elsewhere.learn(np.arange(300), expected)
    assert elsewhere.forward_passes == 8


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("kind", [KernelShapSurvey, LimeSurvey])
def test_anytime_and_another_question_costs_nothing(kind):
    module, inputs, patches = network("residual"), picture(), patches_of(segments=9)
    survey = kind(module, inputs, patches, samples=40)
    for step in survey_steps(survey, Question(1)):
        made = step.snapshot()
        assert np.isfinite(made.values).all()
        assert (made.change is None) == (step.done < step.total or kind is LimeSurvey)
    assert survey.forward_passes == len(np.unique(survey.coalitions, axis=0)) <= survey.count
    (step,) = survey_steps(survey, Question(0, 2, "probability"))
    assert step.snapshot().forward_passes == 0
    more = kind(module, inputs, patches, samples=50)
    assert more.known[: survey.count].all()
    assert not more.known.all()


def test_what_is_no_region_is_always_kept():
    regions = np.array([[1, 1, 2, 2], [1, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 0]])
    survey = KernelShapSurvey(Game(), INPUTS, regions).run()
    assert survey.masks(np.array([0]))[0, 0].numpy().tolist() == (regions == 0).tolist()
    # Patch 4 of the game stays: what 1 and 2 do together is 4 - 6, shared evenly.
    np.testing.assert_allclose(survey.worth(Question(1)), [3 - 1, -2 - 1], atol=1e-5)
    assert survey.change(Question(1)) == pytest.approx(-1)
    assert not survey.values(Question(1))[regions == 0].any()


def test_a_single_patch_is_worth_all_of_it():
    one = np.ones((4, 4), int)
    survey = KernelShapSurvey(Game(), INPUTS, one).run()
    assert survey.count == 1
    np.testing.assert_allclose(survey.worth(Question(0)), [1.5], atol=1e-6)
    assert np.isfinite(LimeSurvey(Game(), INPUTS, one, samples=20).run().worth(Question(0))).all()
