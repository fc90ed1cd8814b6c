"""Computations that were broken off go on where they were, and come to the same."""

import threading
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from core.engine.teams import heeding
from core.explaining.explainer import Explainer
from core.explaining.resumable import Paused
from core.methods.attribution import Step
from core.methods.gradient_methods import (
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from tests.core.explaining.test_explainer import toy

pytestmark = pytest.mark.usefixtures("one_thread")

QUESTION = Question(0, 2, "probability")
SETTINGS = [
    IntegratedGradientsSetting(60, "black"),
    IntegratedGradientsSetting("enough", "grey"),
    SmoothSetting(IntegratedGradientsSetting(12), samples=4),
    GradientShapSetting(samples=12),
]


@pytest.fixture
def swan():
    return picture_from_file(samples()["swan"].path)


def counting(made: list[int], total: int = 5) -> Iterator[Step]:
    for done in range(1, total + 1):
        made.append(done)
        yield Step(done, total, lambda: None)


def take(steps, count):
    with closing(steps):
        return [next(steps).done for _ in range(count)]


def test_what_was_left_goes_on_with_the_step_it_was_left_at():
    paused, made = Paused(2), []
    assert paused.last("a") is None
    assert take(paused.steps("a", lambda: counting(made)), 2) == [1, 2]
    assert paused.last("a").done == 2
    assert take(paused.steps("a", lambda: counting(made)), 2) == [2, 3]
    assert [step.done for step in paused.steps("a", lambda: counting(made))] == [3, 4, 5]
    assert made == [1, 2, 3, 4, 5]  # nothing was made twice
    assert paused.last("a") is None  # the end is kept by others


def test_what_was_not_begun_or_is_at_its_end_is_not_kept():
    paused, made = Paused(2), []
    paused.steps("a", lambda: counting(made)).close()
    assert take(paused.steps("a", lambda: counting(made)), 5) == [1, 2, 3, 4, 5]
    assert paused.last("a") is None


def test_what_was_left_within_its_first_step_goes_on_too():
    paused, begun, go_on, made = Paused(2), threading.Event(), threading.Event(), []

    class Gone(BaseException):
        pass

    def check():
        if begun.is_set():
            raise Gone

    def slow():
        made.append("begun")
        begun.set()
        assert go_on.wait(60)
        yield from counting(made)

    with heeding(check), pytest.raises(Gone):
        next(paused.steps("a", slow))
    assert paused.last("a") is None
    go_on.set()
    assert [step.done for step in paused.steps("a", slow)] == [1, 2, 3, 4, 5]
    assert made == ["begun", 1, 2, 3, 4, 5]


def test_one_that_looks_on_leaves_it_as_it_was():
    paused, made = Paused(2), []
    take(paused.steps("a", lambda: counting(made)), 3)
    assert take(paused.steps("a", lambda: counting(made)), 1) == [3]
    assert take(paused.steps("a", lambda: counting(made)), 2) == [3, 4]


def test_two_at_once_do_not_share_one():
    paused, first, second = Paused(2), [], []
    take(paused.steps("a", lambda: counting(first)), 2)
    one, other = (paused.steps("a", lambda made=made: counting(made)) for made in (first, second))
    assert [next(one).done, next(other).done] == [2, 1]
    assert [step.done for step in one] == [3, 4, 5]
    assert [step.done for step in other] == [2, 3, 4, 5]


def test_what_failed_begins_anew():
    def failing():
        yield Step(1, 2, lambda: None)
        raise ValueError("no")

    paused = Paused(2)
    with pytest.raises(ValueError, match="no"):
        list(paused.steps("a", failing))
    assert paused.last("a") is None


def test_the_oldest_of_too_many_is_given_up():
    paused, ended = Paused(1), []

    def noted():
        try:
            yield from counting([])
        finally:
            ended.append(True)

    take(paused.steps("a", noted), 1)
    take(paused.steps("b", noted), 1)
    assert ended == [True]
    assert (paused.last("a"), paused.last("b").done) == (None, 1)


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: type(setting).__name__)
def test_a_map_broken_off_goes_on_and_is_the_same(setting, swan):
    classifier, explainer = toy(), Explainer()
    asked = (classifier, swan, setting, QUESTION)
    steps = explainer.steps(*asked)
    with closing(steps):
        for step in steps:  # a few batches
            if step.done >= 5:
                break
    left = explainer.forecast(*asked)
    assert left.known == step.done
    assert left.passes == step.total - step.done
    with closing(explainer.steps(*asked)) as again:
        shown = next(again)
        assert shown.done == step.done
        np.testing.assert_array_equal(shown.snapshot().values, step.snapshot().values)
    undisturbed = Explainer().attribution(*asked)
    resumed = explainer.attribution(*asked)
    assert explainer.forecast(*asked).passes == 0
    assert resumed.forward_passes == undisturbed.forward_passes
    np.testing.assert_allclose(resumed.values, undisturbed.values, atol=1e-6)
