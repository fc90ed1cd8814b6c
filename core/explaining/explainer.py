"""`Explainer`: predictions and attribution maps with caching, step by step.

Nothing is computed twice for the same picture, model, weights, settings and question. Keys are
digests and frozen settings, never arrays; every cache is bounded.
"""

from collections.abc import Generator, Hashable
from contextlib import closing
from functools import partial
from typing import overload

import numpy as np

from ..engine.free_memory import memory_for
from ..files.cache import BoundedCache
from ..files.disk_cache import DiskCache
from ..methods.attribution import Attribution, Step
from ..methods.baselines import check_baseline
from ..methods.cover_methods import OcclusionSetting, PatchSetting
from ..methods.forecast import Forecast
from ..methods.given import check_asked, given_steps
from ..methods.given_setting import GivenSetting
from ..methods.gradients import gradient_steps
from ..methods.identity import identity, kinds, provenance_of, signed
from ..methods.occlusion import OcclusionSurvey
from ..methods.registry import survey_of
from ..methods.scores import Question
from ..methods.settings import Setting, SurveySetting, baseline_of
from ..methods.superpixels import superpixels
from ..methods.survey import Survey, survey_steps
from ..models.classifiers import Classifier
from ..pictures.picture import Picture
from ..workers.tasks import Task, Workers, steps_elsewhere, task_of, visits_elsewhere
from .persistence import SurveyScores
from .predictor import Predictor
from .resumable import Paused
from .timing import Pace


class Explainer(Predictor):
    """Models, predictions and maps, remembered within bounds. Safe to share between threads."""

    def __init__(
        self,
        disk: DiskCache | None = None,
        workers: Workers | None = None,
    ) -> None:
        """Begin with nothing loaded.

        Args:
            disk: where finished results survive this process, those of uploads excepted.
            workers: compute and judge maps in place of this process; predictions are made here.
        """
        super().__init__(disk)
        self.workers = workers
        self._surveys: BoundedCache[Survey] = BoundedCache(24)  # each holds its scores
        self._pace = Pace()
        self._paused = Paused(4)  # each may hold the gradients of a path, 150 MB at most
        self._maps: BoundedCache[Attribution] = BoundedCache(128)

    @overload
    def survey(
        self, classifier: Classifier, picture: Picture, setting: OcclusionSetting
    ) -> OcclusionSurvey: ...

    @overload
    def survey(
        self, classifier: Classifier, picture: Picture, setting: SurveySetting
    ) -> Survey: ...

    def survey(self, classifier: Classifier, picture: Picture, setting: SurveySetting) -> Survey:
        """The survey of a picture, as far as it has come; run its ``steps`` to go on.

        Raises:
            SettingError: a setting is out of range.
        """

        def patches(segments: int) -> np.ndarray:
            if isinstance(setting, PatchSetting) and setting.regions:
                return self.regions(classifier, picture, setting.regions)[0]
            preprocessing = classifier.record.preprocessing
            seen = picture.as_seen(preprocessing).content(preprocessing.channels)
            return superpixels(seen, segments)

        def make() -> Survey:
            baseline = self.baseline(classifier, picture, baseline_of(setting))
            inputs = self.inputs(classifier, picture)
            survey = survey_of(setting, classifier.module, inputs, baseline, patches)
            known = self.stored.recall(SurveyScores, classifier, picture, setting)
            if known is not None:
                known.give_to(survey)
            return survey

        return self._surveys.get_or_make((identity(classifier), picture.key, setting), make)

    def steps(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Generator[Step, None, None]:
        """Compute a map step by step; a known one takes a single step.

        The last step's snapshot is the finished map. May be closed at any time.

        Raises:
            SettingError: a setting is out of range.
            MapError: a map made elsewhere does not fit.
            ModelError: scores or gradients are not finite.
        """
        key = _key(classifier, picture, setting, question)
        known = self._known_map(classifier, picture, setting, question)
        if known is not None:
            yield Step(1, 1, partial(_same, known))
            return
        provenance = provenance_of(classifier, picture)
        with memory_for("This map"):
            steps = self._begun(classifier, picture, setting, question)
            with closing(self._pace.timed(steps, kinds(classifier, setting)[0])) as timed:
                for step in timed:
                    snapshot = partial(signed, step.snapshot, setting, provenance)
                    if step.done == step.total:
                        final = self._maps.put(key, snapshot())
                        self._keep(classifier, picture, setting, final)
                        snapshot = partial(_same, final)
                    yield Step(step.done, step.total, snapshot)

    def _begun(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Generator[Step, None, None]:
        """The steps of a map that is not known."""
        if isinstance(setting, SurveySetting):
            survey = self.survey(classifier, picture, setting)
            if self.workers is None:
                return survey_steps(survey, question)
            task = self._task(classifier, picture, setting, question)
            return survey_steps(survey, question, visits_elsewhere(self.workers, survey, task))
        if isinstance(setting, GivenSetting):
            return self._given_steps(classifier, picture, setting, question)
        return self._paused.steps(
            _key(classifier, picture, setting, question),
            lambda: self._gradient_steps(classifier, picture, setting, question),
        )

    def _given_steps(
        self, classifier: Classifier, picture: Picture, setting: GivenSetting, question: Question
    ) -> Generator[Step, None, None]:
        """A map made elsewhere; always here, since it takes two passes at most."""
        names, model = classifier.class_names, classifier.record.name
        check_asked(setting, model, question, names, picture.region)
        return given_steps(
            classifier.module,
            self.inputs(classifier, picture),
            question,
            setting,
            self.given(classifier, picture, setting),
            self.baseline(classifier, picture, setting.baseline),
        )

    def _gradient_steps(
        self,
        classifier: Classifier,
        picture: Picture,
        setting: Setting,
        question: Question,
    ) -> Generator[Step, None, None]:
        """Compute a map that is no survey, here or elsewhere."""
        if self.workers is not None:
            task = self._task(classifier, picture, setting, question)
            return steps_elsewhere(self.workers, task)
        return gradient_steps(
            classifier.module,
            self.inputs(classifier, picture),
            question,
            setting,
            self.baseline(classifier, picture, baseline_of(setting)),
        )

    def _task(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Task:
        baseline = self.baseline(classifier, picture, baseline_of(setting))
        inputs = self.inputs(classifier, picture)
        return task_of(classifier, inputs, baseline, setting, question)

    def forecast(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Forecast:
        """What computing a map would cost now, given what is known already.

        Raises:
            SettingError: a setting is out of range.
        """
        if self._known_map(classifier, picture, setting, question) is not None:
            return Forecast(0, 0.0)
        if isinstance(setting, SurveySetting):
            survey = self.survey(classifier, picture, setting)
            known = int(survey.known.sum())
            passes = survey.missing
        else:
            check_baseline(baseline_of(setting))
            last = self._paused.last(_key(classifier, picture, setting, question))
            known = 0 if last is None else last.done
            passes = setting.passes(classifier.record.preprocessing.size) - known
        seconds = [self._pace.seconds(kind, passes) for kind in kinds(classifier, setting)]
        return Forecast(passes, next((s for s in seconds if s is not None), None), known)

    def attribution(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Attribution:
        """The finished map, computed now if it is not known."""
        for step in self.steps(classifier, picture, setting, question):
            last = step
        return last.snapshot()

    def _known_map(
        self, classifier: Classifier, picture: Picture, setting: Setting, question: Question
    ) -> Attribution | None:
        """A finished map; an occlusion map counts only while its survey is there to be read."""
        key = _key(classifier, picture, setting, question)
        known = self._maps.get(key)
        if known is None:
            known = self.stored.recall(Attribution, classifier, picture, setting, question)
            known = known and self._maps.put(key, known)
        if known is None or not isinstance(setting, OcclusionSetting):
            return known
        return known if self.survey(classifier, picture, setting).known.all() else None

    def _keep(
        self, classifier: Classifier, picture: Picture, setting: Setting, made: Attribution
    ) -> None:
        """Keep a finished map on disk, with the survey that it came from, if any."""
        self.stored.keep(made, classifier, picture, setting, made.question)
        if not isinstance(setting, SurveySetting):
            return
        if self.stored.recall(SurveyScores, classifier, picture, setting) is None:
            survey = self.survey(classifier, picture, setting)
            self.stored.keep(SurveyScores.of(survey), classifier, picture, setting)


def _key(
    classifier: Classifier, picture: Picture, setting: Setting, question: Question
) -> Hashable:
    """What tells one map from another."""
    return identity(classifier), picture.key, setting, question


def _same(attribution: Attribution) -> Attribution:
    return attribution
