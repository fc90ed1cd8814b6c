"""What other processes or machines compute: what they are sent, and what comes back.

Tensors and settings go out, for a network that a worker loads by its name. A part of the work comes
back at a time: of a survey the logits of the windows that were visited since, which the survey here
takes over as if it had visited them itself; of other methods the map as far as it is known; and of
a judgement the measures that were taken since.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.attribution import Attribution, Step
from core.checking import Agreement
from core.errors import ModelError
from core.faithfulness import FaithfulnessSetting
from core.gradients import gradient_steps
from core.measuring import Parts, Subject, measure
from core.models import Classifier
from core.occlusion import OcclusionSurvey
from core.packing import pack, unpack
from core.quick import Asking
from core.randomisation import Networks
from core.scores import Question
from core.settings import OcclusionSetting, Setting, SuperpixelSetting
from core.superpixels import SuperpixelSurvey


@dataclass(frozen=True, eq=False)
class Known:
    """Windows or patches of a survey: their numbers (n,), and their logits float32 (n, classes)."""

    numbers: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class Judged:
    """A map that is to be judged, in a `Task` that says how it was made.

    Attributes:
        values: the map, float32 (H, W).
        how: it is judged.
        reveal: what covered pixels become for the curves, float32 (1, 3, H, W).
        seen: the input as a picture, uint8 (H, W, 3).
        found: what need not be measured any more, as `core.measuring.measure` names it.
    """

    values: np.ndarray
    how: FaithfulnessSetting
    reveal: np.ndarray
    seen: np.ndarray
    found: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Task:
    """A map to be computed or judged, as plain arrays and settings.

    Attributes:
        model, device, weights_sha256: which network; a worker's weights must be the same.
        inputs, baseline: float32 (1, 3, H, W).
        setting, question: what is asked.
        patches: int (H, W), of superpixels; else None.
        known: what need not be visited any more; None where the method has no survey.
        judged: the map to be judged; None where it is to be computed.
    """

    model: str
    device: str
    weights_sha256: str
    inputs: np.ndarray = field(repr=False)
    baseline: np.ndarray = field(repr=False)
    setting: Setting
    question: Question
    patches: np.ndarray | None = field(default=None, repr=False)
    known: Known | None = field(default=None, repr=False)
    judged: Judged | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Visited:
    """What a survey found since the last part.

    Attributes:
        found: the windows and their logits.
        seconds: that it took.
        agreement: of the whole survey so far.
        anew: whether all parts before are not to be believed.
    """

    found: Known
    seconds: float
    agreement: Agreement
    anew: bool = False


@dataclass(frozen=True, eq=False)
class Drawn:
    """A map as far as it is known: passes made, all passes, and the map, packed."""

    done: int
    total: int
    map: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Measured:
    """Passes made since the last part, and what was found meanwhile, by name."""

    passes: int
    found: dict[str, Any]


Part = Visited | Drawn | Measured


class Survey(Protocol):
    """What `OcclusionSurvey` and `SuperpixelSurvey` have in common."""

    seconds: float

    @property
    def known(self) -> np.ndarray:
        """Which windows' logits are there, bool (windows,)."""

    def logits_of(self, numbers: np.ndarray) -> Tensor:
        """Logits of windows by number, (n, classes)."""

    @property
    def agreement(self) -> Agreement:
        """How far windows that the network itself computed too were from it."""

    def learn(
        self,
        numbers: np.ndarray,
        logits: Tensor,
        seconds: float = 0.0,
        agreement: Agreement | None = None,
    ) -> None:
        """Take over what was found elsewhere."""

    def forget(self) -> None:
        """Forget all windows, which are not to be believed."""

    def steps(self) -> Generator[tuple[int, int], None, None]:
        """Visit what is not known."""


class Workers(Protocol):
    """Where maps are computed instead of here."""

    @property
    def places(self) -> int:
        """How many maps are computed at a time; 0 while that is not known yet."""

    def parts(self, task: Callable[[], Task]) -> Generator[Part, None, None]:
        """Compute a map part by part. May be closed; what did not come back is lost.

        Args:
            task: what is to be done; called once more where a worker was lost.

        Raises:
            UserError: a worker's own, or the workers cannot be reached.
        """


def task_of(
    classifier: Classifier,
    inputs: Tensor,
    baseline: Tensor,
    setting: Setting,
    question: Question,
) -> Task:
    """A task for the network of a classifier."""
    return Task(
        classifier.record.name,
        classifier.device.type,
        classifier.weights_sha256,
        inputs.cpu().numpy(),
        baseline.cpu().numpy(),
        setting,
        question,
    )


def visits_elsewhere(
    workers: Workers, survey: Survey, task: Task
) -> Generator[tuple[int, int], None, None]:
    """Do what ``survey.steps`` does, by workers: yield (known, all) after each part."""

    def missing() -> Task:
        numbers = np.flatnonzero(survey.known)
        return replace(task, known=Known(numbers, survey.logits_of(numbers).numpy()))

    if survey.known.all():
        return
    with closing(workers.parts(missing)) as parts:
        for part in parts:
            if isinstance(part, Visited):
                if part.anew:
                    survey.forget()
                logits = torch.tensor(part.found.logits)
                survey.learn(part.found.numbers, logits, part.seconds, part.agreement)
                known = survey.known
                yield int(known.sum()), len(known)


def steps_elsewhere(workers: Workers, task: Task) -> Generator[Step, None, None]:
    """Do what `core.gradients.gradient_steps` does, by workers."""
    with closing(workers.parts(lambda: task)) as parts:
        for part in parts:
            if isinstance(part, Drawn):
                yield Step(part.done, part.total, partial(unpack, Attribution, part.map))


def measured_elsewhere(
    workers: Workers, classifier: Classifier, subject: Subject, found: dict[str, Any]
) -> Parts:
    """Do what `core.measuring.measure` does, by workers."""
    asking, seen = subject.asking, np.asarray(subject.asking.seen)
    task = task_of(classifier, subject.inputs, asking.baseline, asking.setting, asking.question)

    def missing() -> Task:
        reveal = subject.reveal.cpu().numpy()
        judged = Judged(subject.values, subject.how, reveal, seen, dict(found))
        return replace(task, judged=judged)

    with closing(workers.parts(missing)) as parts:
        for part in parts:
            if isinstance(part, Measured):
                found.update(part.found)
                yield part.passes


def parts_of(task: Task, classifier: Classifier) -> Generator[Part, None, None]:
    """The work itself, as a worker does it.

    Raises:
        ModelError: the worker's weights are not those of the task.
        UserError: whatever the method raises.
    """
    if classifier.weights_sha256 != task.weights_sha256:
        raise ModelError(
            f"A worker has other weights of {task.model} than this page: use the same files on "
            "all machines."
        )
    inputs, baseline = (_there(classifier, each) for each in (task.inputs, task.baseline))
    if task.judged is not None:
        asked = (task.question, task.setting, baseline)
        asking = Asking(*asked, Image.fromarray(task.judged.seen))
        yield from _measured(classifier, inputs, asking, task.judged)
    elif isinstance(task.setting, OcclusionSetting):
        survey: Survey = OcclusionSurvey(
            classifier.module,
            inputs,
            window=task.setting.window,
            stride=task.setting.stride,
            baseline=baseline,
        )
        yield from _visited(survey, task)
    elif isinstance(task.setting, SuperpixelSetting):
        assert task.patches is not None
        survey = SuperpixelSurvey(classifier.module, inputs, np.array(task.patches), baseline)
        yield from _visited(survey, task)
    else:
        for step in gradient_steps(
            classifier.module, inputs, task.question, task.setting, baseline
        ):
            yield Drawn(step.done, step.total, pack(step.snapshot()))


def _visited(survey: Survey, task: Task) -> Generator[Visited, None, None]:
    """What a survey finds, without what the one who asks knows already."""
    assert task.known is not None
    survey.learn(task.known.numbers, torch.tensor(task.known.logits))
    sent = np.zeros(len(survey.known), dtype=bool)
    sent[task.known.numbers] = True
    before = survey.seconds

    def new() -> Visited:
        nonlocal before
        anew = bool((sent & ~survey.known).any())
        if anew:
            sent[:] = False
        numbers = np.flatnonzero(survey.known & ~sent)
        sent[numbers] = True
        seconds, before = survey.seconds - before, survey.seconds
        logits = survey.logits_of(numbers).numpy()
        return Visited(Known(numbers, logits), seconds, survey.agreement, anew)

    if (survey.known & ~sent).any():  # from an earlier task
        yield new()
    with closing(survey.steps()) as steps:
        for _ in steps:
            yield new()


def _measured(
    classifier: Classifier, inputs: Tensor, asking: Asking, judged: Judged
) -> Generator[Measured, None, None]:
    """What judging a map finds, without what the one who asks knows already."""
    reveal = _there(classifier, judged.reveal)
    networks = Networks(classifier.module, judged.how.seed)
    subject = Subject(
        classifier.module, inputs, asking, judged.values, judged.how, reveal, networks
    )
    found, sent = dict(judged.found), set(judged.found)

    def new() -> dict[str, Any]:
        names = found.keys() - sent
        sent.update(names)
        return {name: found[name] for name in names}

    for passes in measure(subject, found):
        yield Measured(passes, new())
    yield Measured(0, new())


def _there(classifier: Classifier, array: np.ndarray) -> Tensor:
    return torch.tensor(array).to(classifier.device)
