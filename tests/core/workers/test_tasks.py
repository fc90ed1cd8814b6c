"""What workers compute is what this process would, and nothing is done again."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from core.errors import ModelError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.methods.black_box_methods import KernelShapSetting, LimeSetting, RiseSetting
from core.methods.cam_methods import ChannelCamSetting, GradCamSetting
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import (
    GradientSetting,
    GradientShapSetting,
    IntegratedGradientsSetting,
    SmoothSetting,
)
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.workers.tasks import Visited, parts_of
from tests.core.explaining.test_explainer import staged, toy
from tests.core.explaining.test_judging import (
    HOW,
    PARTS,
    SALIENCY,
    case_of,
    finished,
    present,
    same,
)

pytestmark = pytest.mark.usefixtures("one_thread", "one_by_one")

QUESTION = Question(0, 2, "probability")
OCCLUSION = OcclusionSetting(8, 4, "blur")
SETTINGS = [
    OCCLUSION,
    SuperpixelSetting(segments=9),
    RiseSetting(12, 3),
    KernelShapSetting(4, samples=10),
    LimeSetting(4, samples=10),
    IntegratedGradientsSetting(10, "black"),
    IntegratedGradientsSetting(),
    GradientSetting("saliency"),
    SmoothSetting(),
    GradientShapSetting(),
    GradCamSetting(),
    GradCamSetting("all", "layer_cam", signed=True),
    ChannelCamSetting(),
    ChannelCamSetting(kind="ablation_cam", signed=True),
]


@pytest.fixture
def swan():
    return picture_from_file(samples()["swan"].path)


class Bench:
    """Workers on copies of a network, of which nothing is known; all that passes is pickled."""

    places = 1

    def __init__(self, classifier, lost_after=()):
        """``lost_after``: how many parts come before a worker is lost, one after the other."""
        self.classifier, self.tasks, self.sent = classifier, [], []
        self.lost_after = list(lost_after)

    def parts(self, task):
        while True:
            asked = pickle.loads(pickle.dumps(task()))
            self.tasks.append(asked)
            lost_after = self.lost_after.pop(0) if self.lost_after else None
            module = copy.deepcopy(self.classifier.module)
            fresh = replace(self.classifier, module=module)
            for i, part in enumerate(parts_of(asked, fresh)):
                if i == lost_after:
                    break
                self.sent.append(part)
                yield pickle.loads(pickle.dumps(part))
            else:
                return

    @property
    def visits(self):
        """Numbers of the windows that were visited, in their order."""
        found = [part.found.numbers for part in self.sent if isinstance(part, Visited)]
        return np.concatenate(found).tolist()


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_map_is_the_one_of_this_process(swan, setting):
    classifier = toy()
    bench = Bench(classifier)
    away = Explainer(workers=bench)
    steps = list(away.steps(classifier, swan, setting, QUESTION))
    found = steps[-1].snapshot()
    assert len(bench.tasks) == 1
    assert "array" not in repr(bench.tasks)  # a picture is not written to a log
    made = Explainer().attribution(toy(), swan, setting, QUESTION)
    np.testing.assert_allclose(found.values, made.values, atol=1e-6)
    assert found.question == made.question
    assert (found.change, found.gap) == pytest.approx((made.change, made.gap), abs=1e-6)
    assert (found.method, found.parameters) == (made.method, made.parameters)
    assert found.provenance == made.provenance
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total


def test_a_known_map_is_asked_of_nobody(swan):
    classifier = toy()
    bench = Bench(classifier)
    away = Explainer(workers=bench)
    for _ in range(2):
        away.attribution(classifier, swan, OCCLUSION, QUESTION)
        away.attribution(classifier, swan, OCCLUSION, Question(1))  # one survey for every class
    assert len(bench.tasks) == 1


@pytest.mark.parametrize(
    "setting", [OCCLUSION, SuperpixelSetting(segments=9), RiseSetting(12, 3)], ids=str
)
def test_what_came_back_before_it_was_stopped_is_not_visited_again(swan, setting):
    classifier = toy()
    bench = Bench(classifier)
    away = Explainer(workers=bench)
    steps = away.steps(classifier, swan, setting, QUESTION)
    stopped = [next(steps) for _ in range(3)][-1]
    steps.close()
    assert 0 < stopped.done < stopped.total
    assert away.forecast(classifier, swan, setting, QUESTION).known == stopped.done
    away.attribution(classifier, swan, setting, QUESTION)
    assert len(bench.tasks[1].known.numbers) == stopped.done
    assert sorted(bench.visits) == list(range(stopped.total))


@pytest.mark.parametrize(
    "setting", [OCCLUSION, SuperpixelSetting(segments=9), RiseSetting(12, 3)], ids=str
)
def test_after_a_lost_worker_it_goes_on_from_what_came_back(swan, setting):
    classifier = toy()
    bench = Bench(classifier, lost_after=(2, 1))
    found = Explainer(workers=bench).attribution(classifier, swan, setting, QUESTION)
    made = Explainer().attribution(toy(), swan, setting, QUESTION)
    np.testing.assert_allclose(found.values, made.values, atol=1e-6)
    known = [len(task.known.numbers) for task in bench.tasks]
    assert len(known) == 3
    assert known == sorted(set(known))
    assert len(bench.visits) == len(set(bench.visits))


def test_another_stride_uses_what_is_known_here(swan):
    classifier = toy()
    bench = Bench(classifier)
    away = Explainer(workers=bench)
    away.attribution(classifier, swan, OCCLUSION, QUESTION)
    before = len(bench.visits)
    away.attribution(classifier, swan, replace(OCCLUSION, stride=2), QUESTION)
    survey = away.survey(classifier, swan, replace(OCCLUSION, stride=2))
    assert len(bench.tasks[1].known.numbers) == before
    assert len(bench.visits) - before == survey.grid.count - before


def test_a_worker_with_other_weights_is_refused(swan):
    classifier = toy()
    bench = Bench(replace(classifier, weights_sha256="f" * 64))
    away = Explainer(workers=bench)
    with pytest.raises(ModelError, match="other weights of toy residual 0 than this process"):
        away.attribution(classifier, swan, OCCLUSION, QUESTION)


def test_scores_that_are_not_finite_are_told_as_here(swan):
    classifier = toy()
    broken = copy.deepcopy(classifier.module)
    for parameter in broken.parameters():
        parameter.data.fill_(float("nan"))
    away = Explainer(workers=Bench(replace(classifier, module=broken)))
    with pytest.raises(ModelError, match="not finite"):
        away.attribution(classifier, swan, OCCLUSION, QUESTION)


@pytest.mark.parametrize("setting", [*SETTINGS[:3], SALIENCY], ids=str)
def test_a_judgement_is_the_one_of_this_process(swan, setting):
    bench = Bench(staged())
    away = Explainer(workers=bench)
    case = case_of(Explainer(), staged(), swan, setting)
    steps = list(Judge(away).steps(case, HOW))
    assert len(bench.tasks) == 1
    same(steps[-1].snapshot(), finished(Judge(Explainer()), case))
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total
    seen = [present(step.snapshot()) for step in steps]
    assert list(dict.fromkeys(map(tuple, seen))) == [PARTS[:end] for end in range(5)]


def test_a_judgement_by_road_is_the_one_of_this_process(swan):
    bench, how = Bench(staged()), replace(HOW, baseline="road:3")
    case = case_of(Explainer(), staged(), swan)
    found = finished(Judge(Explainer(workers=bench)), case, how)
    assert bench.tasks[0].judged.reveal is None
    same(found, finished(Judge(Explainer()), case, how))


def test_a_judgement_goes_on_after_a_lost_worker_and_shares_with_the_next_map(swan):
    classifier = staged()
    case = case_of(Explainer(), classifier, swan)
    alone = Bench(classifier)
    list(Judge(Explainer(workers=alone)).steps(case, HOW))
    curves = next(i for i, part in enumerate(alone.sent) if "curves" in part.found)
    bench = Bench(classifier, lost_after=(curves + 1,))
    judge = Judge(Explainer(workers=bench))
    found = finished(judge, case)
    same(found, finished(Judge(Explainer()), case))
    first, again = (task.judged.found for task in bench.tasks)
    assert first == {}
    assert again.keys() == {"controls", "curves"}
    second = case_of(Explainer(), classifier, swan, GradientSetting("input_x_gradient"))
    same(finished(judge, second), finished(Judge(Explainer()), second))
    assert bench.tasks[-1].judged.found.keys() == {"controls", "squares"}


def test_a_judgement_of_other_weights_is_refused(swan):
    case = case_of(Explainer(), staged(), swan)
    bench = Bench(replace(staged(), weights_sha256="f" * 64))
    with pytest.raises(ModelError, match=r"other weights of .* than this process"):
        finished(Judge(Explainer(workers=bench)), case)
