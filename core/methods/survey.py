"""Surveys: pictures with a part covered go through the network, and every class's logits are kept.

Windows, superpixels, random masks and coalitions of patches are all surveys. They differ in what is
covered, in the order, and in how the logits become a map; this module does the rest. What is known
is remembered by `core.engine.remembered`, so another target, contrast or kind of score costs no
pass, a survey that was left goes on where it was, and the network itself computes some of the
pictures too.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.agreement import Agreement, difference, numbers_to_check, only_rounding, unsteady
from ..engine.checks import baseline_like, check_inputs, finite
from ..engine.fingerprint import digest
from ..engine.free_memory import free_bytes, out_of_memory
from ..engine.incremental import IncrementalNetwork, KeptActivations
from ..engine.outputs import logits_of
from ..engine.remembered import KnownScores, Prepared, memory
from ..engine.teams import alone, side_by_side, teams_for
from ..errors import ResourceError, SettingError
from .attribution import Attribution, Step
from .masked import WHOLE_PICTURES
from .scores import Question

_log = logging.getLogger(__name__)
_BY_ITSELF = 8
_UNBOUNDED = 2**31
_SCRATCH = 4  # what the transforms inside of a layer take, as a multiple of its activations


class Survey(ABC):
    """Logits of a network for numbered pictures, each with a part covered.

    A subclass says how many there are and how they look (`_pictures`), and how the logits become a
    map (`values`). It may also say in which order they are visited (`_legs`), how they are put
    together (`_batches`), and how a batch gets its logits faster than as whole pictures
    (`_scored`).

    Attributes:
        method: the name of the method, for `Attribution`.
        parameters: what shapes the map, JSON types.
        count: how many pictures there are, numbered from 0.
        patches: int (H, W), the superpixels, numbered from 1; None if there are none.
        forward_passes: pictures that this survey itself put through the network.
        seconds: time it spent on them.
    """

    method: str
    parameters: dict[str, object]
    count: int
    patches: np.ndarray | None = None

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        baseline: float | Tensor = 0.0,
        *,
        batch_size: int | None = None,
    ) -> None:
        """Prepare a survey; nothing is computed yet.

        Args:
            module: float32 (N, C, H, W) -> logits (N, classes). Used in eval mode, left as it was.
            inputs: float32 (1, C, H, W).
            baseline: what a covered pixel becomes, in the input's own space: a number, or a tensor
                of the input's shape.
            batch_size: pictures per batch; by default suited to the device, and to the memory that
                is free when the survey runs. Halved by itself when memory runs out.

        Raises:
            SettingError: input, baseline or batch size are not as described.
        """
        check_inputs(inputs)
        if batch_size is not None and batch_size < 1:
            raise SettingError(f"Batch size: {batch_size}; choose 1 or more.")
        self._choose_batch = batch_size is None
        self._largest_batch = batch_size or _UNBOUNDED
        self._inputs = inputs.detach()
        self._covered = baseline_like(baseline, self._inputs)
        self._module = module
        self._prepared: Prepared | None = None
        self._model = memory.key(module)
        self._asked: tuple[Hashable, ...] = digest(inputs), digest(self._covered)
        self._store: KnownScores | None = None  # held here, so that the memory may forget it
        self.forward_passes = 0
        self.seconds = 0.0

    @abstractmethod
    def _kind(self) -> Hashable:
        """What tells these pictures from those of another survey of the same input."""

    @abstractmethod
    def _pictures(self, numbers: np.ndarray) -> Tensor:
        """Whole pictures by their numbers (n,), as the network itself gets them: (n, C, H, W)."""

    @abstractmethod
    def values(self, question: Question) -> np.ndarray:
        """The map as far as it is known, float64 (H, W); costs no forward pass."""

    def change(self, question: Question) -> float | None:  # noqa: ARG002
        """What the values should sum to, for methods with completeness; else None."""
        return None

    def total(self, question: Question) -> float | None:  # noqa: ARG002
        """What the values sum to where pixels share them, each counted once; else None."""
        return None

    def errors(self, question: Question) -> np.ndarray | None:  # noqa: ARG002
        """Standard error of each pixel's value, float64 (H, W), for random surveys; else None."""
        return None

    def _space(self) -> tuple[int, ...]:
        """Size of the space of `_places`."""
        return (self.count,)

    def _places(self, numbers: np.ndarray) -> np.ndarray:
        """Where pictures (n,) are remembered, int (n, k), shared with surveys of the same kind."""
        return numbers[:, None]

    def _alike(self, numbers: np.ndarray) -> np.ndarray:
        """All pictures that have a place with one of these (n,)."""
        return numbers

    def _device_batch(self, kept: KeptActivations) -> int:  # noqa: ARG002
        """How many pictures the device computes well at once."""
        return WHOLE_PICTURES[self._inputs.device.type]

    def _legs(
        self,
        known: np.ndarray,
        answers: Callable[[], np.ndarray],  # noqa: ARG002
        teams: int,  # noqa: ARG002
    ) -> Iterator[np.ndarray]:
        """The order of visits, as groups of numbers (n,); see `core.methods.preview.legs`."""
        yield np.flatnonzero(~known)

    def _batches(
        self,
        kept: KeptActivations,  # noqa: ARG002
        leg: np.ndarray,
        teams: int,  # noqa: ARG002
        first: bool,  # noqa: ARG002
    ) -> Iterable[np.ndarray]:
        """Split a leg (n,) into batches; ``first`` if nothing is known yet."""
        return np.array_split(leg, -(-len(leg) // self._largest_batch)) if len(leg) else ()

    def _scored(self, kept: KeptActivations, numbers: np.ndarray) -> Tensor:  # noqa: ARG002
        """Logits (n, classes) of a batch."""
        return self._network().dense(self._pictures(numbers))

    @property
    def fallback(self) -> str | None:
        """None if the network is re-inferred incrementally; else why it is run densely."""
        return self._network().fallback

    @property
    def agreement(self) -> Agreement:
        """How many of the pictures the network itself computed too, and the largest difference."""
        return Agreement() if self._store is None else self._store.agreement

    @property
    def clean(self) -> Tensor:
        """Logits of the uncovered input, float32 (classes,); one pass, if it is new."""
        return self._found().clean

    @property
    def known(self) -> np.ndarray:
        """Which pictures' logits are there, bool (count,); never costs a pass."""
        self._store = self._store or memory.scores(*self._key)
        if self._store is None:
            return np.zeros(self.count, dtype=bool)
        return self._store.knows(self._places(self._all))

    @property
    def missing(self) -> int:
        """How many passes are still to be made."""
        return int((~self.known).sum())

    @property
    def scores(self) -> Tensor:
        """Logits per picture, float32 (count, classes), by number; NaN where not known yet."""
        return self.logits_of(self._all)

    def logits_of(self, numbers: np.ndarray) -> Tensor:
        """Logits of pictures by their numbers (n,): float32 (n, classes)."""
        return self._found().take(self._places(numbers))

    def restore(self, clean: Tensor, scores: Tensor, agreement: Agreement | None = None) -> None:
        """Take over the logits of an earlier survey of the same input, model and pictures.

        Args:
            clean: of the uncovered input, float32 (classes,).
            scores: per picture, float32 (count, classes), by number.
            agreement: how far pictures that the network itself computed too were from it.

        Raises:
            ValueError: they are not of this shape.
        """
        if scores.shape != (self.count, len(clean)):
            raise ValueError(
                f"The scores have shape {tuple(scores.shape)}; there are {self.count} pictures."
            )
        self._store = memory.begin(KnownScores(self._space(), finite(clean)), *self._key)
        self._store.add(self._places(self._all), finite(scores))
        self._store.agreement += agreement or Agreement()

    def learn(
        self,
        numbers: np.ndarray,
        logits: Tensor,
        seconds: float = 0.0,
        agreement: Agreement | None = None,
    ) -> None:
        """Take over pictures that were visited elsewhere for this survey.

        Args:
            numbers: of the pictures (n,).
            logits: float32 (n, classes).
            seconds: what visiting them took.
            agreement: how far pictures that the network itself computed there were from it.

        Raises:
            ModelError: the logits are not finite.
        """
        new = numbers[~self.known[numbers]]
        self._found().add(self._places(numbers), finite(logits))
        self.forward_passes += len(np.unique(self._places(new), axis=0))
        self.seconds += seconds
        if agreement is not None:
            self._found().agreement = agreement

    def forget(self) -> None:
        """Forget all pictures, which turned out to be wrong."""
        self._found().forget()

    def run(self) -> Self:
        """Visit all pictures that are not known."""
        for _ in self.steps():
            pass
        return self

    def run_by_itself(self) -> Self:
        """Let the network itself visit all pictures: slower, but it need not be prepared."""
        started = time.perf_counter()

        def visit(pictures: Tensor) -> Tensor:
            with torch.inference_mode():
                return finite(logits_of(self._module(pictures))).float()

        clean = alone(lambda: visit(self._inputs))[0]
        scores = [
            alone(partial(visit, self._pictures(self._all[first : first + _BY_ITSELF])))
            for first in range(0, self.count, _BY_ITSELF)
        ]
        self.restore(clean, torch.cat(scores), Agreement(self.count, 0.0))
        self.forward_passes += self.count
        self.seconds += time.perf_counter() - started
        return self

    def steps(self) -> Generator[tuple[int, int], None, None]:
        """Visit the pictures that are not known, yielding (known, all) after each batch.

        May be closed, or left by `core.engine.teams.heed`, and begun again; what was yielded is
        kept.

        Raises:
            ModelError: the network gave scores that are not finite.
            ResourceError: not even one picture fits into memory.
        """
        known = self.known
        if known.all() and self.agreement.windows:
            return
        network = self._network()
        by_itself = network.alone and not known.any()
        started = time.perf_counter()
        kept = self._keep()
        found = self._found(kept.scores)
        teams = 1 if self.fallback is not None else teams_for(self._inputs.device)
        if self._choose_batch:
            self._largest_batch = self._suitable_batch(kept, teams)
        answers = found.clean.topk(min(5, len(found.clean))).indices

        for leg in self._legs(known, lambda: self.scores[:, answers].numpy(), teams):
            batches = self._batches(kept, leg, teams, first=not known.any())
            unknown = self._unknown(batches, found)
            with closing(side_by_side(partial(self._visit, kept), unknown, teams)) as visited:
                for batch, logits in visited:
                    found.add(self._places(batch), finite(logits))
                    known[self._alike(batch)] = True
                    self.forward_passes += len(batch)
                    self.seconds += time.perf_counter() - started
                    if not known.all():
                        yield int(known.sum()), len(known)
                    started = time.perf_counter()
            known[self._alike(leg)] = True  # others may have been here meanwhile
        if self._believe(found, by_itself):
            yield len(known), len(known)
        else:
            yield from self.steps()

    @property
    def _key(self) -> tuple[Hashable, ...]:
        return self._model, *self._asked, self._kind()

    @property
    def _all(self) -> np.ndarray:
        return np.arange(self.count)

    def _suitable_batch(self, kept: KeptActivations, teams: int) -> int:
        """As many pictures as the device computes well at once and has memory for."""
        free = free_bytes(self._inputs.device)
        fitting = free // (_SCRATCH * max(kept.live_bytes, 1) * teams)
        return max(1, min(self._device_batch(kept), fitting, self._largest_batch))

    def _unknown(self, batches: Iterable[np.ndarray], found: KnownScores) -> Iterator[np.ndarray]:
        """Without the pictures that another walk over the same ones has visited meanwhile."""
        for batch in batches:
            new = batch[~found.knows(self._places(batch))]
            if len(new):
                yield new

    def _found(self, clean: Tensor | None = None) -> KnownScores:
        """What is known of this input; begun with the clean scores (1, classes) if nothing is."""
        self._store = self._store or memory.scores(*self._key)
        if self._store is None:
            if clean is None:
                network = self._network()
                clean = alone(lambda: network.dense(self._inputs))
            self._store = memory.begin(KnownScores(self._space(), finite(clean)[0]), *self._key)
        return self._store

    def _network(self) -> IncrementalNetwork:
        """The network, prepared when it is first needed: what is known needs none.

        If the module was changed before that, the survey is one of the changed module.
        """
        if self._prepared is None:
            self._prepared = memory.prepared(self._module, self._inputs)
            if self._prepared.key is not self._model:
                self._model, self._store = self._prepared.key, None
        return self._prepared.network

    def _keep(self) -> KeptActivations:
        network = self._network()
        return alone(lambda: network.keep(self._inputs))

    def _believe(self, found: KnownScores, by_itself: bool) -> bool:
        """Let the network itself compute some pictures too; whether it says the same of them.

        If it does not, it computes all of them from now on.

        Args:
            found: what is known.
            by_itself: whether the network itself, one picture at a time, computed all of it.

        Raises:
            ModelError: it did, so that it gives other scores each time.
        """
        network, started = self._network(), time.perf_counter()
        numbers = numbers_to_check(self.count)
        logits = found.take(self._places(numbers))
        apart, believed = alone(lambda: self._compared(numbers, logits))
        self.seconds += time.perf_counter() - started
        if believed:
            found.agreement += Agreement(len(numbers), apart)
            return True
        found.forget()
        if by_itself:
            raise unsteady(apart)
        network.distrust(apart)
        return False

    def _compared(self, numbers: np.ndarray, logits: Tensor) -> tuple[float, bool]:
        """The largest difference of logits (n, classes) from the network's own of these pictures.

        And whether it is no more than rounding.
        """
        network, pictures = self._network(), self._pictures(numbers)
        truth = finite(network.own_scores(pictures))
        apart = difference(logits, truth)
        return apart, only_rounding(network.twin, apart, pictures, truth)

    def _visit(self, kept: KeptActivations, numbers: np.ndarray) -> Tensor:
        """Logits (n, classes) of pictures by number, in smaller batches if memory runs out."""
        if len(numbers) > self._largest_batch:  # it has become smaller since this was planned
            parts = np.array_split(numbers, -(-len(numbers) // self._largest_batch))
            return torch.cat([self._visit(kept, part) for part in parts])
        try:
            return self._scored(kept, numbers)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(numbers) == 1:
                raise ResourceError(
                    "Not even one picture fits into memory: choose a smaller model, or close "
                    "other programs."
                ) from error
        self._largest_batch = min(self._largest_batch, len(numbers) // 2)
        _log.info("out of memory; going on with batches of %d", self._largest_batch)
        return self._visit(kept, numbers)


def survey_steps(
    survey: Survey,
    question: Question,
    visits: Generator[tuple[int, int], None, None] | None = None,
) -> Generator[Step, None, None]:
    """Finish a survey, yielding the map of one question after each batch; at least once.

    ``visits`` are how it is finished; by default `Survey.steps`.

    Raises:
        SettingError: the question cannot be asked of this network.
    """
    passes, seconds = survey.forward_passes, survey.seconds

    def snapshot() -> Attribution:
        return Attribution(
            values=survey.values(question),
            method=survey.method,
            question=question,
            parameters=survey.parameters,
            agreement=survey.agreement if survey.agreement.windows else None,
            forward_passes=survey.forward_passes - passes,
            seconds=survey.seconds - seconds,
            change=survey.change(question) if survey.known.all() else None,
            total=survey.total(question),
            errors=survey.errors(question),
        )

    known, total = int(survey.known.sum()), survey.count
    with closing(visits or survey.steps()) as steps:
        question.check(len(survey.clean))
        yield Step(known, total, snapshot)
        for known, total in steps:
            yield Step(known, total, snapshot)
