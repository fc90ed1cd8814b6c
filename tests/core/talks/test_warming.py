"""Making a talk ready: what is wanted, how far it is, and that it is then ready."""

from dataclasses import replace

import pytest

from core.engine.remembered import memory
from core.errors import SettingError
from core.explaining.explainer import Explainer
from core.explaining.judging import Judge
from core.files.disk_cache import DiskCache
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import registry
from core.talks.scenes import ContrastScene, MapsScene, RegionScene, Talk, TrustScene, read_talk
from core.talks.warming import ready, wanted, warm, words_of
from core.trust.settings import FaithfulnessSetting

KING_PENGUIN, GOOSE = 145, 99


@pytest.fixture
def talk(monkeypatch):
    """The talk that comes along, with few large windows and short curves."""
    quick = FaithfulnessSetting(block=56, points=3, repeats=2)
    monkeypatch.setattr("core.talks.warming.TRUST", quick)
    scenes = [
        replace(scene, setting=OcclusionSetting(112, 80)) if hasattr(scene, "setting") else scene
        for scene in read_talk().scenes
        if not isinstance(scene, RegionScene)  # its maps are those of any other scene
    ]
    return Talk(tuple(scenes))


@pytest.fixture(scope="module")
def classifier():
    return Explainer().classifier("efficientnet_lite0", "cpu")


def test_the_maps_are_of_the_predicted_class_and_of_no_other(talk, classifier):
    explainer = Explainer()
    found = {type(scene): wanted(explainer, scene, classifier) for scene in talk.scenes}
    assert [each.question for each in found[MapsScene]] == [Question(KING_PENGUIN)] * 2
    assert [each.question for each in found[ContrastScene]] == [Question(KING_PENGUIN, GOOSE)]
    assert [each.question for each in found[TrustScene]] == [Question(KING_PENGUIN)]
    assert sum(map(len, found.values())) == 4


def test_after_warming_every_scene_is_ready_here_and_after_a_restart(talk, tmp_path):
    explainer = Explainer(disk=DiskCache(tmp_path))
    before = [ready(explainer, Judge(explainer), scene) for scene in talk.scenes]
    assert before == [True, True, False, True, False, False, True]
    steps = list(warm(explainer, Judge(explainer), talk))
    assert [step.scene for step in steps] == sorted(step.scene for step in steps)
    assert {step.scene for step in steps} == {1, 2, 3, 4, 5, 6, 7}
    assert all(step.done <= step.total for step in steps)
    assert words_of(steps[0]) == "scene 1 of 7: 1 of 1 scene"
    assert any(words_of(step) == "scene 3 of 7: 9 of 9 passes" for step in steps)
    assert all(ready(explainer, Judge(explainer), scene) for scene in talk.scenes)
    memory.forget()
    later = Explainer(disk=DiskCache(tmp_path))
    assert all(ready(later, Judge(later), scene) for scene in talk.scenes)


def test_warming_that_was_broken_off_goes_on_where_it_was(talk, tmp_path):
    explainer = Explainer(disk=DiskCache(tmp_path))
    steps = warm(explainer, Judge(explainer), talk)
    next(step for step in steps if step.scene == 3 and step.done == 9)
    steps.close()
    memory.forget()
    later = Explainer(disk=DiskCache(tmp_path))
    third = next(step for step in warm(later, Judge(later), talk) if step.scene == 3)
    assert third[2:4] == (1, 1)  # the first picture's map is known


def test_a_scene_whose_model_is_not_here_is_not_ready(talk, monkeypatch, tmp_path):
    known = registry.record("resnet18")
    absent = replace(known, weights=replace(known.weights, path=tmp_path / "absent.pth"))
    monkeypatch.setitem(registry.records(), "resnet18", absent)
    explainer = Explainer()
    assert not ready(explainer, Judge(explainer), replace(talk.scenes[0], model="resnet18"))


def test_a_contrast_with_the_prediction_itself_is_refused(talk):
    scene = next(scene for scene in talk.scenes if isinstance(scene, ContrastScene))
    explainer = Explainer()
    steps = warm(explainer, Judge(explainer), Talk((replace(scene, against=KING_PENGUIN),)))
    with pytest.raises(SettingError, match="same class"):
        list(steps)
