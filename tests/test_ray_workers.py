"""The page's heavy work on Ray: the same maps, also when a worker is killed, or nobody is there."""

import threading

import numpy as np
import psutil
import pytest
from test_judging import case_of, finished
from test_turns import wait_until

from core.errors import ResourceError
from core.explainer import Explainer
from core.faithfulness import FaithfulnessSetting
from core.judging import Judge
from core.memory import memory
from core.models import DEFAULT_MODEL
from core.picture import picture_from_file
from core.samples import samples
from core.scores import Question
from core.settings import GradientSetting, OcclusionSetting, SuperpixelSetting

pytest.importorskip("ray", reason="ray is not installed: pip install -r requirements-cluster.txt")

from core.ray_workers import RayWorkers

QUESTION = Question(145)
OCCLUSION = OcclusionSetting(48, 24)
SETTINGS = (OCCLUSION, SuperpixelSetting(segments=9), GradientSetting("saliency"))


@pytest.fixture(scope="module")
def workers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "ab" * 32)  # else one is made, and stays in the environment
        patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "86400")
        found = RayWorkers("local")
        assert found.places == 0
        wait_until(lambda: found.places, seconds=120)
        yield found
        found.leave()
        assert not processes()


@pytest.fixture
def swan():
    return picture_from_file(samples()["swan"].path)


def processes():
    """Ray's workers of this process."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "ray::_Actor" in " ".join(child.cmdline())]


def map_of(explainer, swan, setting):
    memory.forget()
    found = explainer.attribution(explainer.classifier(DEFAULT_MODEL), swan, setting, QUESTION)
    return found.values


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_map_is_the_one_of_this_process(workers, swan, setting):
    found = map_of(Explainer(workers=workers), swan, setting)
    np.testing.assert_allclose(found, map_of(Explainer(), swan, setting), atol=1e-5)


def test_a_judgement_is_the_one_of_this_process(workers, swan):
    here = Explainer()
    classifier, setting = here.classifier(DEFAULT_MODEL), GradientSetting("saliency")
    case = case_of(here, classifier, swan, setting)
    how = FaithfulnessSetting(block=56, points=3, repeats=2)
    found = finished(Judge(Explainer(workers=workers)), case, how)
    made = finished(Judge(here), case, how)
    for mine, theirs in zip(found.curves, made.curves, strict=True):
        np.testing.assert_allclose(mine.curve.scores, theirs.curve.scores, atol=1e-5)
    assert found.infidelity.explained == pytest.approx(made.infidelity.explained, abs=1e-3)
    assert found.randomisation.spearman == pytest.approx(made.randomisation.spearman, abs=1e-2)


def test_a_worker_that_is_killed_changes_nothing_but_time(workers, swan):
    away, new = Explainer(workers=workers), OcclusionSetting(40, 20)  # to the worker too
    steps = away.steps(away.classifier(DEFAULT_MODEL), swan, new, QUESTION)
    begun = [next(steps) for _ in range(3)][-1]
    assert 0 < begun.done < begun.total
    victims = processes()
    assert len(victims) == workers.places
    for victim in victims:
        victim.kill()
    found = list(steps)[-1].snapshot().values
    assert not {victim.pid for victim in victims} & {each.pid for each in processes()}
    np.testing.assert_allclose(found, map_of(Explainer(), swan, new), atol=1e-5)


def test_what_nobody_wants_any_more_ends_and_other_threads_have_their_maps(workers, swan):
    away = Explainer(workers=workers)
    classifier = away.classifier(DEFAULT_MODEL)
    steps = away.steps(classifier, swan, OcclusionSetting(16, 2), QUESTION)
    for _ in range(3):
        next(steps)
    steps.close()
    found = []
    threads = [
        threading.Thread(target=lambda s=s: found.append(map_of(away, swan, s))) for s in SETTINGS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(SETTINGS)
    assert not any(workers._busy.values())


def test_a_cluster_that_is_not_there_is_told_and_tried_again(swan):
    nobody = RayWorkers("127.0.0.1:1")
    away = Explainer(workers=nobody)
    for _ in range(2):
        wait_until(lambda: nobody.places == 1, seconds=120)  # for the one who says why
        with pytest.raises(ResourceError, match=r"Ray cannot be reached at 127\.0\.0\.1:1 .*check"):
            map_of(away, swan, OCCLUSION)
        assert nobody._joined is None
