"""How far to trust a map: every measure of it, one after the other, as each is known.

What does not depend on the map (the controls of the curves, the squares that are covered) is shared
by all maps of a picture, so the second map is judged sooner than the first.
"""

import copy
import hashlib
import time
from collections.abc import Callable, Generator, Hashable
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

from core.cache import BoundedCache
from core.explainer import Explainer
from core.faithfulness import (
    Curves,
    FaithfulnessSetting,
    control_steps,
    curve_passes,
    curve_steps,
    faithfulness,
    order_of,
)
from core.forecast import Forecast
from core.free_memory import memory_for
from core.identity import identity
from core.infidelity import SQUARES, Squares, infidelity, square_steps
from core.judgement import Case, Judgement, JudgementStep
from core.pace import Pace
from core.quick import Asking, quick_map, quick_passes
from core.randomisation import randomisation_steps, stages_of
from core.scores import Question
from core.sensitivity import SAMPLES, sensitivity_steps
from core.settings import baseline_of

Value = TypeVar("Value")
Parts = Generator[int, None, None]


class Judge:
    """Judges maps and remembers what it found. Safe to share between threads."""

    def __init__(self, explainer: Explainer) -> None:
        """Begin with nothing known; models, inputs and baselines are the explainer's."""
        self._explainer = explainer
        self._pace = Pace()
        self._controls: BoundedCache[Curves] = BoundedCache(64)
        self._squares: BoundedCache[Squares] = BoundedCache(16)  # 3 MB each
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
        return Forecast(passes, self._pace.seconds(identity(case.classifier), passes))

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
                seconds += time.perf_counter() - started
                found["seconds"] += time.perf_counter() - started
                yield JudgementStep(done, total, partial(Judgement, **found))
                started = time.perf_counter()
            found["seconds"] += time.perf_counter() - started
        self._pace.note(identity(case.classifier), done, seconds)
        self._explainer.stored.keep(
            Judgement(**found), case.classifier, case.picture, *_asked(case, how)
        )
        yield JudgementStep(total, total, partial(Judgement, **found))

    def _measure(self, case: Case, how: FaithfulnessSetting, found: dict[str, Any]) -> Parts:
        """Take every measure that is missing and put it into ``found``, yielding passes."""
        module, pause = case.classifier.module, self._explainer.batch_seconds
        inputs = self._explainer.inputs(case.classifier, case.picture)
        values, question = case.attribution.values, case.attribution.question
        baseline = self._baseline(case, baseline_of(case.setting))
        if "curves" not in found:
            found["curves"] = yield from self._curves(case, how)
        if "infidelity" not in found:
            squares = yield from _kept(
                self._squares,
                _squares_key(case, how),
                lambda: square_steps(module, inputs, question, baseline, how.seed, pause),
            )
            found["infidelity"] = infidelity(values, squares)
        if "randomisation" in found:
            return
        preprocessing = case.classifier.record.preprocessing
        seen = preprocessing.picture(case.picture.image, case.picture.region)
        asking = Asking(question, case.setting, baseline, seen, pause)
        same = copy.deepcopy(module)  # of the module itself all windows may be known
        reference = yield from quick_map(same, inputs, asking)
        if "sensitivity" not in found:
            steps = sensitivity_steps(same, inputs, asking, reference, how.seed)
            found["sensitivity"] = yield from steps
        del same  # with what was prepared for it, before the next copies
        found["randomisation"] = yield from randomisation_steps(
            module, inputs, asking, reference, how.seed
        )

    def _curves(self, case: Case, how: FaithfulnessSetting) -> Generator[int, None, Any]:
        asked = (
            case.classifier.module,
            self._explainer.inputs(case.classifier, case.picture),
            Question(case.attribution.target, kind="probability"),
        )
        ways = (how, self._baseline(case, how.baseline), self._explainer.batch_seconds)
        own = yield from curve_steps(*asked, [order_of(case.attribution.values, how)], *ways)
        controls = yield from _kept(
            self._controls, _controls_key(case, how), lambda: control_steps(*asked, *ways)
        )
        return faithfulness(own, controls)

    def _baseline(self, case: Case, name: str) -> Any:
        return self._explainer.baseline(case.classifier, case.picture, name)

    def _passes(self, case: Case, how: FaithfulnessSetting) -> int:
        """About how many passes are still to be made."""
        found = self._found.get(_key(case, how)) or {}
        passes = maps = 0
        if "curves" not in found:
            own, controls = curve_passes(case.size, how)
            passes += own + (0 if self._controls.get(_controls_key(case, how)) else controls)
        if "infidelity" not in found and not self._squares.get(_squares_key(case, how)):
            passes += SQUARES + 1
        if "randomisation" not in found:
            maps += 1 + len(stages_of(case.classifier.module))
        if "sensitivity" not in found:
            maps += SAMPLES
        return passes + maps * quick_passes(case.setting, case.size[0])


def _kept(
    cache: BoundedCache[Value],
    key: Hashable,
    make: Callable[[], Generator[int, None, Value]],
) -> Generator[int, None, Value]:
    """A value from a cache, or made and put there."""
    found = cache.get(key)
    if found is None:
        found = cache.put(key, (yield from make()))
    return found


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
