"""The page's heavy work on Ray: the same maps, also when a worker is killed, or nobody is there."""

import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.engine.remembered import memory
from core.errors import ModelError, ResourceError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.methods.cover_methods import OcclusionSetting, SuperpixelSetting
from core.methods.gradient_methods import GradientSetting
from core.methods.scores import Question
from core.models import registry
from core.models.registry import DEFAULT_MODEL
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.trust.settings import FaithfulnessSetting
from tests import programs
from tests.core.engine.test_lock import wait_until
from tests.core.explaining.test_judging import case_of, finished
from tests.core.models.test_factories import NETS

pytest.importorskip("ray", reason="ray is not installed: pip install -r requirements-cluster.txt")

from core.workers.ray_workers import RayWorkers

QUESTION = Question(145)
OCCLUSION = OcclusionSetting(48, 24)
SALIENCY = GradientSetting("saliency")
SETTINGS = (OCCLUSION, SuperpixelSetting(segments=9), SALIENCY)


@pytest.fixture(scope="module")
def workers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", "ab" * 32)  # else one is made, and stays in the environment
        patch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "86400")
        found = RayWorkers("local")
        assert found.places == 0
        wait_until(lambda: found.places, seconds=300)
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


def test_a_cluster_that_is_not_there_is_told_and_tried_again(swan):
    """Before the cluster of the other tests is joined: a process belongs to one at a time."""
    nobody = RayWorkers("127.0.0.1:1")
    away = Explainer(workers=nobody)
    for _ in range(2):
        wait_until(lambda: nobody.places == 1, seconds=300)  # for the one who says why
        with pytest.raises(ResourceError, match=r"Ray cannot be reached at 127\.0\.0\.1:1 .*check"):
            map_of(away, swan, OCCLUSION)
        assert nobody._joined is None


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


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    """A current folder of one's own, which no worker was started in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    registry.allow_factories()
    registry.use_folder(None)


@pytest.mark.parametrize("name", ["nets_of_ray:build", "dynamic.pt2", "dynamic.onnx", "own"])
def test_what_was_named_here_is_loaded_by_a_worker(workers, swan, in_a_folder, name):
    (in_a_folder / "nets_of_ray.py").write_text(NETS, "utf-8")
    if name == "own":
        (in_a_folder / "mine" / "own").mkdir(parents=True)
        (in_a_folder / "mine" / "own" / "model.toml").write_text('title = "Own"\n', "utf-8")
        programs.save(programs.network(), in_a_folder / "mine" / "own" / "net.pt2")
        registry.allow_factories(described=True)
        registry.use_folder(Path("mine"))
    elif ":" not in name:
        programs.save(programs.network(), in_a_folder / name)
    registry.allow_model(name)
    question = Question(1)
    here, away = Explainer(), Explainer(workers=workers)
    found, expected = (
        each.attribution(each.classifier(name, "cpu"), swan, SALIENCY, question).values
        for each in (away, here)
    )
    assert found.any()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_file_that_a_worker_does_not_have_is_told(workers, swan, in_a_folder):
    programs.save(programs.network(seed=9), in_a_folder / "gone.pt2")
    registry.allow_model("gone.pt2")
    away = Explainer(workers=workers)
    classifier = away.classifier("gone.pt2", "cpu")
    (in_a_folder / "gone.pt2").unlink()
    said = (
        r"The worker on \S+ cannot load gone\.pt2: have the same files .*gone\.pt2' cannot be "
        r"read \(No such file or directory\): check its path\)\.$"
    )
    with pytest.raises(ModelError, match=said):
        away.attribution(classifier, swan, SALIENCY, Question(1))


def test_a_worker_runs_nothing_that_was_not_named_here(workers, swan, in_a_folder):
    (in_a_folder / "nets_unnamed.py").write_text(NETS, "utf-8")
    registry.allow_model("nets_unnamed:build")
    away = Explainer(workers=workers)
    classifier = away.classifier("nets_unnamed:build", "cpu")
    registry.allow_factories()
    with pytest.raises(ModelError, match="would run code of that name: it is run only where the"):
        away.attribution(classifier, swan, SALIENCY, Question(1))
