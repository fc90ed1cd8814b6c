"""RISE: how much higher the score is where a pixel is kept than where it is covered, on average.

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018 (arXiv:1806.07421). Masks are made as published: a grid of cells, each kept with probability
0.5, is enlarged by bilinear interpolation and shifted by a random part of a cell.

The published value of a pixel is the mean of the score over the masks, weighted by how much each
keeps of the pixel. Here the mean weighted by how much each covers of it is subtracted. In the limit
of many masks that is twice the published value less twice the mean score, so both rank the pixels
alike; but a pixel that makes no difference is 0, and the standard error is that of the difference.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .black_box_methods import MOST_MASKS, RiseSetting
from .mask_survey import MaskSurvey
from .scores import Question

KEPT = 0.5
"""The probability that a cell is kept."""

_AT_ONCE = 64  # masks that are held while the map is summed up
_LEAST = 1e-6  # a pixel that hardly any mask keeps, or covers, has no value yet


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over masks for one question; f is the score with a mask, m the mask at a pixel.

    Attributes:
        question: which score.
        known: which masks are in the sums, bool (masks,).
        maps: of m, f m, f² m, m², f m² and f² m², float64 (6, H, W).
        scores: of f and f².
    """

    question: Question
    known: np.ndarray
    maps: Tensor
    scores: tuple[float, float]


class RiseSurvey(MaskSurvey):
    """Logits of a network for randomly masked pictures.

    A mask depends on its number, the seed and the number of cells alone, so a survey with more
    masks visits only what is new.
    """

    method = "rise"

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        baseline: float | Tensor = 0.0,
        *,
        masks: int = 2000,
        cells: int = 7,
        seed: int = 0,
    ) -> None:
        """Prepare a survey; nothing is computed yet.

        Args:
            module, inputs, baseline: see `core.methods.survey.Survey`.
            masks: how many.
            cells: of the grid, along each side of the input.
            seed: of the grids and shifts.

        Raises:
            SettingError: a setting is out of its range.
        """
        super().__init__(module, inputs, baseline)
        setting = RiseSetting(masks, cells, seed)
        self.count = masks
        self.parameters = {"masks": masks, "cells": cells, "seed": seed}
        self._setting = setting
        self._sums: _Sums | None = None

    def masks(self, numbers: np.ndarray) -> Tensor:
        """How much is kept of each pixel, 0..1, by number (n,): float32 (n, 1, H, W)."""
        cells = self._setting.cells
        size = tuple(self._inputs.shape[2:])
        cell = [math.ceil(side / cells) for side in size]
        grids, shifts = [], []
        for number in numbers.tolist():
            generator = np.random.default_rng((self._setting.seed, number))
            grids.append(generator.random((cells, cells)) < KEPT)
            shifts.append(generator.integers(0, cell).tolist())
        large = F.interpolate(
            torch.from_numpy(np.stack(grids)).float()[:, None],
            [(cells + 1) * side for side in cell],
            mode="bilinear",
        )
        height, width = size
        cut = [
            one[:, top : top + height, left : left + width]
            for one, (top, left) in zip(large, shifts, strict=True)
        ]
        return torch.stack(cut).clamp(0.0, 1.0)  # rounding

    def values(self, question: Question) -> np.ndarray:
        """Mean score where the pixel is kept minus mean score where it is covered, (H, W).

        Both means are over the known masks, weighted by how much of the pixel they keep or cover;
        0 where that is nothing.
        """
        share, kept, covered, _ = self._means(question)
        return np.where(share, kept - covered, 0.0)

    def errors(self, question: Question) -> np.ndarray:
        """Standard error of `values` as the mean over random masks, (H, W); by linearisation."""
        share, kept, covered, sums = self._means(question)
        count = int(sums.known.sum())
        if not count:
            return np.zeros(share.shape)
        once, score, square, twice, score_twice, square_twice = sums.maps.numpy()
        f, ff = sums.scores
        part = np.clip(once / count, _LEAST, 1 - _LEAST)
        # A mask moves the difference by m (a f - b) - (c f - d), divided by how many there are.
        a, b = 1 / part + 1 / (1 - part), kept / part + covered / (1 - part)
        c, d = 1 / (1 - part), covered / (1 - part)
        total = (
            (a**2 * square_twice - 2 * a * b * score_twice + b**2 * twice)
            - 2 * (a * c * square - (a * d + b * c) * score + b * d * once)
            + (c**2 * ff - 2 * c * d * f + d**2 * count)
        )
        return np.where(share, np.sqrt(np.maximum(total, 0.0)) / count, 0.0)

    def _means(self, question: Question) -> tuple[np.ndarray, np.ndarray, np.ndarray, _Sums]:
        """Which pixels have a value; the mean score, less the clean one, if kept and if covered."""
        sums = self._summed(question)
        count, (total, _) = int(sums.known.sum()), sums.scores
        once, score = sums.maps[:2].numpy()
        usable = (once > _LEAST * count) & (count - once > _LEAST * count)
        kept = score / np.where(usable, once, 1.0)
        covered = (total - score) / np.where(usable, count - once, 1.0)
        return usable, kept, covered, sums

    def _summed(self, question: Question) -> _Sums:
        """The sums over all masks that are known; only masks that are new are made."""
        question.check(len(self.clean))
        known, sums = self.known, self._sums
        if sums is None or sums.question != question or (sums.known & ~known).any():
            nothing = torch.zeros(6, *self._inputs.shape[2:], dtype=torch.float64)
            sums = _Sums(question, np.zeros_like(known), nothing, (0.0, 0.0))
        new = np.flatnonzero(known & ~sums.known)
        if not len(new):
            return sums
        maps, (f, ff) = sums.maps.clone(), sums.scores
        # Relative to the clean score: differences of large sums would lose digits.
        clean = question.scores(self.clean[None].double())
        scores = question.scores(self.logits_of(new).double()) - clean
        for part in torch.arange(len(new)).split(_AT_ONCE):
            score = scores[part]
            powers = torch.stack([torch.ones_like(score), score, score**2]).float()
            masks = self.masks(new[part.numpy()])
            for first, each in ((0, masks), (3, masks**2)):
                maps[first : first + 3] += (powers @ each.flatten(1)).view(3, *each.shape[2:])
            f, ff = f + float(score.sum()), ff + float((score**2).sum())
        self._sums = _Sums(question, known, maps, (f, ff))
        return self._sums

    def _kind(self) -> Hashable:
        return "rise", self._setting.cells, self._setting.seed

    def _space(self) -> tuple[int, ...]:
        return (MOST_MASKS,)


def survey(
    setting: RiseSetting,
    module: nn.Module,
    inputs: Tensor,
    baseline: float | Tensor,
    _: Callable[[int], np.ndarray],
) -> RiseSurvey:
    """See `core.methods.registry.survey_of`."""
    return RiseSurvey(
        module, inputs, baseline, masks=setting.masks, cells=setting.cells, seed=setting.seed
    )
