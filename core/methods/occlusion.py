"""Occlusion as a survey: one pass over all windows that keeps the logits of every class.

Occlusion: Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

A window is a rectangle, which `core.engine.incremental` makes cheap. Windows are remembered by
their position, so that another stride visits only what is new, and `core.methods.preview` decides
the order, so that the map is worth looking at long before the last window. `core.methods.survey`
does the rest.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.agreement import covered
from ..engine.incremental import KeptActivations
from ..errors import SettingError
from ..models.heads import SOFTMAX, Head
from .cover_methods import OcclusionSetting
from .preview import interpolate, legs
from .scores import Question, ScoreKind
from .survey import Survey
from .windows import WindowGrid

_LARGEST_BATCH = {"cpu": 32, "cuda": 256, "mps": 64}
_HEAVY = 1e9  # multiply-adds of a dense pass; such a network fills a CPU with half the batch
_FIRST_BATCH = 16  # somebody waits for the first map
_LEAST_BATCH = 8  # with fewer windows the fixed cost of a batch is more than a fifth of it


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


class OcclusionSurvey(Survey):
    """Logits of a network for every position of a window that covers a part of its input.

    Attributes:
        grid: where the windows lie; they are numbered row by row.
    """

    method = "occlusion"

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
            module, inputs, baseline, batch_size: see `core.methods.survey.Survey`.
            window, stride: pixels, for both directions or as (down, across).

        Raises:
            SettingError: a setting is out of its range.
        """
        super().__init__(module, inputs, baseline, batch_size=batch_size)
        height, width = inputs.shape[-2:]
        self.grid = WindowGrid((height, width), _pair(window), _pair(stride))
        self.count = self.grid.count
        self.parameters = {"window": self.grid.window, "stride": self.grid.stride}

    def attribution(
        self,
        target: int,
        *,
        contrast: int | None = None,
        score: ScoreKind = "logit",
        head: Head = SOFTMAX,
    ) -> Tensor:
        """Drop of the score when a pixel is covered, mean over the windows on it; float32 (H, W).

        Equal to `captum.attr.Occlusion` once all windows are known; before, the windows between are
        interpolated. Costs no forward pass.

        Raises:
            SettingError: a class or the kind of score is out of range.
        """
        return torch.from_numpy(self.values(Question(target, contrast, score, head))).float()

    def drops(self, question: Question) -> np.ndarray:
        """Score of the clean input minus score with each window covered, float64 (windows,)."""
        known = self.known
        covered = question.scores(self._found().take(self.grid.corners[known]))
        clean = question.scores(self.clean[None])
        return interpolate(self.grid.shape, known, (clean - covered).double().numpy())

    def flips(self, head: Head = SOFTMAX, target: int | None = None) -> list[Flip]:
        """The known windows whose covering changes the answer, strongest change first.

        Args:
            head: what the outputs mean. Of exclusive classes another one becomes the most probable;
                of independent labels the target crosses its threshold; values have no flips.
            target: the label that is looked at.
        """
        if not head.has_probabilities:
            return []
        known = self.known
        corners = self.grid.corners[known]
        probabilities = head.probabilities(self._found().take(corners))
        if not head.exclusive:
            return self._crossings(head, int(target or 0), corners, probabilities)
        best, index = probabilities.max(-1)
        top = int(self.clean.argmax())
        found = []
        for n in (index != top).nonzero().flatten().tolist():
            row, column = corners[n].tolist()
            before, after = float(probabilities[n, top]), float(best[n])
            found.append(Flip(row, column, int(index[n]), after, before))
        return sorted(found, key=lambda flip: flip.before - flip.probability)

    def _crossings(
        self, head: Head, label: int, corners: np.ndarray, probabilities: Tensor
    ) -> list[Flip]:
        """The windows whose covering takes a label over its threshold, one way or the other."""
        before = float(head.probabilities(self.clean)[label])
        held = head.holds(label, before)
        found = []
        for (row, column), after in zip(
            corners.tolist(), probabilities[:, label].tolist(), strict=True
        ):
            if head.holds(label, after) != held:
                found.append(Flip(row, column, label, after, before))
        return sorted(found, key=lambda flip: -abs(flip.before - flip.probability))

    def values(self, question: Question) -> np.ndarray:
        """As `attribution`, float64 (H, W)."""
        return self.grid.spread(self.drops(question.check(len(self.clean))))

    def multiply_adds_share(self) -> float:
        """Multiply-adds of the whole survey, as a share of what dense passes take; 1 if dense."""
        if self.fallback is not None:
            return 1.0
        corners = self._shifted(self.grid.corners)
        kept = self._keep()
        size = min(self._largest_batch, _LARGEST_BATCH[self._inputs.device.type])
        done = sum(
            kept.multiply_adds(*self.grid.window, *corners[group].T.tolist())
            for group in self._groups(kept, np.arange(self.count), size)
        )
        return done / (kept.dense_multiply_adds * self.count)

    def _kind(self) -> Hashable:
        return self.grid.window

    def _space(self) -> tuple[int, ...]:
        return self.grid.size

    def _places(self, numbers: np.ndarray) -> np.ndarray:
        return self.grid.corners[numbers]

    def _pictures(self, numbers: np.ndarray) -> Tensor:
        return covered(self._inputs, *self._patches(self.grid.corners[numbers]))

    def _scored(self, kept: KeptActivations, numbers: np.ndarray) -> Tensor:
        return kept.rescore(*self._patches(self.grid.corners[numbers]))

    def _device_batch(self, kept: KeptActivations) -> int:
        device = self._inputs.device.type
        batch = _LARGEST_BATCH[device]
        if device == "cpu" and self.fallback is not None:
            return batch // 4
        return batch // 2 if device == "cpu" and kept.dense_multiply_adds > _HEAVY else batch

    def _legs(
        self, known: np.ndarray, answers: Callable[[], np.ndarray], teams: int
    ) -> Iterator[np.ndarray]:
        return legs(self.grid.shape, known, answers, least=_LEAST_BATCH * teams)

    def _batches(
        self, kept: KeptActivations, leg: np.ndarray, teams: int, first: bool
    ) -> Iterable[np.ndarray]:
        """Of a size that ends the work of all teams at about the same time."""
        largest = min(self._largest_batch, _FIRST_BATCH) if first else self._largest_batch
        rounds = -(-len(leg) // (largest * teams))
        return self._groups(kept, leg, -(-len(leg) // (rounds * teams)))

    def _groups(self, kept: KeptActivations, leg: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """Split windows (n,) into batches of windows that are cheap together."""
        tops, lefts = self._shifted(self.grid.corners[leg]).T.tolist()
        groups = kept.groups(*self.grid.window, tops, lefts, size)
        return (leg[group] for group in groups)

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


def survey(
    setting: OcclusionSetting,
    module: nn.Module,
    inputs: Tensor,
    baseline: float | Tensor,
    _: Callable[[int], np.ndarray],
) -> OcclusionSurvey:
    """See `core.methods.registry.survey_of`."""
    window, stride = setting.window, setting.stride
    return OcclusionSurvey(module, inputs, window=window, stride=stride, baseline=baseline)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """One number for both directions, or two."""
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, Integral) for side in pair):
        raise SettingError(f"{value!r} is not a size: give one whole number, or (down, across).")
    return int(pair[0]), int(pair[1])
