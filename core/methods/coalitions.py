"""Coalitions: pictures of which some patches are kept and the others are covered.

KernelSHAP: Lundberg, Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
LIME: Ribeiro, Singh, Guestrin, "Why Should I Trust You?: Explaining the Predictions of Any
Classifier", KDD 2016. Both fit a linear model of the score in which patches are kept; they differ
in which coalitions are drawn, how these are weighted, and what keeps the fit in bounds.
"""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from math import comb

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.fingerprint import digest
from .black_box_methods import MOST_SAMPLES, KernelShapSetting, LimeSetting
from .mask_survey import MaskSurvey
from .scores import Question
from .superpixels import spread

_PLENTY = 8  # random coalitions for each patch, which determine its worth

KERNEL_WIDTH = 0.25
"""Of LIME's weights, as the authors' package has it for pictures."""

ALPHA = 1.0
"""The weight of LIME's ridge penalty, as the authors' package has it."""


class CoalitionSurvey(MaskSurvey):
    """Logits of a network for coalitions of patches. One that is drawn again costs no pass.

    Attributes:
        patches: int (H, W), numbered from 1; what is 0 is always kept.
        coalitions: which patches are kept, bool (count, patches).
    """

    patches: np.ndarray
    coalitions: np.ndarray

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        patches: np.ndarray,
        baseline: float | Tensor = 0.0,
        *,
        samples: int = 1000,
        seed: int = 0,
    ) -> None:
        """Prepare a survey; nothing is computed yet.

        Args:
            module, inputs, baseline: see `core.methods.survey.Survey`.
            patches: int (H, W), numbered from 1.
            samples: coalitions, apart from those that the method always has.
            seed: of the coalitions.
        """
        super().__init__(module, inputs, baseline)
        self.patches = patches
        self._digest = digest(torch.from_numpy(patches))
        self._seed = seed
        self.coalitions = self._drawn(samples)
        self.count = len(self.coalitions)
        _, first, same = np.unique(self.coalitions, axis=0, return_index=True, return_inverse=True)
        self._first = first[same.ravel()]  # of each coalition, the number when it was first drawn
        self.parameters = self._facts()

    @property
    def players(self) -> int:
        """How many patches there are."""
        return int(self.patches.max())

    def masks(self, numbers: np.ndarray) -> Tensor:
        """Where the picture is kept, 0 or 1, by number (n,): float32 (n, 1, H, W)."""
        kept = self.coalitions[numbers]
        outside = np.ones((len(kept), 1), bool)  # what belongs to no patch is always kept
        masks = np.concatenate([outside, kept], axis=1)[:, self.patches]
        return torch.from_numpy(masks[:, None]).float()

    def worth(self, question: Question) -> np.ndarray:
        """What each patch is worth, float64 (patches,), from the coalitions known so far."""
        question.check(len(self.clean))
        known = self.known
        scores = question.scores(self.logits_of(np.flatnonzero(known)).double()).numpy()
        clean = float(question.scores(self.clean[None].double()))
        return self._fitted(known, scores, clean)

    def values(self, question: Question) -> np.ndarray:
        """The worth of the patch around each pixel, float64 (H, W); 0 while nothing is known."""
        return spread(self.worth(question), self.patches)

    def _places(self, numbers: np.ndarray) -> np.ndarray:
        return self._first[numbers][:, None]

    def _legs(
        self,
        known: np.ndarray,
        answers: Callable[[], np.ndarray],  # noqa: ARG002
        teams: int,  # noqa: ARG002
    ) -> Iterator[np.ndarray]:
        yield self._to_visit(known)

    @property
    def missing(self) -> int:
        """How many passes are still to be made."""
        return len(self._to_visit(self.known))

    def _to_visit(self, known: np.ndarray) -> np.ndarray:
        return np.flatnonzero(~known & (self._first == self._all))

    def _alike(self, numbers: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(self._first, self._first[numbers]))

    @abstractmethod
    def _drawn(self, samples: int) -> np.ndarray:
        """The coalitions, as in the class's attributes."""

    def _facts(self) -> dict[str, object]:
        """What shapes the map besides the setting, JSON types."""
        return {"patches": self.players}

    @abstractmethod
    def _fitted(self, known: np.ndarray, scores: np.ndarray, clean: float) -> np.ndarray:
        """The worth of each patch.

        Args:
            known: which coalitions' scores are there, bool (count,).
            scores: theirs, in the same order.
            clean: score with all patches kept.
        """


class KernelShapSurvey(CoalitionSurvey):
    """KernelSHAP: estimates of the Shapley values of patches, whose sum is the change of the score.

    Coalition 0 covers everything. Where all others are no more than ``samples``, they are
    enumerated, and the result is exact. Otherwise sizes are drawn in proportion to the weight that
    the Shapley kernel gives all coalitions of a size, then patches at random; every second
    coalition is the complement of the one before (paired sampling: Covert, Lee, "Improving
    KernelSHAP", AISTATS 2021).
    """

    method = "kernel_shap"

    @cached_property
    def exact(self) -> bool:
        """Whether all coalitions are there."""
        return self.count == 2**self.players - 1

    def _drawn(self, samples: int) -> np.ndarray:
        enumerable = 2**self.players - 2 <= samples
        drawn = _all(self.players) if enumerable else _by_kernel(self.players, samples, self._seed)
        return np.concatenate([np.zeros((1, self.players), bool), drawn])

    def _facts(self) -> dict[str, object]:
        return {**super()._facts(), "determined": self._determined()}

    def _determined(self) -> bool:
        """Whether the coalitions are enough to tell what each patch is worth.

        If not, the fit gives the smallest worths that agree with all coalitions.
        """
        if self.exact or len(self.coalitions) > _PLENTY * self.players:
            return True
        between = np.eye(self.players) - 1 / self.players
        rank = np.linalg.matrix_rank(self.coalitions[1:].astype(float) @ between)
        return bool(rank == self.players - 1)

    def change(self, question: Question) -> float:
        """Score of the picture minus score of the baseline, which the patches' worth sums to."""
        ends = torch.stack([self.clean, self.logits_of(np.array([0]))[0]])
        whole, nothing = question.scores(ends.double()).tolist()
        return whole - nothing

    def total(self, question: Question) -> float:
        """What the patches' worth sums to."""
        return float(self.worth(question).sum())

    def _fitted(self, known: np.ndarray, scores: np.ndarray, clean: float) -> np.ndarray:
        if not known[0]:
            return np.zeros(self.players)
        change, kept = clean - scores[0], self.coalitions[known][1:].astype(float)
        even = change / self.players
        # A sum of `change` is an even share for each patch, and what moves between them.
        between = np.eye(self.players) - 1 / self.players
        weights = np.sqrt(self._weights[known][1:])[:, None]
        rest = scores[1:] - scores[0] - kept.sum(1) * even
        moved = np.linalg.lstsq(weights * (kept @ between), weights[:, 0] * rest, rcond=None)[0]
        return even + between @ moved

    @cached_property
    def _weights(self) -> np.ndarray:
        """Of the coalitions in the fit: the Shapley kernel, unless it decided what was drawn."""
        if not self.exact:
            return np.ones(self.count)
        size, players = self.coalitions.sum(1), self.players
        return np.array(
            [(players - 1) / (comb(players, k) * k * (players - k)) if k else 1.0 for k in size]
        )

    def _kind(self) -> Hashable:
        return "kernel_shap", self._digest, None if self.exact else self._seed

    def _space(self) -> tuple[int, ...]:
        return (MOST_SAMPLES + 1,)


class LimeSurvey(CoalitionSurvey):
    """LIME: weights of patches in a linear model of the score near the picture.

    Each patch is kept with probability 0.5. A coalition's weight is exp(-d² / 2w²), with d the
    cosine distance from the whole picture, 1 - sqrt(share of patches kept), and w = 0.25; the
    linear model has an intercept and a ridge penalty of 1. All of it as in the authors' package,
    whose first sample is the whole picture, too.
    """

    method = "lime"

    def _drawn(self, samples: int) -> np.ndarray:
        generators = (np.random.default_rng((self._seed, number)) for number in range(samples))
        return np.stack([each.random(self.players) < 0.5 for each in generators])

    def _fitted(self, known: np.ndarray, scores: np.ndarray, clean: float) -> np.ndarray:
        whole = np.ones((1, self.players))
        kept = np.concatenate([whole, self.coalitions[known]]).astype(float)
        scores = np.concatenate([[clean], scores])
        weights = np.exp(-((1 - np.sqrt(kept.mean(1))) ** 2) / (2 * KERNEL_WIDTH**2))
        # The intercept has no penalty: it makes the weighted means agree.
        around, rest = (each - weights @ each / weights.sum() for each in (kept, scores))
        weighted = around.T * weights
        return np.linalg.solve(weighted @ around + ALPHA * np.eye(self.players), weighted @ rest)

    def _kind(self) -> Hashable:
        return "lime", self._digest, self._seed

    def _space(self) -> tuple[int, ...]:
        return (MOST_SAMPLES,)


def _all(players: int) -> np.ndarray:
    """All coalitions of some patches, but neither all nor none: bool (2^players - 2, players)."""
    numbers = np.arange(1, 2**players - 1)
    return (numbers[:, None] >> np.arange(players) & 1).astype(bool)


def _by_kernel(players: int, samples: int, seed: int) -> np.ndarray:
    """Coalitions as the Shapley kernel weights them, in pairs: bool (samples, players)."""
    sizes = np.arange(1, players)
    share = 1 / (sizes * (players - sizes))
    pairs = []
    for number in range(-(-samples // 2)):
        generator = np.random.default_rng((seed, number))
        size = generator.choice(sizes, p=share / share.sum())
        kept = np.zeros(players, bool)
        kept[generator.permutation(players)[:size]] = True
        pairs += [kept, ~kept]
    return np.stack(pairs[:samples])


def survey(
    setting: KernelShapSetting | LimeSetting,
    module: nn.Module,
    inputs: Tensor,
    baseline: float | Tensor,
    patches: Callable[[int], np.ndarray],
) -> CoalitionSurvey:
    """See `core.methods.registry.survey_of`."""
    kind = KernelShapSurvey if isinstance(setting, KernelShapSetting) else LimeSurvey
    found, how = patches(setting.segments), {"samples": setting.samples, "seed": setting.seed}
    return kind(module, inputs, found, baseline, **how)
