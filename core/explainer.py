"""The cached front of the house: pictures and settings in, predictions and maps out.

Nothing is computed twice for the same picture, model, weights, settings and question. Keys are
digests and frozen settings, never arrays; every cache is bounded.
"""

import hashlib
from collections.abc import Generator, Hashable
from contextlib import closing
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core import grad_cam, methods, models
from core.attribution import Attribution, Step
from core.baselines import PICTURE, baseline_tensor, check_baseline
from core.cache import BoundedCache
from core.disk_cache import DiskCache
from core.forecast import Forecast, gradient_passes
from core.free_memory import memory_for
from core.gradients import gradient_steps
from core.identity import identity, kinds, provenance_of, signed
from core.memory import memory
from core.models import Classifier
from core.occlusion import OcclusionSurvey, occlusion_steps
from core.pace import Pace
from core.paused import Paused
from core.picture import Picture
from core.scores import Question
from core.settings import (
    OcclusionSetting,
    Setting,
    SuperpixelSetting,
    baseline_of,
)
from core.stored import Stored, SurveyScores
from core.superpixels import SuperpixelSurvey, superpixel_steps, superpixels
from core.turns import turn


class Explainer:
    """Models, predictions and maps, remembered within bounds. Safe to share between threads."""

    def __init__(self, batch_seconds: float | None = None, disk: DiskCache | None = None) -> None:
        """Begin with nothing loaded.

        Args:
            batch_seconds: what a batch of work may take, within which it cannot be stopped; None
                for what is fastest on the whole.
            disk: where finished results survive this process, those of uploads excepted.
        """
        self.stored = Stored(disk)
        self.batch_seconds = batch_seconds
        self._classifiers: BoundedCache[Classifier] = BoundedCache(3)
        self._inputs: BoundedCache[Tensor] = BoundedCache(32)
        self._logits: BoundedCache[Tensor] = BoundedCache(256)
        self._surveys: BoundedCache[OcclusionSurvey] = BoundedCache(12)  # each holds its scores
        self._patches: BoundedCache[SuperpixelSurvey] = BoundedCache(12)
        self._others: BoundedCache[Picture] = BoundedCache(8)
        self._pace = Pace()
        self._paused = Paused(4)  # each may hold the gradients of a path, 150 MB at most
        self._unavailable: BoundedCache[dict[str, str]] = BoundedCache(16)
        self._layers: BoundedCache[tuple[str, ...]] = BoundedCache(16)
        self._maps: BoundedCache[Attribution] = BoundedCache(128)

    def classifier(self, name: str, device: str = "auto") -> Classifier:
        """A loaded model; downloads its weights if they are not here (see `models.download`).

        Raises:
            ModelError: the model is unknown or its weights cannot be had.
            SettingError: the device is not on this machine.
        """
        place = models.resolve_device(device)
        return self._classifiers.get_or_make(
            (name, str(place)), lambda: models.load(name, place.type)
        )

    def inputs(self, classifier: Classifier, picture: Picture) -> Tensor:
        """The model's input for a picture, float32 (1, 3, H, W) on the model's device."""
        key = (classifier.record.preprocessing, picture.key, str(classifier.device))
        return self._inputs.get_or_make(
            key,
            lambda: classifier.record.preprocessing.tensor(picture.image, picture.region).to(
                classifier.device
            ),
        )

    def logits(self, classifier: Classifier, picture: Picture) -> Tensor:
        """The model's logits for a picture, float32 (classes,) on the CPU."""

        def make() -> Tensor:
            known = self.stored.recall(np.ndarray, classifier, picture)
            if known is not None:
                return torch.from_numpy(known)
            logits = classifier.logits(self.inputs(classifier, picture))[0]
            self.stored.keep(logits.numpy(), classifier, picture)
            return logits

        return self._logits.get_or_make((identity(classifier), picture.key), make)

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
            return occlusion_steps(survey, question, self.batch_seconds)
        if isinstance(setting, SuperpixelSetting):
            patches = self._patch_survey(classifier, picture, setting)
            return superpixel_steps(patches, question, self.batch_seconds)
        return self._paused.steps(
            _key(classifier, picture, setting, question),
            lambda: gradient_steps(
                classifier.module,
                self.inputs(classifier, picture),
                question,
                setting,
                self.baseline(classifier, picture, baseline_of(setting)),
                self.batch_seconds,
            ),
        )

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
            known = 0 if patches is None else patches.known
            passes = setting.segments if patches is None else len(patches.scores) - known
        else:
            check_baseline(baseline_of(setting))
            last = self._paused.last(_key(classifier, picture, setting, question))
            known = 0 if last is None else last.done
            passes = gradient_passes(setting) - known
        seconds = [self._pace.seconds(kind, passes) for kind in kinds(classifier, setting)]
        return Forecast(passes, next((s for s in seconds if s is not None), None), known)

    def unavailable(self, classifier: Classifier, picture: Picture) -> dict[str, str]:
        """The methods that a model cannot have, by name, and why, as the end of a sentence."""

        def make() -> dict[str, str]:
            inputs = self.inputs(classifier, picture)
            reasons = {
                name: methods.why_not(classifier.module, inputs, name) for name in methods.METHODS
            }
            return {name: reason for name, reason in reasons.items() if reason is not None}

        return self._unavailable.get_or_make(identity(classifier), make)

    def layers(self, classifier: Classifier, picture: Picture) -> tuple[str, ...]:
        """The layers of a model that Grad-CAM can look at, largest maps first."""

        def make() -> tuple[str, ...]:
            inputs = self.inputs(classifier, picture)
            network = memory.prepared(classifier.module).network
            with turn:  # it sets hooks
                return grad_cam.layers(network.layers, inputs)

        return self._layers.get_or_make(identity(classifier), make)

    def as_baseline(self, picture: Picture) -> str:
        """The name under which another picture serves as a baseline."""
        name = f"{PICTURE}:{picture.sha256}"
        self._others.put(name, picture)
        return name

    def covered(
        self, classifier: Classifier, picture: Picture, mask: np.ndarray, baseline: str
    ) -> Tensor:
        """Logits (classes,) with a part of the input covered; one forward pass, if it is new.

        Args:
            classifier: the model to ask.
            picture: the picture to cover.
            mask: bool (H, W) at model-input resolution; True where covered.
            baseline: what a covered pixel becomes.
        """

        def make() -> Tensor:
            inputs = self.inputs(classifier, picture)
            chosen = torch.from_numpy(mask).to(inputs.device)
            cover = self.baseline(classifier, picture, baseline)
            return classifier.logits(torch.where(chosen, cover, inputs))[0]

        covered = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
        key = (identity(classifier), picture.key, baseline, covered)
        return self._logits.get_or_make(key, make)

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

    def baseline(self, classifier: Classifier, picture: Picture, name: str) -> Tensor:
        """A named baseline for a picture, float32 (1, 3, H, W) on the model's device.

        Raises:
            SettingError: there is no such baseline.
        """
        other = self._others.get(name)
        if other is not None:
            return self.inputs(classifier, other)
        preprocessing = classifier.record.preprocessing
        baseline = baseline_tensor(name, preprocessing, picture.image, picture.region)
        return baseline.to(classifier.device)

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
