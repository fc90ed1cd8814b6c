"""The CAM family: its settings, and its entries in the registry."""

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal, get_args

from ..errors import SettingError
from ..text import quoted
from .baselines import check_baseline
from .method import UNITLESS, Method
from .settings import Setting, Size, SurveySetting

CamKind = Literal[
    "grad_cam",
    "guided_grad_cam",
    "grad_cam_plus_plus",
    "xgrad_cam",
    "hires_cam",
    "layer_cam",
    "eigen_cam",
]
CAM_KINDS: tuple[CamKind, ...] = get_args(CamKind)
ChannelKind = Literal["score_cam", "ablation_cam"]
BEHIND_RELU = frozenset(
    {"grad_cam_plus_plus", "xgrad_cam", "eigen_cam", "score_cam", "ablation_cam"}
)
"""CAMs that were made for values that are not negative: behind a layer's ReLU, if it has one."""
ALL_LAYERS = "all"
"""In place of a layer's name: every layer that is offered."""

_MOST_CHANNELS = 4096  # of a layer that a CAM looks at
_QUICK_CHANNELS = 64


@dataclass(frozen=True)
class GradCamSetting(Setting):
    """A map of the CAM family.

    Attributes:
        layer: a layer's name, or several separated by commas, in any order, or "all": fused. None
            is the last layer with a map.
        kind: which method of the family.
        signed: whether evidence against the score is shown too, below zero. Guided Grad-CAM is
            signed by what it multiplies, and Eigen-CAM asks for no score: they have no use for it.
    """

    fixed: ClassVar[tuple[str, ...]] = ("kind",)

    layer: str | None = None
    kind: CamKind = "grad_cam"
    signed: bool = False

    def __post_init__(self) -> None:
        """Check the combination."""
        if self.kind not in CAM_KINDS:
            raise SettingError(
                f'There is no CAM "{self.kind}": choose one of {", ".join(CAM_KINDS)}.'
            )
        object.__setattr__(self, "layer", _layers(self.layer))
        if self.signed and "signed" in self.unused:
            raise SettingError(f"{self.kind} cannot be signed: leave it out, or choose grad_cam.")

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return self.kind

    @property
    def unused(self) -> frozenset[str]:
        """As in `Setting`."""
        return frozenset({"signed"} if self.kind in ("guided_grad_cam", "eigen_cam") else ())


@dataclass(frozen=True)
class ChannelCamSetting(SurveySetting):
    """A CAM that takes a picture for each channel of a layer: Score-CAM or Ablation-CAM.

    Attributes:
        layer: a layer's name; None is the last layer with a map.
        kind: which of the two.
        signed: whether evidence against the score is shown too, below zero.
        baseline: what Score-CAM shows in place of the picture; Ablation-CAM has none.
        channels: how many, of a quick map; None for all.
    """

    fixed: ClassVar[tuple[str, ...]] = ("kind", "channels")

    layer: str | None = None
    kind: ChannelKind = "score_cam"
    signed: bool = False
    baseline: str = "grey"
    channels: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.kind not in get_args(ChannelKind):
            kinds = ", ".join(get_args(ChannelKind))
            raise SettingError(f'There is no CAM "{self.kind}": choose one of {kinds}.')
        object.__setattr__(self, "layer", _layers(self.layer))
        if fuses(self.layer):
            raise SettingError(
                f'{self.kind} looks at one layer, and not at "{self.layer}": give the name of one.'
            )
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return self.kind

    def passes(self, _: Size) -> int:
        """As in `Setting`: hardly any layer has more channels."""
        return self.channels or _MOST_CHANNELS

    @property
    def unused(self) -> frozenset[str]:
        """As in `Setting`."""
        return frozenset({"baseline"} if self.kind == "ablation_cam" else ())

    def quick(self) -> "ChannelCamSetting":
        """As in `Setting`."""
        return replace(self, channels=_QUICK_CHANNELS)


def fuses(layer: str | None) -> bool:
    """Whether a `GradCamSetting.layer` asks for several layers."""
    return layer is not None and (layer == ALL_LAYERS or "," in layer)


def _layers(wanted: str | None) -> str | None:
    """The names of layers in one order, whatever order they were given in.

    Raises:
        SettingError: a name is empty, or there twice.
    """
    if wanted is None:
        return None
    names = [name.strip() for name in wanted.split(",")]
    if not all(names):
        raise SettingError(
            f"Layer {quoted(wanted)}: a name is empty; give the name of a layer, or several with "
            "commas between, or leave it out for the last with a map."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingError(
            f"Layer {quoted(wanted)}: {quoted(twice)} is there twice; give each layer once."
        )
    return ",".join(sorted(names, key=_by_numbers))


def _by_numbers(name: str) -> list[tuple[int, str]]:
    """A key by which layer9 comes before layer10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


_cam = partial(
    Method,
    group="inside",
    compute="grad_cam.grad_cam",
    why_none="grad_cam.why_none",
    unit="weighted activation",
    coarse=True,
    sign="positive",
    may_be_zero=True,
)
GRAD_CAM = _cam(
    "Grad-CAM",
    GradCamSetting(),
    "the layer's maps at this place, weighted by what they do to {score}",
    papers=("selvaraju2017grad",),
)
GRAD_CAM_PLUS_PLUS = _cam(
    "Grad-CAM++",
    GradCamSetting(kind="grad_cam_plus_plus"),
    "the layer's maps at this place, weighted by the slopes that raise {score}",
    papers=("chattopadhay2018gradcampp",),
)
XGRAD_CAM = _cam(
    "XGrad-CAM",
    GradCamSetting(kind="xgrad_cam"),
    "the layer's maps at this place, weighted by the slopes of {score} where they are active",
    papers=("fu2020axiom",),
    unit="{}",
)
HIRES_CAM = _cam(
    "HiRes-CAM",
    GradCamSetting(kind="hires_cam"),
    "the layer's maps at this place, times the slope of {score} in them",
    papers=("draelos2020use",),
    unit="{}",
)
LAYER_CAM = _cam(
    "LayerCAM",
    GradCamSetting(kind="layer_cam"),
    "the layer's maps at this place, times the slope of {score} where it is positive",
    papers=("jiang2021layercam",),
    unit="{}",
)
EIGEN_CAM = _cam(
    "Eigen-CAM",
    GradCamSetting(kind="eigen_cam"),
    "how much of the layer's main pattern is at this place; the same for every target",
    papers=("muhammad2020eigencam",),
    unit="activation",
    sign="unsigned",
    asks=(),
)
SCORE_CAM = _cam(
    "Score-CAM",
    ChannelCamSetting(),
    "the layer's maps at this place, weighted by {score} of the picture seen through each",
    papers=("wang2020score",),
    compute="channel_cams.survey",
)
ABLATION_CAM = _cam(
    "Ablation-CAM",
    ChannelCamSetting(kind="ablation_cam"),
    "the layer's maps at this place, weighted by how far {score} falls without each",
    papers=("desai2020ablation",),
    compute="channel_cams.survey",
)
GUIDED_GRAD_CAM = Method(
    "Guided Grad-CAM",
    GradCamSetting(kind="guided_grad_cam"),
    "Guided Backprop times Grad-CAM",
    "inside",
    ("selvaraju2017grad", "springenberg2015striving"),
    "grad_cam.grad_cam",
    "grad_cam.why_no_guided",
    unit=UNITLESS,
    may_be_zero=True,
)
