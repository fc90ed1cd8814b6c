"""Surveys whose pictures are masked as a whole, and go through the network as whole pictures."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from .survey import Survey


class MaskSurvey(Survey):
    """Logits of a network for masked pictures.

    A masked picture is mask × picture + (1 - mask) × baseline. Masks are made anew whenever they
    are needed, so that no more of them are held than fit a batch.
    """

    @abstractmethod
    def masks(self, numbers: np.ndarray) -> Tensor:
        """How much is kept of each pixel, 0..1, by number (n,): float32 (n, 1, H, W)."""

    def _pictures(self, numbers: np.ndarray) -> Tensor:
        kept = self.masks(numbers).to(self._inputs)
        return torch.lerp(self._covered, self._inputs, kept)  # exact where 0 or 1
