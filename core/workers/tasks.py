"""Tasks for other processes or machines: what is sent to them, and what comes back.

Tensors and settings go out, for a network that a worker loads by its name. A part of the work comes
back at a time: of a survey the logits of the pictures that were visited since, which the survey
here takes over as if it had visited them itself; of other methods the map as far as it is known;
and of a judgement the measures that were taken since.
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

from ..engine.agreement import Agreement
from ..files.serialization import pack, unpack
from ..methods.attribution import Attribution, Step
from ..methods.gradients import gradient_steps
from ..methods.registry import survey_of
from ..methods.scores import Question
from ..methods.settings import Setting, SurveySetting
from ..methods.survey import Survey
from ..models.classifiers import Classifier
from ..trust.coarse_maps import Asking
from ..trust.measuring import Parts, Subject, measure
from ..trust.randomisation import Networks
from ..trust.settings import FaithfulnessSetting
from .loading import check_weights


@dataclass(frozen=True, eq=False)
class Known:
    """Pictures of a survey: their numbers (n,), and their logits float32 (n, classes)."""

    numbers: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class Judged:
    """A map that is to be judged, in a `Task` that says how it was made.

    Attributes:
        values: the map, float32 (H, W).
        how: it is judged.
        reveal: what covered pixels become for the curves, float32 (1, C, H, W); None for ROAD.
        seen: the input as a picture, uint8 (H, W, 3).
        found: what need not be measured any more, as `core.trust.measuring.measure` names it.
        measures: which are to be taken.
    """

    values: np.ndarray
    how: FaithfulnessSetting
    reveal: np.ndarray | None
    seen: np.ndarray
    found: dict[str, Any]
    measures: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Task:
    """A map to be computed or judged, as plain arrays and settings.

    Attributes:
        model, device, weights_sha256: which network; a worker's weights must be the same.
        inputs, baseline: float32 (1, C, H, W).
        setting, question: what is asked.
        patches: int (H, W), of a method that covers superpixels or regions; where a map is judged,
            of regions alone; else None.
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
        found: the pictures and their logits.
        seconds: that it took.
        agreement: of the whole survey so far.
        anew: whether all earlier parts turned out to be wrong.
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
        known = Known(numbers, survey.logits_of(numbers).numpy())
        return replace(task, known=known, patches=survey.patches)

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
    """Do what `core.methods.gradients.gradient_steps` does, by workers."""
    with closing(workers.parts(lambda: task)) as parts:
        for part in parts:
            if isinstance(part, Drawn):
                yield Step(part.done, part.total, partial(unpack, Attribution, part.map))


def measured_elsewhere(
    workers: Workers, classifier: Classifier, subject: Subject, found: dict[str, Any]
) -> Parts:
    """Do what `core.trust.measuring.measure` does, by workers."""
    asking, seen = subject.asking, np.asarray(subject.asking.seen)
    task = task_of(classifier, subject.inputs, asking.baseline, asking.setting, asking.question)
    task = replace(task, patches=asking.regions)

    def missing() -> Task:
        reveal = None if subject.reveal is None else subject.reveal.cpu().numpy()
        judged = Judged(subject.values, subject.how, reveal, seen, dict(found), subject.measures)
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
    check_weights(classifier, task.model, task.weights_sha256)
    inputs, baseline = (_there(classifier, each) for each in (task.inputs, task.baseline))
    if task.judged is not None:
        asked = (task.question, task.setting, baseline)
        regions = None if task.patches is None else np.array(task.patches)
        asking = Asking(*asked, Image.fromarray(task.judged.seen), regions)
        yield from _measured(classifier, inputs, asking, task.judged)
    elif isinstance(task.setting, SurveySetting):
        survey = survey_of(
            task.setting, classifier.module, inputs, baseline, lambda _: np.array(task.patches)
        )
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
    reveal = None if judged.reveal is None else _there(classifier, judged.reveal)
    networks = Networks(classifier.module, judged.how.seed)
    subject = Subject(
        classifier.module,
        inputs,
        asking,
        judged.values,
        judged.how,
        reveal,
        networks,
        judged.measures,
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
