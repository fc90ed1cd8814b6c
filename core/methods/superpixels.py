"""Superpixel ablation: the drop of the score when a superpixel is covered.

Superpixels: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
PAMI 2012. A patch lies inside a rectangle, so `core.engine.incremental` makes it cheap.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..engine.fingerprint import digest
from ..engine.incremental import KeptActivations
from ..pictures.label_image import Region
from ..pictures.preprocessing import Content
from .cover_methods import SuperpixelSetting
from .scores import Question
from .survey import Survey

_BATCH = 16
_COMPACTNESS = 10.0  # SLIC's weight of nearness against likeness of colour, 0 to 100 in Lab
_OF_CHANNELS = 0.1  # the same where there is no colour: SLIC brings values to 0 to 1


def superpixels(seen: Content, segments: int) -> np.ndarray:
    """About so many patches of like colour: int64 (H, W), numbered from 1 without gaps.

    Of pixels (H, W, N) in place of a photo, patches are alike in all channels.
    """
    from skimage.segmentation import slic  # takes a while to load

    if isinstance(seen, np.ndarray):
        values = seen.astype(np.float64)
        found = slic(
            values, n_segments=segments, compactness=_OF_CHANNELS, convert2lab=False, start_label=1
        )
    else:
        pixels = np.asarray(seen)
        found = slic(pixels, n_segments=segments, compactness=_COMPACTNESS, start_label=1)
    return found


class Worth(NamedTuple):
    """What a region is worth.

    Attributes:
        key: what its file calls the region: a value, or a colour such as "#ff0000".
        name: what people call it; its key where nobody has named it.
        share: of the input's pixels that it covers, 0..1.
        worth: its value in the map.
    """

    key: str
    name: str
    share: float
    worth: float


def worths(values: np.ndarray, patches: np.ndarray, regions: Sequence[Region]) -> list[Worth]:
    """What each region is worth in a map (H, W), the greatest first."""
    found = [
        Worth(*region, float(inside.mean()), float(values[inside][0]))
        for number, region in enumerate(regions, 1)
        for inside in [patches == number]
    ]
    return sorted(found, key=lambda each: -each.worth)


def spread(worth: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """A number per patch (n,) to its pixels, (H, W); 0 where no patch is."""
    return np.append(0.0, worth)[patches]


class SuperpixelSurvey(Survey):
    """Logits of a network with each patch of its input covered.

    Attributes:
        patches: int (H, W), numbered from 1; patch 1 is picture 0. What is 0 is never covered.
    """

    method = "superpixels"
    patches: np.ndarray

    def __init__(
        self, module: nn.Module, inputs: Tensor, patches: np.ndarray, baseline: float | Tensor = 0.0
    ) -> None:
        """Prepare a survey; see `core.methods.survey.Survey`."""
        from skimage.measure import regionprops  # as in `superpixels`

        super().__init__(module, inputs, baseline)
        self.patches = patches
        self.count = int(patches.max())
        self.parameters = {"patches": self.count}
        self._boxes = np.array([region.bbox for region in regionprops(patches)])
        self._digest = digest(torch.from_numpy(patches))

    def values(self, question: Question) -> np.ndarray:
        """Drop of the score when a pixel's patch is covered, float64 (H, W); 0 where not known."""
        question.check(len(self.clean))
        clean = question.scores(self.clean[None].double())
        drops = (clean - question.scores(self.scores.double())).nan_to_num(0.0)
        return spread(drops.numpy(), self.patches)

    def _kind(self) -> Hashable:
        return "patches", self._digest

    def _device_batch(self, kept: KeptActivations) -> int:  # noqa: ARG002
        return _BATCH

    def _pictures(self, numbers: np.ndarray) -> Tensor:
        everywhere = slice(None), slice(None)
        return torch.cat([self._content(number, *everywhere) for number in numbers.tolist()])

    def _scored(self, kept: KeptActivations, numbers: np.ndarray) -> Tensor:
        height, width = (self._boxes[:, 2:] - self._boxes[:, :2]).max(axis=0).tolist()
        tops = np.minimum(self._boxes[numbers, 0], self.patches.shape[0] - height).tolist()
        lefts = np.minimum(self._boxes[numbers, 1], self.patches.shape[1] - width).tolist()
        contents = [
            self._content(number, slice(top, top + height), slice(left, left + width))
            for number, top, left in zip(numbers.tolist(), tops, lefts, strict=True)
        ]
        return kept.rescore(torch.cat(contents), tops, lefts)

    def _content(self, number: int, rows: slice, columns: slice) -> Tensor:
        """A rectangle of the input with one patch covered, (1, C, h, w)."""
        inside = torch.from_numpy(self.patches[rows, columns] == number + 1).to(self._inputs.device)
        return torch.where(
            inside, self._covered[..., rows, columns], self._inputs[..., rows, columns]
        )


def survey(
    setting: SuperpixelSetting,
    module: nn.Module,
    inputs: Tensor,
    baseline: float | Tensor,
    patches: Callable[[int], np.ndarray],
) -> SuperpixelSurvey:
    """See `core.methods.registry.survey_of`."""
    return SuperpixelSurvey(module, inputs, patches(setting.segments), baseline)
