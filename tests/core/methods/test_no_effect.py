"""Sentences on the parts of a question that have no effect on a map."""

from core.methods import no_effect
from core.methods.registry import METHODS

EVERY = ("target", "contrast", "score")


def test_a_sentence_says_which_part_and_of_which_method():
    assert no_effect.of_question(METHODS["eigen_cam"], EVERY) == [
        "--target, --contrast and --score have no effect on Eigen-CAM, whose map does not depend "
        "on them."
    ]
    assert no_effect.of_question(METHODS["enough"], EVERY, "{}=") == [
        "score= has no effect on What is enough, whose map does not depend on it."
    ]
    assert no_effect.of_question(METHODS["eigen_cam"], ()) == []
    assert no_effect.of_question(METHODS["grad_cam"], EVERY) == []


def test_the_methods_that_ask_no_class():
    assert {name for name, method in METHODS.items() if not method.asks} == {
        "eigen_cam", "attention_rollout",
    }  # fmt: skip
