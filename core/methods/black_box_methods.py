"""Methods that need answers alone: their settings, and their entries in the registry."""

from dataclasses import dataclass, replace
from typing import Self

from .baselines import check_baseline
from .cover_methods import PatchSetting
from .method import Method
from .settings import Size, SurveySetting, check

MOST_MASKS = 10_000
MOST_SAMPLES = 10_000
"""Bounds of what a survey keeps: 40 MB of logits for 1,000 classes."""

_QUICK_PATCHES, _QUICK_COALITIONS, _QUICK_MASKS = 20, 60, 64


@dataclass(frozen=True)
class RiseSetting(SurveySetting):
    """RISE: random masks of so many cells along each side."""

    masks: int = 2000
    cells: int = 7
    seed: int = 0
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check("Masks", self.masks, 2, MOST_MASKS)
        check("Cells", self.cells, 2, 32)
        check("Seed", self.seed, 0, 2**31 - 1)
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "rise"

    def passes(self, _: Size) -> int:
        """As in `Setting`."""
        return self.masks

    def quick(self) -> "RiseSetting":
        """As in `Setting`."""
        return replace(self, masks=min(self.masks, _QUICK_MASKS))


@dataclass(frozen=True)
class _CoalitionSetting(PatchSetting):
    """A linear model of the score on so many random coalitions of superpixels."""

    samples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check("Coalitions", self.samples, 1, MOST_SAMPLES)
        check("Seed", self.seed, 0, 2**31 - 1)

    def quick(self) -> Self:
        """As in `Setting`."""
        return replace(
            self,
            segments=min(self.segments, _QUICK_PATCHES),
            samples=min(self.samples, _QUICK_COALITIONS),
        )


@dataclass(frozen=True)
class KernelShapSetting(_CoalitionSetting):
    """KernelSHAP on superpixels."""

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "kernel_shap"

    def passes(self, _: Size) -> int:
        """As in `Setting`; the baseline takes one too."""
        return self.samples + 1


@dataclass(frozen=True)
class LimeSetting(_CoalitionSetting):
    """LIME on superpixels."""

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "lime"

    def passes(self, _: Size) -> int:
        """As in `Setting`."""
        return self.samples


RISE = Method(
    "RISE",
    RiseSetting(),
    "how much higher {score} is on average where a random mask keeps the pixel than where it "
    "covers it",
    "black_box",
    ("petsiuk2018rise",),
    "rise.survey",
    coarse=True,
)
KERNEL_SHAP = Method(
    "KernelSHAP",
    KernelShapSetting(),
    "the Shapley value of the patch around the pixel, its fair share of what changes {score} "
    "when all patches are covered",
    "black_box",
    ("lundberg2017unified", "covert2021improving", "achanta2012slic"),
    "coalitions.survey",
    coarse=True,
    adds_up=True,
)
LIME = Method(
    "LIME",
    LimeSetting(),
    "how much the patch around the pixel adds to {score} in a linear model near the picture",
    "black_box",
    ("ribeiro2016why", "achanta2012slic"),
    "coalitions.survey",
    coarse=True,
)
