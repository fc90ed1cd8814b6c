"""Methods that cover a part of the picture: their settings, and their entries in the registry."""

import re
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ..errors import SettingError
from ..text import quoted
from .baselines import check_baseline
from .method import UNITLESS, Method
from .settings import Setting, Size, SurveySetting, check, settle

REGIONS = "regions"
MOST_REGIONS = 500
"""Of a label image."""

RegionKind = Literal["enough", "counterfactual"]
BLOCKS = {4: 60, 8: 250, 16: 400, 32: 800}
"""Finest blocks along a side of the input, and the most passes of the search for one region."""

_QUICK_PATCHES = 60


@dataclass(frozen=True)
class OcclusionSetting(SurveySetting):
    """Occlusion; `core.methods.windows` checks window and stride."""

    window: int
    stride: int
    baseline: str = "grey"

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "occlusion"

    def passes(self, size: Size) -> int:
        """As in `Setting`."""
        from .windows import WindowGrid  # loads NumPy, which the list of methods does without

        return WindowGrid(size, (self.window,) * 2, (self.stride,) * 2).count


@dataclass(frozen=True)
class PatchSetting(SurveySetting):
    """A method that covers patches: about so many superpixels, or regions of a label image.

    ``regions`` is a name that `core.explaining.predictor.Predictor.as_regions` gave, or empty;
    with regions, ``segments`` is the usual number, whatever was given.
    """

    segments: int = 60
    baseline: str = "grey"
    regions: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check the ranges."""
        check("Superpixels", self.segments, 2, 2000)
        if self.regions and not re.fullmatch(rf"{REGIONS}:[0-9a-f]{{64}}", self.regions):
            raise SettingError(
                f"Regions of {quoted(self.regions)} are not known here: give the label image to "
                "explain, or to the commands explain and trust as --regions FILE."
            )
        check_baseline(self.baseline)
        settle(self)

    @property
    def idle(self) -> dict[str, str]:
        """As in `Setting`."""
        return {"segments": REGIONS} if self.regions else {}

    @property
    def unwritten(self) -> frozenset[str]:
        """As in `Setting`: of regions and segments, the ones that are not covered."""
        return super().unwritten | {"segments" if self.regions else REGIONS}


@dataclass(frozen=True)
class SuperpixelSetting(PatchSetting):
    """Feature ablation on superpixels."""

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "superpixels"

    def passes(self, _: Size) -> int:
        """As in `Setting`, about: there are as many as superpixels are found."""
        return MOST_REGIONS if self.regions else self.segments

    def quick(self) -> "SuperpixelSetting":
        """As in `Setting`."""
        return replace(self, segments=min(self.segments, _QUICK_PATCHES))


@dataclass(frozen=True)
class RegionSetting(Setting):
    """The search for the smallest region that is enough, or whose covering changes the answer.

    ``blocks`` are the finest blocks along a side of the input; ``answers`` is how many disjoint
    regions are searched for; ``keep`` is the share of its probability that a class must keep where
    a region is enough, besides being the answer, and of no use for a counterfactual.
    """

    fixed: ClassVar[tuple[str, ...]] = ("kind",)

    kind: RegionKind
    blocks: int = 16
    answers: int = 1
    keep: float = 0.9
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.blocks not in BLOCKS:
            raise SettingError(
                f"Blocks along a side: {self.blocks}; choose one of {', '.join(map(str, BLOCKS))}."
            )
        check("Disjoint regions", self.answers, 1, 5)
        if not 0 <= self.keep <= 1:
            raise SettingError(
                f"Share of the probability to keep: {self.keep}; choose between 0 and 1."
            )
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return self.kind

    def passes(self, _: Size) -> int:
        """As in `Setting`."""
        return BLOCKS[self.blocks] * self.answers

    @property
    def unused(self) -> frozenset[str]:
        """As in `Setting`."""
        return frozenset({"keep"} if self.kind == "counterfactual" else ())

    @property
    def unwritten(self) -> frozenset[str]:
        """As in `Setting`; ``keep`` is always written, in file names and bundles."""
        return frozenset(self.fixed)

    def quick(self) -> "RegionSetting":
        """As in `Setting`."""
        return replace(self, blocks=4, answers=1)


OCCLUSION = Method(
    "Occlusion",
    OcclusionSetting(15, 8),
    "how far {score} falls when a window covers the pixel, mean over the windows on it",
    "cover",
    ("zeiler2014visualizing",),
    "occlusion.survey",
    coarse=True,
)
SUPERPIXELS = Method(
    "Superpixel ablation",
    SuperpixelSetting(),
    "how far {score} falls when the patch around the pixel is covered",
    "cover",
    ("zeiler2014visualizing", "achanta2012slic"),
    "superpixels.survey",
    coarse=True,
)
WHAT_IS_ENOUGH = Method(
    "What is enough",
    RegionSetting("enough"),
    "1 in the smallest region found that, shown alone, keeps the answer, 1/2 in the next one",
    "cover",
    ("carter2019what", "chockler2023multiple"),
    "regions.regions",
    unit=UNITLESS,
    coarse=True,
    sign="positive",
    asks=("target", "contrast"),
)
WHAT_MUST_GO = Method(
    "What must go",
    RegionSetting("counterfactual"),
    "1 in the smallest region found whose covering changes the answer, 1/2 in the next one",
    "cover",
    ("carter2019what", "chockler2023multiple"),
    "regions.regions",
    unit=UNITLESS,
    coarse=True,
    sign="positive",
    asks=("target", "contrast"),
)
