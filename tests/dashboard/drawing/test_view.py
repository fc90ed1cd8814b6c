"""What is said of a map on the page."""

import numpy as np

from core.drawing.captions import question_words
from core.methods.attribution import Attribution
from core.methods.scores import Question
from core.models.heads import VALUE

NAMES = ("swan", "goose")


def test_a_map_is_about_the_score_that_is_asked_unless_its_method_asks_for_none():
    def of(method):
        return Attribution(np.ones((2, 2)), method, Question(0, 1, "probability"))

    assert question_words(of("gradient_rollout"), NAMES) == "probability of swan minus goose"
    assert question_words(of("attention_rollout"), NAMES) == "the same for every class"
    assert question_words(of("enough"), NAMES) == "answer swan before goose"
    of_values = Attribution(np.ones((2, 2)), "attention_rollout", Question(0, None, "logit", VALUE))
    assert question_words(of_values, NAMES) == "the same for every value"
