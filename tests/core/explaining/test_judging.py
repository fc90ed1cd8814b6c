"""Judging maps: every measure in turn, nothing twice, and the numbers of the modules below."""

import copy
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.errors import ModelError, ResourceError, SettingError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.files.disk_cache import DiskCache
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import GradientSetting, IntegratedGradientsSetting
from core.methods.masked import WHOLE_PICTURES
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.methods.settings import baseline_of
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.trust.badges import record
from core.trust.coarse_maps import Asking, quick_map, quick_passes
from core.trust.faithfulness import (
    DIRECTIONS,
    control_steps,
    curve_passes,
    curve_steps,
    faithfulness,
    order_of,
)
from core.trust.imputation import Imputer
from core.trust.infidelity import SQUARES, infidelity, square_steps
from core.trust.judgement import Case
from core.trust.randomisation import Networks, randomisation_steps, stages_of
from core.trust.sensitivity import SAMPLES, sensitivity_steps
from core.trust.settings import FaithfulnessSetting
from tests.core.explaining.test_explainer import able, staged, toy
from tests.toys import Counted, Weighted, drained, network, state

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = FaithfulnessSetting(block=7, points=5, repeats=2, seed=3, baseline="black")
QUESTION = Question(1)
SALIENCY = GradientSetting("saliency")
SETTINGS = [SALIENCY, IntegratedGradientsSetting(3, "blur"), OcclusionSetting(8, 4, "black")]
# Passes of the curves: the ends, and three points between in both directions; of the two random
# orders in one.
OWN, CONTROLS = 2 + 3 * 2, (2 + 3 * 2) + (2 + 3 * 2)
PARTS = ("curves", "infidelity", "sensitivity", "randomisation")


@pytest.fixture(scope="module")
def swan():
    return picture_from_file(samples()["swan"].path)


@pytest.fixture(scope="module")
def penguin():
    return picture_from_file(samples()["penguin"].path)


@pytest.fixture
def explainer():
    return Explainer()


def counted(name="strided"):
    return replace(toy(), module=Counted(network(name)))


def case_of(explainer, classifier, picture, setting=SALIENCY, question=QUESTION):
    made = explainer.attribution(classifier, picture, setting, question)
    return Case(classifier, picture, setting, made)


def finished(judge, case, how=HOW):
    *_, last = judge.steps(case, how)
    return last.snapshot()


def present(judgement):
    return [part for part in PARTS if getattr(judgement, part) is not None]


def until(judge, case, part):
    """Steps until a part is there, and then no more."""
    steps = judge.steps(case, HOW)
    for step in steps:
        if getattr(step.snapshot(), part) is not None:
            break
    steps.close()


def numbers(measure):
    """What is a number of a measure, without its maps and points."""
    return {name: value for name, value in vars(measure).items() if isinstance(value, float)}


def same(first, second):
    """Whether two judgements say the same numbers."""
    assert first.attribution is second.attribution
    for mine, theirs in zip(first.curves, second.curves, strict=True):
        np.testing.assert_allclose(mine.curve.scores, theirs.curve.scores, atol=1e-5)
        assert mine.random_area == pytest.approx(theirs.random_area, abs=1e-5)
    assert numbers(first.infidelity) == pytest.approx(numbers(second.infidelity), abs=1e-4)
    assert numbers(first.sensitivity) == pytest.approx(numbers(second.sensitivity), abs=1e-3)
    assert first.randomisation.spearman == pytest.approx(second.randomisation.spearman, abs=1e-3)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_parts_come_in_turn_and_the_last_step_alone_is_at_the_end(explainer, swan, setting):
    case = case_of(explainer, staged(), swan, setting)
    snapshots, steps = [], []
    for step in Judge(explainer).steps(case, HOW):
        steps.append(step)
        snapshots.append(step.snapshot())
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert {step.total for step in steps} == {steps[-1].total}
    assert [step.done == step.total for step in steps] == [False] * (len(steps) - 1) + [True]
    seen = [present(snapshot) for snapshot in snapshots]
    assert seen[0] == []
    assert list(dict.fromkeys(map(tuple, seen))) == [PARTS[:end] for end in range(5)]
    assert [snapshot.complete for snapshot in snapshots] == [each == [*PARTS] for each in seen]
    for part in PARTS:
        values = [getattr(s, part) for s in snapshots if getattr(s, part) is not None]
        assert all(value is values[0] for value in values), "what is found stays"
    for step, snapshot in zip(steps, snapshots, strict=True):
        assert present(step.snapshot()) == present(snapshot), "a snapshot is of its own time"
        assert (snapshot.attribution, snapshot.setting) == (case.attribution, HOW)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_numbers_are_those_of_the_modules(explainer, swan, setting):
    classifier, question = staged(), Question(1, 2, "log_probability")
    case = case_of(explainer, classifier, swan, setting, question)
    found = finished(Judge(explainer), case)
    module, inputs = copy.deepcopy(classifier.module), explainer.inputs(classifier, swan)

    black = explainer.baseline(classifier, swan, HOW.baseline)
    shown = Question(1, kind="probability")
    order = order_of(case.attribution.values, HOW)
    _, own = drained(curve_steps(module, inputs, shown, [order], HOW, black))
    _, controls = drained(control_steps(module, inputs, shown, HOW, black))
    for made, expected in zip(found.curves, faithfulness(own, controls), strict=True):
        assert made.direction == expected.direction
        np.testing.assert_allclose(made.curve.scores, expected.curve.scores, atol=1e-5)
        np.testing.assert_allclose(made.centre.scores, expected.centre.scores, atol=1e-5)
        np.testing.assert_allclose(made.random_band, expected.random_band, atol=1e-5)

    baseline = explainer.baseline(classifier, swan, baseline_of(setting))
    _, squares = drained(square_steps(module, inputs, question, baseline, HOW.seed))
    expected = infidelity(case.attribution.values, squares)
    assert numbers(found.infidelity) == pytest.approx(numbers(expected), abs=1e-4)

    seen = classifier.record.preprocessing.picture(swan.image)
    asking = Asking(question, setting, baseline, seen)
    _, reference = drained(quick_map(copy.deepcopy(module), inputs, asking))
    _, expected = drained(
        sensitivity_steps(copy.deepcopy(module), inputs, asking, reference, HOW.seed)
    )
    assert numbers(found.sensitivity) == pytest.approx(numbers(expected), abs=1e-4)
    _, expected = drained(
        randomisation_steps(Networks(module, HOW.seed), inputs, asking, reference)
    )
    np.testing.assert_allclose(found.randomisation.values, reference, atol=1e-5)
    assert found.randomisation.spearman == pytest.approx(expected.spearman, abs=1e-4)
    assert [s.layers for s in found.randomisation.stages] == [s.layers for s in expected.stages]


@pytest.mark.parametrize(
    ("setting", "own"),
    [
        (SALIENCY, 1 + 2),  # two more for the scores at picture and baseline
        (IntegratedGradientsSetting(50), 8 + 2),
        (OcclusionSetting(8, 4), 36 + 2),  # the picture as it is, and its activations
    ],
    ids=["saliency", "integrated_gradients", "occlusion"],
)
def test_it_costs_what_was_said(explainer, swan, setting, own):
    classifier = counted()
    case = case_of(explainer, classifier, swan, setting)
    judge = Judge(explainer)
    said = judge.forecast(case, HOW)
    assert said.seconds is None, "nothing was measured yet"
    classifier.module.seen.clear()
    steps = list(judge.steps(case, HOW))
    assert steps[0].total == said.passes
    assert steps[-2].done == said.passes - 1, "without the last, which says that it is finished"
    maps = 1 + SAMPLES + len(stages_of(classifier.module))
    curves = sum(curve_passes((28, 28), HOW))
    assert said.passes == curves + SQUARES + 1 + maps * quick_passes(setting, 28)
    assert sum(classifier.module.seen) == curves + SQUARES + 1 + maps * own
    again = judge.forecast(case, HOW)
    assert (again.passes, again.seconds, again.known) == (0, 0.0, 0)


def test_road_is_judged_as_said_and_has_a_pace_of_its_own(explainer, swan):
    classifier, how = counted(), replace(HOW, baseline="road:5")
    case, judge = case_of(explainer, classifier, swan), Judge(explainer)
    finished(judge, case)  # by another baseline, whose pictures take no time to make
    said = judge.forecast(case, how)
    assert said.seconds is None
    maps = 1 + SAMPLES + len(stages_of(classifier.module))  # squares are known already
    assert said.passes == sum(curve_passes((28, 28), how)) + maps * quick_passes(SALIENCY, 28)
    steps = list(judge.steps(case, how))
    assert steps[0].total == said.passes
    found = steps[-1].snapshot()
    module, inputs = copy.deepcopy(classifier.module), explainer.inputs(classifier, swan)
    shown, cover = Question(1, kind="probability"), Imputer(inputs, 5)
    order = order_of(case.attribution.values, how)
    _, own = drained(curve_steps(module, inputs, shown, [order], how, cover))
    _, controls = drained(control_steps(module, inputs, shown, how, cover))
    for made, expected in zip(found.curves, faithfulness(own, controls), strict=True):
        np.testing.assert_allclose(made.curve.scores, expected.curve.scores, atol=1e-5)
        np.testing.assert_allclose(made.random_band, expected.random_band, atol=1e-5)
    assert "road_combined" in record(found)
    assert "road_combined" not in record(finished(judge, case))
    # The next map needs the curve of its own alone, as with any baseline.
    other = case_of(explainer, classifier, swan, GradientSetting("input_x_gradient"))
    again = judge.forecast(other, how)
    assert said.passes - again.passes == curve_passes((28, 28), how)[1]
    assert again.seconds > 0


def test_patches_cost_about_what_was_said(explainer, swan):
    case = case_of(explainer, staged(), swan, SuperpixelSetting(9))
    steps = list(Judge(explainer).steps(case, HOW))
    assert all(step.done <= step.total for step in steps)
    assert [step.done == step.total for step in steps].count(True) == 1
    assert steps[-1].snapshot().complete


def test_what_is_known_is_known_and_takes_no_pass(explainer, swan):
    classifier = counted()
    case, judge = case_of(explainer, classifier, swan), Judge(explainer)
    assert judge.known(case, HOW) is None
    found = finished(judge, case)
    classifier.module.seen.clear()
    assert vars(judge.known(case, HOW)) == vars(found)
    (only,) = judge.steps(case, HOW)
    assert only.done == only.total
    assert vars(only.snapshot()) == vars(found)
    # The same map made again is the same case.
    other = Explainer()
    equal = case_of(other, replace(classifier), swan)
    classifier.module.seen.clear()
    assert judge.known(equal, HOW) is not None
    assert classifier.module.seen == []


def test_a_judgement_that_was_closed_is_not_known(explainer, swan):
    case, judge = case_of(explainer, staged(), swan), Judge(explainer)
    until(judge, case, "sensitivity")
    assert judge.known(case, HOW) is None
    assert judge.forecast(case, HOW).passes > 0
    assert finished(judge, case).complete


@pytest.mark.parametrize(
    ("part", "shared"), [(None, 0), ("curves", CONTROLS), ("infidelity", CONTROLS + SQUARES + 1)]
)
def test_what_holds_for_all_maps_is_kept_though_it_was_closed(explainer, swan, part, shared):
    classifier = counted()
    judge, case = Judge(explainer), case_of(explainer, classifier, swan)
    alone = judge.forecast(case, HOW).passes
    if part is None:
        next(judge.steps(case, HOW))  # and then closed, as it is collected
    else:
        until(judge, case, part)
    second = case_of(explainer, classifier, swan, GradientSetting("input_x_gradient"))
    assert judge.forecast(second, HOW).passes == alone - shared
    classifier.module.seen.clear()
    found = finished(judge, second)
    maps = 1 + SAMPLES + len(stages_of(classifier.module))
    assert sum(classifier.module.seen) == alone - shared + 2 * maps
    same(found, finished(Judge(explainer), second))
    own = judge.forecast(case, HOW).passes
    assert own == alone - (CONTROLS + SQUARES + 1) - (0 if part is None else OWN)


def changed_cases(explainer, classifier, swan, penguin):
    base = (classifier, swan, IntegratedGradientsSetting(3), Question(1))
    other = replace(classifier, weights_sha256="f" * 64)
    cases = {
        "model": (other, *base[1:]),
        "picture": (classifier, penguin, *base[2:]),
        "region": (classifier, swan.cropped((0, 0, 100, 100)), *base[2:]),
        "steps": (*base[:2], IntegratedGradientsSetting(4), base[3]),
        "baseline": (*base[:2], IntegratedGradientsSetting(3, "black"), base[3]),
        "target": (*base[:3], Question(2)),
        "contrast": (*base[:3], Question(1, 0)),
        "kind": (*base[:3], Question(1, kind="probability")),
    }
    return case_of(explainer, *base), {
        name: case_of(explainer, *parts) for name, parts in cases.items()
    }


def test_what_differs_is_judged_anew_and_shares_what_is_equal(explainer, swan, penguin):
    first, others = changed_cases(explainer, staged(), swan, penguin)
    judge = Judge(explainer)
    alone = judge.forecast(first, HOW).passes
    finished(judge, first)
    shared = {}
    for name, case in others.items():
        assert judge.known(case, HOW) is None, name
        shared[name] = alone - judge.forecast(case, HOW).passes
    controls, squares = CONTROLS, SQUARES + 1
    assert shared == {
        "model": 0,
        "picture": 0,
        "region": 0,
        "steps": controls + squares,
        "baseline": controls,  # squares are covered with the method's baseline
        "target": 0,
        "contrast": controls,  # curves show the probability of the target
        "kind": controls,
    }


@pytest.mark.parametrize(
    "change", [{"block": 14}, {"points": 3}, {"repeats": 3}, {"baseline": "road"}, {"seed": 4}]
)
def test_another_way_to_judge_is_another_judgement(explainer, swan, change):
    case, judge = case_of(explainer, staged(), swan), Judge(explainer)
    finished(judge, case)
    how = replace(HOW, **change)
    assert judge.known(case, how) is None
    squares = 0 if "seed" in change else SQUARES + 1
    expected = Judge(explainer).forecast(case, how).passes - squares
    assert judge.forecast(case, how).passes == expected


def test_another_map_under_the_same_settings_is_another_case(explainer, swan):
    """As one that was made by another version, or read from a file."""
    case, judge = case_of(explainer, staged(), swan), Judge(explainer)
    first = finished(judge, case)
    turned = replace(case.attribution, values=-case.attribution.values)
    second = finished(judge, replace(case, attribution=turned))
    assert second.attribution is turned
    assert second.curves[0].curve.area != first.curves[0].curve.area
    assert second.curves[0].random_area == first.curves[0].random_area


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_model_and_surveys_are_left_as_they_were(explainer, swan, setting):
    classifier = staged()
    weights, before = copy.deepcopy(classifier.module.state_dict()), state(classifier.module)
    half = OcclusionSetting(6, 2)
    survey = explainer.survey(classifier, swan, half)
    next(survey.steps())
    known, passes = survey.known, survey.forward_passes
    assert 0 < known.sum() < len(known)
    case = case_of(explainer, classifier, swan, setting)
    finished(Judge(explainer), case)
    assert state(classifier.module) == before
    for key, value in classifier.module.state_dict().items():
        assert torch.equal(value, weights[key])
    np.testing.assert_array_equal(explainer.survey(classifier, swan, half).known, known)
    assert survey.forward_passes == passes
    assert explainer.attribution(classifier, swan, setting, QUESTION) is case.attribution


def test_occlusion_is_judged_as_if_no_window_were_known(explainer, swan):
    """Every window of the map is known; the quick maps have to visit their own all the same."""
    setting, classifier = OcclusionSetting(6, 2), staged()
    case = case_of(explainer, classifier, swan, setting)
    first = finished(Judge(explainer), case)
    fresh = replace(classifier, module=copy.deepcopy(classifier.module))
    same(first, finished(Judge(Explainer()), replace(case, classifier=fresh)))
    coarse = first.randomisation.values
    assert not np.allclose(coarse, case.attribution.values, atol=1e-4)


def test_teams_and_the_size_of_batches_judge_the_same(swan, monkeypatch):
    case = case_of(Explainer(), staged(), swan, IntegratedGradientsSetting(3))
    fast = finished(Judge(Explainer()), case)
    torch.set_num_threads(3)
    same(finished(Judge(Explainer()), case), fast)
    monkeypatch.setitem(WHOLE_PICTURES, "cpu", 1)
    monkeypatch.setattr("core.methods.request._LARGEST_BATCH", {"cpu": 1})
    steps = list(Judge(Explainer()).steps(case, HOW))
    assert {b.done - a.done for a, b in itertools.pairwise(steps)} == {0, 1}
    same(steps[-1].snapshot(), fast)


def test_time_is_measured_and_not_that_of_who_watches(explainer, swan, monkeypatch):
    now = itertools.count()  # each look at the clock finds it a second later
    clock = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("core.explaining.judging.time", clock)
    case, judge = case_of(explainer, staged(), swan), Judge(explainer)
    batches = 0
    for _ in judge.steps(case, HOW):
        batches += 1
        for _ in range(100):  # who watches takes their time
            clock.perf_counter()
    known = judge.known(case, HOW)
    assert known is not None
    assert known.seconds == batches  # one for each batch but the last step, and one for the end
    other = case_of(explainer, case.classifier, swan, SETTINGS[1])
    passes = Judge(explainer).forecast(case, HOW).passes
    said = judge.forecast(other, HOW)
    assert said.seconds == pytest.approx((batches - 1) * said.passes / passes, rel=0.05)


def test_two_at_once_find_what_one_finds(swan):
    explainer, classifier = Explainer(), staged()
    judge = Judge(explainer)
    cases = [case_of(explainer, classifier, swan, setting) for setting in SETTINGS[:2]] * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: finished(judge, case), cases))
    for case, each in zip(cases, found, strict=True):
        same(each, finished(Judge(Explainer()), case))


def test_what_cannot_be_judged_is_said(explainer, swan, monkeypatch):
    judge, case = Judge(explainer), case_of(explainer, staged(), swan)
    with pytest.raises(SettingError, match='There is no baseline "pink"'):
        finished(judge, case, replace(HOW, baseline="pink"))
    mute = replace(toy(), module=Weighted(torch.full((1, 3, 28, 28), torch.nan)))
    with pytest.raises(ModelError, match="not finite"):
        finished(judge, replace(case, classifier=mute))
    assert judge.known(replace(case, classifier=mute), HOW) is None

    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("core.methods.masked.baseline_like", exhausted)
    with pytest.raises(ResourceError, match=r"^This judgement does not fit into memory"):
        finished(judge, case)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_judged(explainer, swan, name):
    classifier = able(name)
    answer = int(explainer.logits(classifier, swan).argmax())
    case = case_of(explainer, classifier, swan, METHODS[name].setting, Question(answer))
    found = finished(Judge(explainer), case)
    assert found.complete
    assert [each.direction for each in found.curves] == [*DIRECTIONS]
    assert np.isfinite(found.randomisation.spearman)
    assert np.isfinite([*numbers(found.infidelity).values()]).all()
    assert np.isfinite([*numbers(found.sensitivity).values()]).all()
    assert found.seconds > 0


def test_the_size_and_the_scene_of_a_case(explainer, swan, penguin):
    case = case_of(explainer, staged(), swan)
    assert case.size == (28, 28)
    assert case.scene == case_of(Explainer(), staged(), swan).scene
    assert case.scene != case_of(explainer, staged(), penguin).scene


def test_a_judgement_is_found_on_disk(swan, tmp_path):
    classifier = counted()
    one = Explainer(disk=DiskCache(tmp_path))
    case = case_of(one, classifier, swan)
    found = finished(Judge(one), case)
    classifier.module.seen.clear()
    later = Judge(Explainer(disk=DiskCache(tmp_path)))
    known = later.known(case, HOW)
    assert known is not None
    assert record(known) == record(found)
    (only,) = later.steps(case, HOW)
    assert only.snapshot().complete
    assert classifier.module.seen == []
    assert later.known(case, replace(HOW, seed=4)) is None
