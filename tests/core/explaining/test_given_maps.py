"""Maps made elsewhere through the explainer: our own, given back, get exactly our numbers."""

import io
from dataclasses import replace

import numpy as np
import pytest

from core.errors import MapError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.files.disk_cache import DiskCache
from core.methods.arrays import arrays_of
from core.methods.given_setting import GIVEN, GivenSetting
from core.methods.options import with_options
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.settings import baseline_of
from core.pictures.given_file import open_given_map
from core.pictures.given_map import map_from_array
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.trust.badges import badges, record, sentences, summary
from core.trust.judgement import MEASURES, Case
from core.trust.settings import FaithfulnessSetting
from tests.able import OF_REGIONS
from tests.core.explaining.test_explainer import SMALL, able, toy

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = FaithfulnessSetting(block=7, points=4, repeats=2, baseline="black")
SUMS = ("integrated_gradients", "gradient_shap", "deep_lift")  # over pixels, from a baseline


@pytest.fixture(scope="module")
def swan():
    return picture_from_file(samples()["swan"].path)


def judged(judge, case):
    for step in judge.steps(case, HOW):
        last = step
    return last.snapshot()


def shorn(record):
    """The numbers of what can be measured of values alone."""
    return {name: record[name] for name in ("curves", "infidelity")}


@pytest.mark.parametrize("name", METHODS)
def test_our_own_map_given_back_gets_our_numbers(swan, name, monkeypatch):
    explainer, classifier = Explainer(), able(name)
    judge = Judge(explainer)
    setting, question = with_options(name, SMALL.get(name, {})), Question(1)
    if name in OF_REGIONS:
        question = Question(int(explainer.logits(classifier, swan).argmax()))
    made = explainer.attribution(classifier, swan, setting, question)
    if not made.values.any():
        made = replace(made, values=made.values + 1)  # a CAM of zeros, which is no map to give
    file = io.BytesIO()
    np.savez_compressed(file, **arrays_of(made))
    given = GivenSetting(
        explainer.as_given(open_given_map(file.getvalue())),
        "signed",
        "score",
        title=METHODS[name].title,
        adds_up=name in SUMS,
        baseline=baseline_of(setting),
    )
    back = explainer.attribution(classifier, swan, given, question)
    assert back.method == GIVEN
    assert np.array_equal(back.values, made.values)
    # Ours without the measures that would make the map again, and without what the other shares.
    ours = Case(classifier, swan, setting, made)
    only = MEASURES[:2]
    monkeypatch.setattr("core.explaining.judging.measures_of", lambda _: only)
    expected = record(judged(Judge(explainer), ours))
    monkeypatch.undo()
    judgement = judged(judge, Case(classifier, swan, given, back))
    assert judgement.complete
    assert shorn(record(judgement)) == shorn(expected)
    if name in SUMS:
        assert (back.change, back.gap) == (made.change, made.gap)
        assert badges(judgement)[1].words in ("complete", "incomplete")


def hand_made(explainer, values, **said):
    return GivenSetting(explainer.as_given(map_from_array(values)), "signed", "score", **said)


def test_the_line_says_what_cannot_be_measured(swan):
    explainer, classifier = Explainer(), toy()
    setting = hand_made(explainer, np.random.default_rng(0).normal(size=(28, 28)))
    made = explainer.attribution(classifier, swan, setting, Question(1))
    judge = Judge(explainer)
    judgement = judged(judge, Case(classifier, swan, setting, made))
    assert (judgement.randomisation, judgement.sensitivity) == (None, None)
    found = badges(judgement)
    assert [badge.taken for badge in found] == [True, True, False, False]
    assert " of 2 checks passed: " in summary(found)
    assert summary(found).endswith("Not measurable: weight randomisation, noise stability.")
    said = sentences(judgement)
    assert len(said["weights"]) == len(said["noise"]) == 1
    assert said["weights"][0].startswith("Weights were not randomised: this map was made elsewhere")
    assert judge.known(Case(classifier, swan, setting, made), HOW) is not None
    assert judge.forecast(Case(classifier, swan, setting, made), HOW).passes == 0


def test_of_a_map_of_known_order_only_the_curves_count(swan):
    explainer, classifier = Explainer(), toy()
    values = np.random.default_rng(0).random((28, 28))
    given = replace(map_from_array(values), order_only=True)
    setting = GivenSetting(explainer.as_given(given), "positive", "none", order_only=True)
    made = explainer.attribution(classifier, swan, setting, Question(1))
    judgement = judged(Judge(explainer), Case(classifier, swan, setting, made))
    assert judgement.complete
    assert judgement.infidelity is None
    assert [badge.taken for badge in badges(judgement)] == [True, False, False, False]
    # Another scale and another zero are the same order.
    other = hand_made(explainer, 7 * values - 3)
    again = explainer.attribution(classifier, swan, other, Question(1))
    same = judged(Judge(explainer), Case(classifier, swan, other, again))
    assert record(same)["curves"] == record(judgement)["curves"]


def test_a_map_of_the_photo_is_judged_at_the_input(swan):
    explainer, classifier = Explainer(), toy()
    width, height = swan.image.size
    setting = hand_made(explainer, np.random.default_rng(0).normal(size=(height, width)))
    made = explainer.attribution(classifier, swan, setting, Question(1))
    assert made.values.shape == (28, 28)
    with pytest.raises(MapError, match="resampled, which changes the sum of its values"):
        explainer.attribution(classifier, swan, replace(setting, adds_up=True), Question(1))
    bad = hand_made(explainer, np.ones((9, 9)))
    with pytest.raises(MapError, match="give one of the model's input, 28 × 28"):
        explainer.attribution(classifier, swan, bad, Question(1))


def test_a_map_that_is_gone_says_so(swan):
    explainer, classifier = Explainer(), toy()
    setting = GivenSetting("given:nowhere", "signed", "score")
    with pytest.raises(MapError, match="not at hand any more: give it again"):
        explainer.attribution(classifier, swan, setting, Question(1))


def test_nothing_of_it_is_kept_on_disk(swan, tmp_path):
    explainer = Explainer(DiskCache(tmp_path))
    setting = hand_made(explainer, np.eye(28))
    made = explainer.attribution(toy(), swan, setting, Question(1))
    judged(Judge(explainer), Case(toy(), swan, setting, made))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
