"""Methods that read a transformer's attention: their settings, and their registry entries."""

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from .method import Method
from .settings import Setting, check

Fusion = Literal["mean", "max", "min"]
FUSIONS: tuple[Fusion, ...] = ("mean", "max", "min")


@dataclass(frozen=True)
class AttentionRolloutSetting(Setting):
    """Attention rollout: how the heads of a layer become one."""

    fusion: Fusion = "mean"

    def __post_init__(self) -> None:
        """Check the choice."""
        if self.fusion not in FUSIONS:
            raise SettingError(
                f'There is no fusion of heads "{self.fusion}": choose one of {", ".join(FUSIONS)}.'
            )

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "attention_rollout"


@dataclass(frozen=True)
class GradientRolloutSetting(Setting):
    """Gradient-weighted rollout, which leaves nothing to choose."""

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "gradient_rollout"


@dataclass(frozen=True)
class LeGradSetting(Setting):
    """LeGrad over the layers from one on, the first of the network being 1."""

    start: int = 1

    def __post_init__(self) -> None:
        """Check the range."""
        check("First layer", self.start, 1, 1000)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "legrad"


ATTENTION_ROLLOUT = Method(
    "Attention rollout",
    AttentionRolloutSetting(),
    "how much of the patch around the pixel the attention of all layers hands on to the head, "
    "the same for every target",
    "inside",
    ("abnar2020quantifying",),
    "rollout.attention_rollout",
    "attention.why_none",
    unit="share of attention",
    coarse=True,
    sign="unsigned",
    asks=(),
)
GRADIENT_ROLLOUT = Method(
    "Gradient rollout",
    GradientRolloutSetting(),
    "the attention of all layers to the patch around the pixel, weighted by how much it raises "
    "{score}",
    "inside",
    ("chefer2021generic",),
    "rollout.gradient_rollout",
    "attention.why_none",
    unit="weighted attention",
    coarse=True,
    sign="positive",
    may_be_zero=True,
)
LEGRAD = Method(
    "LeGrad",
    LeGradSetting(),
    "how fast attention to the patch around the pixel raises {score} as read behind each layer",
    "inside",
    ("bousselham2025legrad",),
    "legrad.legrad",
    "attention.why_none",
    unit="{} per unit of attention",
    coarse=True,
    sign="positive",
    may_be_zero=True,
)
