"""Feature ablation on superpixels: cover one coherent patch of the picture, ask the network.

Superpixels: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
PAMI 2012. A patch lies inside a rectangle, so `core.incremental` makes it cheap, and as in an
occlusion survey one pass over the patches answers for every class.
"""

import time
from collections.abc import Generator
from contextlib import closing

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from core.attribution import Attribution, Step
from core.checking import Agreement, difference, numbers_to_check, only_rounding, unsteady
from core.checks import baseline_like, check_inputs, finite
from core.memory import memory
from core.scores import Question
from core.teams import alone, side_by_side, teams_for

_BATCH = 16
_COMPACTNESS = 10.0  # SLIC's weight of nearness against likeness of colour


def superpixels(image: Image.Image, segments: int) -> np.ndarray:
    """About so many patches of like colour: int64 (H, W), numbered from 1 without gaps."""
    from skimage.segmentation import slic  # takes a while to load

    return slic(np.asarray(image), n_segments=segments, compactness=_COMPACTNESS, start_label=1)


class SuperpixelSurvey:
    """Logits of a network with each patch of its input covered.

    Attributes:
        patches: int (H, W), numbered from 1.
        clean: logits of the uncovered input, float32 (classes,).
        scores: float32 (patches, classes), NaN where not known yet.
        seconds: time spent.
        agreement: how far patches that the network itself computed too were from it.
    """

    def __init__(
        self, module: nn.Module, inputs: Tensor, patches: np.ndarray, baseline: float | Tensor = 0.0
    ) -> None:
        """Keep the clean picture's activations; see `core.occlusion.OcclusionSurvey`."""
        from skimage.measure import regionprops  # as in `superpixels`

        check_inputs(inputs)
        self.patches = patches
        self.seconds = 0.0
        self.agreement = Agreement()
        self._inputs = inputs.detach()
        self._covered = baseline_like(baseline, self._inputs)
        self._network = memory.prepared(module, self._inputs).network
        self._kept = alone(lambda: self._network.keep(self._inputs))
        self._boxes = np.array([region.bbox for region in regionprops(patches)])
        self.clean = finite(self._kept.scores)[0]
        self.scores = torch.full((int(patches.max()), len(self.clean)), torch.nan)

    @property
    def known(self) -> np.ndarray:
        """Which patches' scores are there, bool (patches,)."""
        return (~self.scores[:, 0].isnan()).numpy()

    def logits_of(self, numbers: np.ndarray) -> Tensor:
        """Logits of patches by their numbers (n,), counted from 0: float32 (n, classes)."""
        return self.scores[numbers]

    def learn(
        self,
        numbers: np.ndarray,
        logits: Tensor,
        seconds: float = 0.0,
        agreement: Agreement | None = None,
    ) -> None:
        """Take over patches that were covered elsewhere; see `core.occlusion.OcclusionSurvey`."""
        self.scores[torch.tensor(numbers)] = finite(logits)
        self.seconds += seconds
        self.agreement = agreement or self.agreement

    def forget(self) -> None:
        """Forget all patches, which are not to be believed."""
        self.scores[:] = torch.nan
        self.agreement = Agreement()

    def steps(self) -> Generator[tuple[int, int], None, None]:
        """Cover what was not covered yet, yielding (known, all patches) after each batch.

        Raises:
            ModelError: the network gave scores that are not finite.
        """
        by_itself = self._network.alone and not self.known.any()
        missing = np.flatnonzero(~self.known)
        if not len(missing) and self.agreement.windows:
            return
        teams = 1 if self._network.fallback is not None else teams_for(self._inputs.device)
        chunks = np.array_split(missing, -(-len(missing) // _BATCH)) if len(missing) else []
        started = time.perf_counter()
        with closing(side_by_side(self._visit, chunks, teams)) as visited:
            for chunk, logits in visited:
                self.scores[chunk] = finite(logits)
                self.seconds += time.perf_counter() - started
                known = int(self.known.sum())
                if known < len(self.scores):
                    yield known, len(self.scores)
                started = time.perf_counter()
        if self._believe(by_itself):
            yield len(self.scores), len(self.scores)
        else:
            yield from self.steps()

    def _visit(self, chunk: np.ndarray) -> Tensor:
        """Logits (n, classes) with each of some patches covered, by their numbers from 0."""
        height, width = (self._boxes[:, 2:] - self._boxes[:, :2]).max(axis=0).tolist()
        tops = np.minimum(self._boxes[chunk, 0], self.patches.shape[0] - height).tolist()
        lefts = np.minimum(self._boxes[chunk, 1], self.patches.shape[1] - width).tolist()
        contents = [
            self._content(index, slice(top, top + height), slice(left, left + width))
            for index, top, left in zip(chunk.tolist(), tops, lefts, strict=True)
        ]
        return self._kept.rescore(torch.cat(contents), tops, lefts)

    def _believe(self, by_itself: bool) -> bool:
        """See `core.occlusion.OcclusionSurvey`: whether the network itself says the same."""
        started = time.perf_counter()
        numbers = numbers_to_check(len(self.scores))
        inside = torch.from_numpy(np.stack([self.patches == number + 1 for number in numbers]))
        inside = inside[:, None].to(self._inputs.device)
        pictures = torch.where(inside, self._covered, self._inputs)
        truth = finite(alone(lambda: self._network.own_scores(pictures)))
        apart = difference(self.scores[numbers], truth)
        twin = self._network.twin
        believed = alone(lambda: only_rounding(twin, apart, pictures, truth))
        self.seconds += time.perf_counter() - started
        if believed:
            self.agreement += Agreement(len(numbers), apart)
            return True
        self.forget()
        if by_itself:
            raise unsteady(apart)
        self._network.distrust(apart)
        return False

    def attribution(self, question: Question) -> np.ndarray:
        """Drop of the score when a pixel's patch is covered, float64 (H, W); 0 where not known."""
        question.check(len(self.clean))
        clean = question.scores(self.clean[None].double())
        drops = (clean - question.scores(self.scores.double())).nan_to_num(0.0)
        return drops.numpy()[self.patches - 1]

    def _content(self, index: int, rows: slice, columns: slice) -> Tensor:
        """A rectangle of the input with one patch covered, (1, C, h, w)."""
        inside = torch.from_numpy(self.patches[rows, columns] == index + 1).to(self._inputs.device)
        return torch.where(
            inside, self._covered[..., rows, columns], self._inputs[..., rows, columns]
        )


def superpixel_steps(
    survey: SuperpixelSurvey,
    question: Question,
    visits: Generator[tuple[int, int], None, None] | None = None,
) -> Generator[Step, None, None]:
    """Finish a survey, yielding the map of one question after each batch; at least once.

    ``visits`` are how it is finished; by default `SuperpixelSurvey.steps`.
    """
    known, seconds = int(survey.known.sum()), survey.seconds
    total, before = len(survey.scores), known

    def snapshot() -> Attribution:
        return Attribution(
            values=survey.attribution(question),
            method="superpixels",
            question=question,
            parameters={"patches": total},
            forward_passes=known - before,
            seconds=survey.seconds - seconds,
            agreement=survey.agreement if survey.agreement.windows else None,
        )

    question.check(len(survey.clean))
    yield Step(known, total, snapshot)
    with closing(visits or survey.steps()) as steps:
        for known, total in steps:
            yield Step(known, total, snapshot)
