"""What has an effect on a map: the parts of a question that the registry names, and all options."""

from dataclasses import replace

import numpy as np
import pytest

from core.explaining.explainer import Explainer
from core.methods.options import options_of, with_options
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from tests.able import OF_REGIONS
from tests.core.explaining.test_explainer import SMALL, able

pytestmark = pytest.mark.usefixtures("one_thread")

OTHERS = {
    "window": 9, "stride": 5, "steps": 4, "samples": 5, "stdev": 0.7, "seed": 3, "masks": 9,
    "cells": 4, "segments": 9, "fusion": "max", "start": 2, "epsilon": 0.5, "rule": "epsilon",
    "blocks": 4, "keep": 0.3, "baseline": "white",
}  # fmt: skip
# Where all coalitions are computed, no seed chooses among them.
WITHOUT = {("kernel_shap", "seed")}


@pytest.fixture(scope="module")
def swan():
    return picture_from_file(samples()["swan"].path)


def values_of(explainer, classifier, swan, setting, question):
    return explainer.attribution(classifier, swan, setting, question).values


@pytest.mark.parametrize("name", [name for name in METHODS if name not in OF_REGIONS])
def test_the_parts_of_a_question_that_have_an_effect(swan, name):
    explainer, classifier = Explainer(), able(name)
    setting = with_options(name, SMALL.get(name, {}))
    usual = values_of(explainer, classifier, swan, setting, Question(1))
    others = {
        "target": Question(2),
        "contrast": Question(1, 3),
        "score": Question(1, kind="probability"),
    }
    found = {
        part
        for part, question in others.items()
        if not np.array_equal(values_of(explainer, classifier, swan, setting, question), usual)
    }
    assert found == set(METHODS[name].asks)


def test_what_is_enough_does_not_depend_on_the_kind_of_score(swan):
    explainer, classifier = Explainer(), able("enough")
    question = Question(int(explainer.logits(classifier, swan).argmax()))
    for name in OF_REGIONS:
        setting = with_options(name, SMALL[name])
        maps = [
            values_of(explainer, classifier, swan, setting, replace(question, kind=kind))
            for kind in ("logit", "probability")
        ]
        np.testing.assert_array_equal(*maps)
        assert "score" not in METHODS[name].asks


@pytest.mark.parametrize("name", METHODS)
def test_every_option_has_an_effect(swan, name):
    explainer, classifier = Explainer(), able(name)
    small = SMALL.get(name, {})
    question = Question(int(explainer.logits(classifier, swan).argmax()))
    usual = values_of(explainer, classifier, swan, with_options(name, small), question)
    idle = set()
    for option in sorted(options_of(name) & {*OTHERS, "layer"}):
        value = OTHERS.get(option, explainer.layers(classifier, swan)[:1])
        other = with_options(name, {**small, option: value[0] if option == "layer" else value})
        if np.array_equal(values_of(explainer, classifier, swan, other, question), usual):
            idle.add((name, option))
    assert idle == WITHOUT & {(name, "seed")}
