"""The explained number, by hand and by the laws it has to keep."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.methods.scores import SCORE_KINDS, UNITS, Question

LOGITS = torch.log(torch.tensor([[1.0, 2.0, 5.0], [3.0, 3.0, 2.0]]))


@pytest.mark.parametrize(
    ("kind", "alone", "against"),
    [
        ("logit", [math.log(2), math.log(3)], [math.log(2 / 5), math.log(3 / 2)]),
        ("probability", [2 / 8, 3 / 8], [-3 / 8, 1 / 8]),
        ("log_probability", [math.log(2 / 8), math.log(3 / 8)], [math.log(2 / 5), math.log(3 / 2)]),
    ],
)
def test_scores_by_hand(kind, alone, against):
    torch.testing.assert_close(Question(1, None, kind).scores(LOGITS), torch.tensor(alone))
    torch.testing.assert_close(Question(1, 2, kind).scores(LOGITS), torch.tensor(against))


@pytest.mark.parametrize("kind", SCORE_KINDS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_exchanging_target_and_contrast_changes_the_sign(kind, data):
    numbers = st.lists(st.floats(-20, 20, width=32), min_size=3, max_size=3)
    logits = torch.tensor([data.draw(numbers)], dtype=torch.float64)
    target, contrast = data.draw(st.permutations([0, 1, 2]))[:2]
    asked = Question(target, contrast, kind).scores(logits)
    torch.testing.assert_close(asked, -Question(contrast, target, kind).scores(logits))
    # A constant added to all logits changes no probability, and no difference of logits.
    torch.testing.assert_close(asked, Question(target, contrast, kind).scores(logits + 3))


def test_gradients_flow_through_the_score():
    logits = LOGITS.clone().requires_grad_()
    Question(0, 2).scores(logits).sum().backward()
    assert logits.grad.tolist() == [[1, 0, -1], [1, 0, -1]]


def test_every_kind_has_units():
    assert set(UNITS) == set(SCORE_KINDS) == {"logit", "probability", "log_probability"}


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (Question(3), "The target is class 3: choose one between 0 and 2."),
        (Question(-1), "The target is class -1: choose one between 0 and 2."),
        (Question(0, 3), "The contrast is class 3: choose one between 0 and 2."),
        (Question(0, -1), "The contrast is class -1: choose one between 0 and 2."),
        (Question(1, 1), "Target and contrast are the same class: choose two that differ."),
        (
            Question(1, kind="odds"),
            'There is no score "odds": choose one of logit, probability, log_probability.',
        ),
    ],
)
def test_questions_out_of_range(question, sentence):
    with pytest.raises(SettingError) as refused:
        question.check(3)
    assert str(refused.value) == sentence


def test_a_good_question_is_handed_on():
    question = Question(0, 2, "probability")
    assert question.check(3) is question


@pytest.mark.parametrize("target", [None, True, "goose", 1.0])
def test_what_is_no_index_of_a_class(target):
    with pytest.raises(SettingError, match=r"^The target is .*: give the index of a class"):
        Question(target).check(4)
