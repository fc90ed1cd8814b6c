"""The cached front of the house: pictures and settings in, predictions and maps out.

Nothing is computed twice for the same picture, model, weights, settings and question. Keys are
digests and frozen settings, never arrays; every cache is bounded.
"""

from collections.abc import Generator, Hashable
from contextlib import closing
from dataclasses import replace
from functools import partial

from core.attribution import Attribution, Step
from core.baselines import check_baseline
from core.cache import BoundedCache
from core.disk_cache import DiskCache
from core.forecast import Forecast, gradient_passes
from core.free_memory import memory_for
from core.gradients import GradientsSetting, gradient_steps
from core.identity import identity, kinds, provenance_of, signed
from core.models import Classifier
from core.occlusion import OcclusionSurvey, occlusion_steps
from core.pace import Pace
from core.paused import Paused
from core.picture import Picture
from core.predictor import Predictor
from core.scores import Question
from core.settings import (
    OcclusionSetting,
    Setting,
    SuperpixelSetting,
    baseline_of,
)
from core.stored import SurveyScores
from core.superpixels import SuperpixelSurvey, superpixel_steps, superpixels
from core.workers import Task, Workers, steps_elsewhere, task_of, visits_elsewhere


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
        self._surveys: BoundedCache[OcclusionSurvey] = BoundedCache(12)  # each holds its scores
        self._patches: BoundedCache[SuperpixelSurvey] = BoundedCache(12)
        self._pace = Pace()
        self._paused = Paused(4)  # each may hold the gradients of a path, 150 MB at most
        self._maps: BoundedCache[Attribution] = BoundedCache(128)

    def survey(
        self, classifier: Classifier, picture: Picture, setting: OcclusionSetting
    ) -> OcclusionSurvey:
        """The occlusion survey of a picture, as far as it has come; run its ``steps`` to go on.

        Raises:
            SettingError: window or stride is out of range.
        """

        def make() -> OcclusionSurvey:
            survey = OcclusionSurvey(
                classifier.module,
                self.inputs(classifier, picture),
                window=setting.window,
                stride=setting.stride,
                baseline=self.baseline(classifier, picture, setting.baseline),
            )
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
        if isinstance(setting, OcclusionSetting):
            survey = self.survey(classifier, picture, setting)
            visits = self._visits(survey, classifier, picture, setting, question)
            return occlusion_steps(survey, question, visits)
        if isinstance(setting, SuperpixelSetting):
            patches = self._patch_survey(classifier, picture, setting)
            visits = self._visits(patches, classifier, picture, setting, question)
            return superpixel_steps(patches, question, visits)
        return self._paused.steps(
            _key(classifier, picture, setting, question),
            lambda: self._gradient_steps(classifier, picture, setting, question),
        )

    def _visits(
        self,
        survey: OcclusionSurvey | SuperpixelSurvey,
        classifier: Classifier,
        picture: Picture,
        setting: OcclusionSetting | SuperpixelSetting,
        question: Question,
    ) -> Generator[tuple[int, int], None, None]:
        """Finish a survey, here or elsewhere."""
        if self.workers is None:
            return survey.steps()
        task = self._task(classifier, picture, setting, question)
        if isinstance(survey, SuperpixelSurvey):
            task = replace(task, patches=survey.patches)
        return visits_elsewhere(self.workers, survey, task)

    def _gradient_steps(
        self,
        classifier: Classifier,
        picture: Picture,
        setting: GradientsSetting,
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
        if isinstance(setting, OcclusionSetting):
            survey = self.survey(classifier, picture, setting)
            known = int(survey.known.sum())
            passes = survey.grid.count - known
        elif isinstance(setting, SuperpixelSetting):
            patches = self._patches.get((identity(classifier), picture.key, setting))
            known = 0 if patches is None else int(patches.known.sum())
            passes = setting.segments if patches is None else len(patches.scores) - known
        else:
            check_baseline(baseline_of(setting))
            last = self._paused.last(_key(classifier, picture, setting, question))
            known = 0 if last is None else last.done
            passes = gradient_passes(setting) - known
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
        """Keep a finished map on disk, and with an occlusion map the survey that it came from."""
        self.stored.keep(made, classifier, picture, setting, made.question)
        if not isinstance(setting, OcclusionSetting):
            return
        if self.stored.recall(SurveyScores, classifier, picture, setting) is None:
            survey = self.survey(classifier, picture, setting)
            self.stored.keep(SurveyScores.of(survey), classifier, picture, setting)

    def _patch_survey(
        self, classifier: Classifier, picture: Picture, setting: SuperpixelSetting
    ) -> SuperpixelSurvey:
        seen = classifier.record.preprocessing.picture(picture.image, picture.region)
        return self._patches.get_or_make(
            (identity(classifier), picture.key, setting),
            lambda: SuperpixelSurvey(
                classifier.module,
                self.inputs(classifier, picture),
                superpixels(seen, setting.segments),
                self.baseline(classifier, picture, setting.baseline),
            ),
        )


def _key(
    classifier: Classifier, picture: Picture, setting: Setting, question: Question
) -> Hashable:
    """What tells one map from another."""
    return identity(classifier), picture.key, setting, question


def _same(attribution: Attribution) -> Attribution:
    return attribution
