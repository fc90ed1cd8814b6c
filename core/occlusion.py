"""The occlusion survey: cover a window, ask the network, keep the scores of every class.

Occlusion: Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

One survey answers for every target, every contrast and every kind of score, since each window's
logits are kept for all classes. `core.incremental` makes a window cheap; `core.memory` remembers
windows, so that another stride, or a survey begun again, visits only what is new; `core.preview`
decides the order, so that the map is worth looking at long before the last window.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn

from core.attribution import Attribution, Step
from core.checking import Agreement, covered, difference, numbers_to_check, only_rounding, unsteady
from core.checks import baseline_like, check_inputs, finite
from core.errors import ResourceError, SettingError
from core.fingerprint import digest
from core.free_memory import free_bytes, out_of_memory
from core.incremental import IncrementalNetwork, KeptActivations
from core.memory import KnownScores, Prepared, memory
from core.outputs import logits_of
from core.preview import interpolate, legs
from core.scores import Question, ScoreKind
from core.teams import alone, side_by_side, teams_for
from core.windows import WindowGrid

_log = logging.getLogger(__name__)
_LARGEST_BATCH = {"cpu": 32, "cuda": 256, "mps": 64}
_HEAVY = 1e9  # multiply-adds of a dense pass; such a network fills a CPU with half the batch
_FIRST_BATCH = 16  # somebody waits for the first map
_LEAST_BATCH = 8  # with fewer windows the fixed cost of a batch is more than a fifth of it
_SCRATCH = 4  # what the transforms inside of a layer take, as a multiple of its activations


@dataclass(frozen=True)
class Flip:
    """A window whose covering changes the answer.

    Attributes:
        top, left: the window's corner in pixels of the model's input.
        index: the class that becomes top-1.
        probability: the new class's probability with the window covered, 0..1.
        before: probability of the uncovered top-1 class, with the window covered.
    """

    top: int
    left: int
    index: int
    probability: float
    before: float


class OcclusionSurvey:
    """Logits of a network for every position of a window that covers a part of its input.

    Attributes:
        grid: where the windows lie.
        forward_passes: windows that this survey itself put through the network.
        seconds: time it spent on them.
    """

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        *,
        window: int | tuple[int, int],
        stride: int | tuple[int, int],
        baseline: float | Tensor = 0.0,
        batch_size: int | None = None,
    ) -> None:
        """Prepare a survey; nothing is computed yet.

        Args:
            module: float32 (N, C, H, W) -> logits (N, classes). Used in eval mode, left as it was.
            inputs: float32 (1, C, H, W).
            window, stride: pixels, for both directions or as (down, across).
            baseline: what a covered pixel becomes, in the input's own space: a number, or a tensor
                of the input's shape.
            batch_size: windows per batch; by default suited to the device, and to the memory that
                is free when the survey runs. Halved by itself when memory runs out.

        Raises:
            SettingError: a setting is out of its range.
        """
        check_inputs(inputs)
        height, width = inputs.shape[-2:]
        self.grid = WindowGrid((height, width), _pair(window), _pair(stride))
        if batch_size is not None and batch_size < 1:
            raise SettingError(f"Batch size: {batch_size}; choose 1 or more.")
        self._largest_batch = batch_size or _LARGEST_BATCH[inputs.device.type]
        self._choose_batch = batch_size is None
        self._inputs = inputs.detach()
        self._covered = baseline_like(baseline, self._inputs)
        self._module = module
        self._prepared: Prepared | None = None
        self._key = (memory.key(module), digest(inputs), digest(self._covered), self.grid.window)
        self._store: KnownScores | None = None  # held here, so that the memory may forget it
        self.forward_passes = 0
        self.seconds = 0.0

    @property
    def fallback(self) -> str | None:
        """None if the network is re-inferred incrementally; else why it is run densely."""
        return self._network().fallback

    @property
    def agreement(self) -> Agreement:
        """How many of the windows the network itself computed too, and the largest difference."""
        return Agreement() if self._store is None else self._store.agreement

    @property
    def clean(self) -> Tensor:
        """Logits of the uncovered input, float32 (classes,); one pass, if it is new."""
        return self._found().clean

    @property
    def known(self) -> np.ndarray:
        """Which windows' scores are there, bool (windows,); never costs a pass."""
        self._store = self._store or memory.scores(*self._key)
        if self._store is None:
            return np.zeros(self.grid.count, dtype=bool)
        return self._store.knows(self.grid.corners)

    @property
    def scores(self) -> Tensor:
        """Logits per window, float32 (windows, classes), row by row; NaN where not known yet."""
        return self._found().take(self.grid.corners)

    def restore(self, clean: Tensor, scores: Tensor, agreement: Agreement | None = None) -> None:
        """Take over the logits of an earlier survey of the same input, model and windows.

        Args:
            clean: of the uncovered input, float32 (classes,).
            scores: per window, float32 (windows, classes), row by row.
            agreement: how far windows that the network itself computed too were from it.

        Raises:
            ValueError: they are not of this shape.
        """
        if scores.shape != (self.grid.count, len(clean)):
            raise ValueError(
                f"The scores have shape {tuple(scores.shape)}; there are {self.grid.count} windows."
            )
        self._store = memory.begin(KnownScores(self.grid.size, finite(clean)), *self._key)
        self._store.add(self.grid.corners, finite(scores))
        self._store.agreement += agreement or Agreement()

    def logits_of(self, numbers: np.ndarray) -> Tensor:
        """Logits of windows by their numbers (n,), row by row: float32 (n, classes)."""
        return self._found().take(self.grid.corners[numbers])

    def learn(
        self,
        numbers: np.ndarray,
        logits: Tensor,
        seconds: float = 0.0,
        agreement: Agreement | None = None,
    ) -> None:
        """Take over windows that were visited elsewhere for this survey.

        Args:
            numbers: of the windows (n,), row by row.
            logits: float32 (n, classes).
            seconds: what visiting them took.
            agreement: how far windows that the network itself computed there were from it.

        Raises:
            ModelError: the logits are not finite.
        """
        new = ~self.known[numbers]
        self._found().add(self.grid.corners[numbers], finite(logits))
        self.forward_passes += int(new.sum())
        self.seconds += seconds
        if agreement is not None:
            self._found().agreement = agreement

    def forget(self) -> None:
        """Forget all windows, which are not to be believed."""
        self._found().forget()

    def run(self) -> "OcclusionSurvey":
        """Visit all windows that are not known."""
        for _ in self.steps():
            pass
        return self

    def run_by_itself(self) -> "OcclusionSurvey":
        """Let the network itself visit all windows: slower, but it need not be prepared."""
        started = time.perf_counter()
        corners = self.grid.corners

        def visit(pictures: Tensor) -> Tensor:
            with torch.inference_mode():
                return finite(logits_of(self._module(pictures))).float()

        clean = alone(lambda: visit(self._inputs))[0]
        scores = []
        for first in range(0, len(corners), _LEAST_BATCH):
            patches, tops, lefts = self._patches(corners[first : first + _LEAST_BATCH])
            pictures = covered(self._inputs, patches, tops, lefts)
            scores.append(alone(partial(visit, pictures)))
        self.restore(clean, torch.cat(scores), Agreement(len(corners), 0.0))
        self.forward_passes += len(corners)
        self.seconds += time.perf_counter() - started
        return self

    def steps(self) -> Generator[tuple[int, int], None, None]:
        """Visit the windows that are not known, yielding (known, all windows) after each batch.

        May be closed, or left by `core.teams.heed`, and begun again; what was yielded is kept.

        Raises:
            ModelError: the network gave scores that are not finite.
            ResourceError: not even one window fits into memory.
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

        def told() -> np.ndarray:
            return self.scores[:, answers].numpy()

        for leg in legs(self.grid.shape, known, told, least=_LEAST_BATCH * teams):
            size = self._even_batch(len(leg), teams, first=not known.any())
            batches = self._batches(kept, leg, size)
            visited = side_by_side(
                lambda batch: self._visit(kept, self.grid.corners[batch]),
                self._unknown(batches, found),
                teams,
            )
            with closing(visited):
                for batch, logits in visited:
                    found.add(self.grid.corners[batch], finite(logits))
                    known[batch] = True
                    self.forward_passes += len(batch)
                    self.seconds += time.perf_counter() - started
                    if not known.all():
                        yield int(known.sum()), len(known)
                    started = time.perf_counter()
            known[leg] = True  # others may have been here meanwhile
        if self._believe(found, by_itself):
            yield len(known), len(known)
        else:
            yield from self.steps()

    def attribution(
        self, target: int, *, contrast: int | None = None, score: ScoreKind = "logit"
    ) -> Tensor:
        """Drop of the score when a pixel is covered, mean over the windows on it; float32 (H, W).

        Equal to `captum.attr.Occlusion` once all windows are known; before, the windows between are
        interpolated. Costs no forward pass.

        Raises:
            SettingError: a class or the kind of score is out of range.
        """
        question = Question(target, contrast, score).check(len(self.clean))
        return torch.from_numpy(self.grid.spread(self.drops(question))).float()

    def drops(self, question: Question) -> np.ndarray:
        """Score of the clean input minus score with each window covered, float64 (windows,)."""
        known = self.known
        covered = question.scores(self._found().take(self.grid.corners[known]))
        clean = question.scores(self.clean[None])
        return interpolate(self.grid.shape, known, (clean - covered).double().numpy())

    def flips(self) -> list[Flip]:
        """The known windows whose covering changes the top-1 class, strongest change first."""
        known = self.known
        corners = self.grid.corners[known]
        probabilities = self._found().take(corners).softmax(-1)
        best, index = probabilities.max(-1)
        top = int(self.clean.argmax())
        found = []
        for n in (index != top).nonzero().flatten().tolist():
            row, column = corners[n].tolist()
            before, after = float(probabilities[n, top]), float(best[n])
            found.append(Flip(row, column, int(index[n]), after, before))
        return sorted(found, key=lambda flip: flip.before - flip.probability)

    def multiply_adds_share(self) -> float:
        """Multiply-adds of the whole survey, as a share of what dense passes take; 1 if dense."""
        if self.fallback is not None:
            return 1.0
        corners = self._shifted(self.grid.corners)
        kept = self._keep()
        done = sum(
            kept.multiply_adds(*self.grid.window, *corners[group].T.tolist())
            for group in self._batches(kept, np.arange(self.grid.count), self._largest_batch)
        )
        return done / (kept.dense_multiply_adds * self.grid.count)

    def _suitable_batch(self, kept: KeptActivations, teams: int) -> int:
        """As many windows as the device computes well at once and has memory for."""
        device = self._inputs.device
        batch = _LARGEST_BATCH[device.type]
        if device.type == "cpu" and self.fallback is not None:
            batch //= 4
        elif device.type == "cpu" and kept.dense_multiply_adds > _HEAVY:
            batch //= 2
        fitting = free_bytes(device) // (_SCRATCH * max(kept.live_bytes, 1) * teams)
        return max(1, min(batch, fitting, self._largest_batch))

    def _even_batch(self, count: int, teams: int, first: bool) -> int:
        """The size of batches that ends the work of all teams at about the same time."""
        largest = min(self._largest_batch, _FIRST_BATCH) if first else self._largest_batch
        rounds = -(-count // (largest * teams))
        return -(-count // (rounds * teams))

    def _batches(self, kept: KeptActivations, leg: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """Split windows (n,) into batches of windows that are cheap together."""
        tops, lefts = self._shifted(self.grid.corners[leg]).T.tolist()
        groups = kept.groups(*self.grid.window, tops, lefts, size)
        return (leg[group] for group in groups)

    def _unknown(self, batches: Iterable[np.ndarray], found: KnownScores) -> Iterator[np.ndarray]:
        """Without the windows that another walk over the same picture has visited meanwhile."""
        for batch in batches:
            new = batch[~found.knows(self.grid.corners[batch])]
            if len(new):
                yield new

    def _found(self, clean: Tensor | None = None) -> KnownScores:
        """What is known of this picture; begun with the clean scores (1, classes) if nothing is."""
        self._store = self._store or memory.scores(*self._key)
        if self._store is None:
            if clean is None:
                network = self._network()
                clean = alone(lambda: network.dense(self._inputs))
            self._store = memory.begin(KnownScores(self.grid.size, finite(clean)[0]), *self._key)
        return self._store

    def _network(self) -> IncrementalNetwork:
        """The network, prepared when it is first needed: what is known needs none.

        If the module was changed before that, the survey is one of the changed module.
        """
        if self._prepared is None:
            self._prepared = memory.prepared(self._module, self._inputs)
            if self._prepared.key is not self._key[0]:
                self._key, self._store = (self._prepared.key, *self._key[1:]), None
        return self._prepared.network

    def _keep(self) -> KeptActivations:
        network = self._network()
        return alone(lambda: network.keep(self._inputs))

    def _believe(self, found: KnownScores, by_itself: bool) -> bool:
        """Let the network itself compute some windows too; whether it says the same of them.

        If it does not, it computes all windows from now on.

        Args:
            found: what is known.
            by_itself: whether the network itself, one picture at a time, computed all of it.

        Raises:
            ModelError: it did, so that it gives other scores each time.
        """
        network, started = self._network(), time.perf_counter()
        corners = self.grid.corners[numbers_to_check(self.grid.count)]
        patches, tops, lefts = self._patches(corners)
        pictures = covered(self._inputs, patches, tops, lefts)
        truth = finite(alone(lambda: network.own_scores(pictures)))
        apart = difference(found.take(corners), truth)
        believed = alone(lambda: only_rounding(network.twin, apart, pictures, truth))
        self.seconds += time.perf_counter() - started
        if believed:
            found.agreement += Agreement(len(corners), apart)
            return True
        found.forget()
        if by_itself:
            raise unsteady(apart)
        network.distrust(apart)
        return False

    def _visit(self, kept: KeptActivations, corners: np.ndarray) -> Tensor:
        """Logits (n, classes) with each of the windows (n, 2) covered."""
        if len(corners) > self._largest_batch:  # it has become smaller since this was planned
            parts = np.array_split(corners, -(-len(corners) // self._largest_batch))
            return torch.cat([self._visit(kept, part) for part in parts])
        try:
            return kept.rescore(*self._patches(corners))
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(corners) == 1:
                raise ResourceError(
                    "Not even one window fits into memory: choose a smaller model, or close "
                    "other programs."
                ) from error
        self._largest_batch = min(self._largest_batch, len(corners) // 2)
        _log.info("out of memory; going on with batches of %d", self._largest_batch)
        return self._visit(kept, corners)

    def _patches(self, corners: np.ndarray) -> tuple[Tensor, list[int], list[int]]:
        """What windows (n, 2) make of the picture: (n, C, h, w), and where: n tops and n lefts."""
        shifted = self._shifted(corners)
        clean, covered = (self._cut(image, shifted) for image in (self._inputs, self._covered))
        # A window that reaches over the edge covers only the far part of its shifted patch.
        over = torch.from_numpy(corners - shifted).to(clean.device)
        rows, columns = (torch.arange(side, device=clean.device) for side in self.grid.window)
        inside = (rows >= over[:, :1])[:, None, :, None] & (columns >= over[:, 1:])[:, None, None]
        patches = torch.where(inside, covered, clean)
        tops, lefts = shifted.T.tolist()
        return patches, tops, lefts

    def _shifted(self, corners: np.ndarray) -> np.ndarray:
        """Corners (n, 2), moved so that whole windows lie inside the input."""
        return np.minimum(corners, np.subtract(self.grid.size, self.grid.window))

    def _cut(self, image: Tensor, corners: np.ndarray) -> Tensor:
        """The windows' content: image (1, C, H, W) -> (n, C, h, w)."""
        height, width = self.grid.window
        everywhere = image[0].unfold(1, height, 1).unfold(2, width, 1)
        return everywhere[:, corners[:, 0], corners[:, 1]].transpose(0, 1)


def occlusion_steps(
    survey: OcclusionSurvey,
    question: Question,
    visits: Generator[tuple[int, int], None, None] | None = None,
) -> Generator[Step, None, None]:
    """Finish a survey, yielding the map of one question after each batch; at least once.

    ``visits`` are how it is finished; by default `OcclusionSurvey.steps`.
    """
    passes, seconds = survey.forward_passes, survey.seconds

    def snapshot() -> Attribution:
        values = survey.attribution(
            question.target, contrast=question.contrast, score=question.kind
        )
        return Attribution(
            values=values.numpy(),
            method="occlusion",
            question=question,
            parameters={"window": survey.grid.window, "stride": survey.grid.stride},
            agreement=survey.agreement if survey.agreement.windows else None,
            forward_passes=survey.forward_passes - passes,
            seconds=survey.seconds - seconds,
        )

    known, total = int(survey.known.sum()), survey.grid.count
    with closing(visits or survey.steps()) as steps:
        question.check(len(survey.clean))
        yield Step(known, total, snapshot)
        for known, total in steps:
            yield Step(known, total, snapshot)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """One number for both directions, or two."""
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, Integral) for side in pair):
        raise SettingError(f"{value!r} is not a size: give one whole number, or (down, across).")
    return int(pair[0]), int(pair[1])
