"""Computes the maps and judgements of a talk's scenes before the talk."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from ..explaining.explainer import Explainer
from ..explaining.judging import Judge
from ..methods.scores import Question
from ..methods.settings import Setting
from ..models import registry
from ..models.classifiers import Classifier
from ..pictures.picture import Picture
from ..trust.judgement import Case
from ..trust.settings import FaithfulnessSetting
from .scenes import ContrastScene, MapsScene, RegionScene, Scene, Talk, TrustScene

TRUST = FaithfulnessSetting()


@dataclass(frozen=True)
class Wanted:
    """A map that a scene shows."""

    classifier: Classifier
    picture: Picture
    setting: Setting
    question: Question


class Warmth(NamedTuple):
    """A point on the way.

    Attributes:
        scene: number of the scene that is made ready, from 1.
        scenes: how many there are.
        done, total: of what is computed or fetched for it now; at last 1 of 1 scene.
        unit: what those are.
    """

    scene: int
    scenes: int
    done: int
    total: int
    unit: str


def wanted(explainer: Explainer, scene: Scene, classifier: Classifier) -> list[Wanted]:
    """The maps that a scene shows: of the class that the model predicts for each picture."""
    if not isinstance(scene, MapsScene | RegionScene | ContrastScene | TrustScene):
        return []
    contrast = scene.against if isinstance(scene, ContrastScene) else None
    found = []
    for each in scene.pictures:
        top = classifier.ranking(explainer.logits(classifier, each.picture), 1)[0]
        question = Question(top.index, contrast, head=classifier.head)
        found.append(Wanted(classifier, each.picture, scene.setting, question))
    return found


def case_of(explainer: Explainer, each: Wanted) -> Case:
    """A finished map, to be judged."""
    asked = (each.classifier, each.picture, each.setting, each.question)
    return Case(each.classifier, each.picture, each.setting, explainer.attribution(*asked))


def ready(explainer: Explainer, judge: Judge, scene: Scene) -> bool:
    """Whether a scene opens without computing more than a prediction."""
    if not registry.record(scene.model).weights.present:
        return False
    classifier = explainer.classifier(scene.model)
    for each in wanted(explainer, scene, classifier):
        asked = (classifier, each.picture, each.setting, each.question)
        if explainer.forecast(*asked).passes:
            return False
        if isinstance(scene, TrustScene) and not judge.known(case_of(explainer, each), TRUST):
            return False
    return True


def warm(explainer: Explainer, judge: Judge, talk: Talk) -> Generator[Warmth, None, None]:
    """Make every scene ready, yielding after each batch; may be closed and begun again.

    Raises:
        UserError: a scene cannot be made: its weights are missing, a model has no such method.
    """
    count = len(talk.scenes)
    for number, scene in enumerate(talk.scenes, 1):
        for done, total in registry.download(scene.model):
            yield Warmth(number, count, done // 10**6, total // 10**6, "MB")
        classifier = explainer.classifier(scene.model)
        for picture in scene.pictures:
            explainer.logits(classifier, picture.picture)
        for each in wanted(explainer, scene, classifier):
            steps = explainer.steps(classifier, each.picture, each.setting, each.question)
            with closing(steps):
                for step in steps:
                    yield Warmth(number, count, step.done, step.total, "passes")
            if isinstance(scene, TrustScene):
                with closing(judge.steps(case_of(explainer, each), TRUST)) as stages:
                    for stage in stages:
                        yield Warmth(number, count, stage.done, stage.total, "passes")
        yield Warmth(number, count, 1, 1, "scene")


def words_of(step: Warmth) -> str:
    """Where the work stands: "scene 3 of 7: 214 of 676 passes"."""
    return f"scene {step.scene} of {step.scenes}: {step.done:,} of {step.total:,} {step.unit}"
