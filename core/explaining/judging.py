"""`Judge`: computes and caches the trust measures of maps, step by step.

What does not depend on the map (the controls of the curves, the squares that are covered, the
networks of random weights) is shared by all maps of a picture, so the second map is judged sooner
than the first.
"""

import hashlib
import time
from collections.abc import Generator, Hashable
from contextlib import closing
from functools import partial
from typing import Any

from ..engine.free_memory import memory_for
from ..files.cache import BoundedCache
from ..methods.baselines import road_seed
from ..methods.cover_methods import PatchSetting
from ..methods.forecast import Forecast
from ..methods.identity import identity
from ..methods.settings import baseline_of
from ..trust.coarse_maps import Asking, quick_passes
from ..trust.faithfulness import Curves, curve_passes
from ..trust.infidelity import SQUARES, Squares
from ..trust.judgement import MEASURES, Case, Judgement, JudgementStep, measures_of
from ..trust.measuring import Parts, Subject, measure
from ..trust.randomisation import Networks, stages_of
from ..trust.sensitivity import SAMPLES
from ..trust.settings import FaithfulnessSetting
from ..workers.tasks import measured_elsewhere
from .explainer import Explainer
from .timing import Pace


class Judge:
    """Computes trust measures and caches them. Safe to share between threads."""

    def __init__(self, explainer: Explainer) -> None:
        """Begin with nothing known; models, inputs and baselines are the explainer's."""
        self._explainer = explainer
        self._pace = Pace()
        self._controls: BoundedCache[Curves] = BoundedCache(64)
        self._squares: BoundedCache[Squares] = BoundedCache(16)  # 3 MB each
        self._networks: BoundedCache[Networks] = BoundedCache(1)
        self._found: BoundedCache[dict[str, Any]] = BoundedCache(64)  # measures, as they come

    def known(self, case: Case, how: FaithfulnessSetting) -> Judgement | None:
        """The complete judgement, if it was made before."""
        found = self._found.get(_key(case, how))
        if found is None:
            kept = self._explainer.stored.recall(
                Judgement, case.classifier, case.picture, *_asked(case, how)
            )
            if kept is not None:
                found = self._found.put(_key(case, how), dict(vars(kept)))
        judgement = None if found is None else Judgement(**found)
        return judgement if judgement is not None and judgement.complete else None

    def forecast(self, case: Case, how: FaithfulnessSetting) -> Forecast:
        """What a judgement would cost now."""
        if self.known(case, how) is not None:
            return Forecast(0, 0.0)
        passes = self._passes(case, how)
        return Forecast(passes, self._pace.seconds(_work(case, how), passes))

    def steps(self, case: Case, how: FaithfulnessSetting) -> Generator[JudgementStep, None, None]:
        """Judge a map, yielding after each batch; a known judgement takes a single step.

        The curves show the probability of the map's target, whatever score the map explains. May be
        closed at any time; the measures that are there are kept.

        Raises:
            SettingError: there is no such baseline.
            ModelError: the scores are not finite.
        """
        known = self.known(case, how)
        if known is not None:
            yield JudgementStep(1, 1, partial(Judgement, **vars(known)))
            return
        found = self._found.get_or_make(
            _key(case, how),
            lambda: {"attribution": case.attribution, "setting": how, "seconds": 0.0},
        )
        done, total, seconds = 0, self._passes(case, how), 0.0
        with memory_for("This judgement"), closing(self._measure(case, how, found)) as parts:
            started = time.perf_counter()
            for passes in parts:
                done = min(done + passes, total - 1)  # the number of patches is only about right
                taken = time.perf_counter() - started
                seconds += taken
                found["seconds"] += taken
                yield JudgementStep(done, total, partial(Judgement, **found))
                started = time.perf_counter()
            found["seconds"] += time.perf_counter() - started
        self._pace.note(_work(case, how), done, seconds)
        self._explainer.stored.keep(
            Judgement(**found), case.classifier, case.picture, *_asked(case, how)
        )
        yield JudgementStep(total, total, partial(Judgement, **found))

    def _measure(self, case: Case, how: FaithfulnessSetting, found: dict[str, Any]) -> Parts:
        """Take every measure that is missing and put it into ``found``, yielding passes."""
        shared = (
            ("controls", self._controls, _controls_key(case, how)),
            ("squares", self._squares, _squares_key(case, how)),
        )
        known = {name: found[name] for name in MEASURES if name in found}
        for name, cache, key in shared:
            if (value := cache.get(key)) is not None:
                known[name] = value

        def remember() -> None:
            found.update({name: known[name] for name in MEASURES if name in known})
            for name, cache, key in shared:
                if name in known and cache.get(key) is None:
                    cache.put(key, known[name])

        with closing(self._measured(case, how, known)) as parts:
            for passes in parts:
                remember()
                yield passes
        remember()

    def _measured(self, case: Case, how: FaithfulnessSetting, known: dict[str, Any]) -> Parts:
        """Take the measures, here or elsewhere."""
        explainer, classifier, picture = self._explainer, case.classifier, case.picture
        question, values = case.attribution.question, case.attribution.values
        baseline = explainer.baseline(classifier, picture, baseline_of(case.setting))
        reveal = None
        if road_seed(how.baseline) is None:
            reveal = explainer.baseline(classifier, picture, how.baseline)
        inputs = explainer.inputs(classifier, picture)
        seen = classifier.record.preprocessing.picture(picture.image, picture.region)
        regions = None
        if isinstance(case.setting, PatchSetting) and case.setting.regions:
            regions, _ = explainer.regions(classifier, picture, case.setting.regions)
        asking = Asking(question, case.setting, baseline, seen, regions)
        networks = self._networks.get_or_make(
            (identity(classifier), how.seed), lambda: Networks(classifier.module, how.seed)
        )
        measures = measures_of(case.attribution)
        subject = Subject(
            classifier.module, inputs, asking, values, how, reveal, networks, measures
        )
        if explainer.workers is None:
            return measure(subject, known)
        return measured_elsewhere(explainer.workers, classifier, subject, known)

    def _passes(self, case: Case, how: FaithfulnessSetting) -> int:
        """About how many passes are still to be made."""
        found = self._found.get(_key(case, how)) or {}
        missing = [name for name in measures_of(case.attribution) if name not in found]
        passes = maps = 0
        if "curves" in missing:
            own, controls = curve_passes(case.size, how)
            passes += own + (0 if self._controls.get(_controls_key(case, how)) else controls)
        if "infidelity" in missing and not self._squares.get(_squares_key(case, how)):
            passes += SQUARES + 1
        if "randomisation" in missing:
            maps += 1 + len(stages_of(case.classifier.module))
        if "sensitivity" in missing:
            maps += SAMPLES
        return passes + (maps and maps * quick_passes(case.setting, case.size[0]))


def _work(case: Case, how: FaithfulnessSetting) -> Hashable:
    """Stands for how long a pass takes: pictures for ROAD take longer to make than to pass."""
    return identity(case.classifier), road_seed(how.baseline) is not None


def _key(case: Case, how: FaithfulnessSetting) -> Hashable:
    return case.scene, *_asked(case, how)


def _asked(case: Case, how: FaithfulnessSetting) -> tuple[Hashable, ...]:
    """What tells one judgement of a picture from another."""
    values = hashlib.sha256(case.attribution.values.tobytes()).hexdigest()
    return case.setting, case.attribution.question, values, how


def _controls_key(case: Case, how: FaithfulnessSetting) -> Hashable:
    return case.scene, case.attribution.target, how


def _squares_key(case: Case, how: FaithfulnessSetting) -> Hashable:
    return case.scene, case.attribution.question, baseline_of(case.setting), how.seed
