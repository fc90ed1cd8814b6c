"""The settings of every method, frozen, so that they can serve as keys.

Windows, strides and sizes are in pixels of the model's input. Baselines are names that
`core.baselines` knows.
"""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from core.baselines import check_baseline
from core.errors import SettingError

ENOUGH: Literal["enough"] = "enough"
Steps = int | Literal["enough"]
SmoothKind = Literal["smoothgrad", "smoothgrad_sq", "vargrad"]
SMOOTH_KINDS: tuple[SmoothKind, ...] = ("smoothgrad", "smoothgrad_sq", "vargrad")
GradientName = Literal["saliency", "input_x_gradient", "deep_lift", "guided_backprop"]


def _check(what: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or not low <= value <= high:
        raise SettingError(f"{what}: {value}; choose between {low} and {high}.")


def _check_noise(stdev: float, seed: int) -> None:
    if not 0 < stdev <= 100:
        raise SettingError(f"Standard deviation of the noise: {stdev}; choose above 0, up to 100.")
    _check("Seed", seed, 0, 2**31 - 1)


@dataclass(frozen=True)
class OcclusionSetting:
    """Occlusion; `core.occlusion` checks window and stride."""

    window: int
    stride: int
    baseline: str = "grey"


@dataclass(frozen=True)
class IntegratedGradientsSetting:
    """Integrated Gradients: points on the path, or "enough" of them, and where it begins."""

    steps: Steps = 50
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.steps != ENOUGH:
            _check("Integrated Gradients steps", self.steps, 1, 1000)
        check_baseline(self.baseline)


@dataclass(frozen=True)
class GradientSetting:
    """A method of one pass forward and back; only DeepLift has a baseline."""

    method: GradientName
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_baseline(self.baseline)


@dataclass(frozen=True)
class SmoothSetting:
    """A gradient method, repeated on the picture with noise (NoiseTunnel).

    ``stdev`` is in units of the model's normalised input.
    """

    method: IntegratedGradientsSetting | GradientSetting = IntegratedGradientsSetting()
    kind: SmoothKind = "smoothgrad_sq"
    samples: int = 10
    stdev: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.kind not in SMOOTH_KINDS:
            raise SettingError(
                f'There is no smoothing "{self.kind}": choose one of {", ".join(SMOOTH_KINDS)}.'
            )
        if isinstance(self.method, IntegratedGradientsSetting) and self.method.steps == ENOUGH:
            raise SettingError("Smoothing needs the same steps for every sample: give a number.")
        _check("Noisy samples", self.samples, 2 if self.kind == "vargrad" else 1, 200)
        _check_noise(self.stdev, self.seed)


@dataclass(frozen=True)
class GradientShapSetting:
    """GradientShap: noisy samples, each at a random point between baseline and picture."""

    samples: int = 20
    stdev: float = 0.1
    seed: int = 0
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("GradientShap samples", self.samples, 1, 1000)
        _check_noise(self.stdev, self.seed)
        check_baseline(self.baseline)


@dataclass(frozen=True)
class GradCamSetting:
    """Grad-CAM at a layer, the last with a map if None; ``guided`` multiplies Guided Backprop."""

    layer: str | None = None
    guided: bool = False


@dataclass(frozen=True)
class SuperpixelSetting:
    """Feature ablation on superpixels: about so many of them."""

    segments: int = 60
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("Superpixels", self.segments, 2, 2000)
        check_baseline(self.baseline)


Setting = (
    IntegratedGradientsSetting
    | OcclusionSetting
    | GradientSetting
    | SmoothSetting
    | GradientShapSetting
    | GradCamSetting
    | SuperpixelSetting
)


def with_baseline(setting: Setting, baseline: str) -> Setting:
    """The same method with another baseline; unchanged if it has none."""
    if isinstance(setting, GradCamSetting):
        return setting
    if isinstance(setting, SmoothSetting):
        return replace(setting, method=replace(setting.method, baseline=baseline))
    return replace(setting, baseline=baseline)


def method_name(setting: Setting) -> str:
    """What a method is called in files and on the command line."""
    match setting:
        case IntegratedGradientsSetting():
            return "integrated_gradients"
        case OcclusionSetting():
            return "occlusion"
        case GradientSetting(method=name):
            return name
        case SmoothSetting(kind=kind):
            return kind
        case GradientShapSetting():
            return "gradient_shap"
        case GradCamSetting(guided=guided):
            return "guided_grad_cam" if guided else "grad_cam"
        case SuperpixelSetting():
            return "superpixels"


def parameters(setting: Setting) -> dict[str, Any]:
    """What shapes a map besides the method's name, as JSON types."""
    found = asdict(setting)
    if isinstance(setting, SmoothSetting):
        del found["kind"]
        smoothed = {"method": method_name(setting.method), **parameters(setting.method)}
        return {**found, **smoothed}
    if isinstance(setting, GradientSetting):
        return {"baseline": setting.baseline} if setting.method == "deep_lift" else {}
    if isinstance(setting, GradCamSetting):
        return {"layer": setting.layer}
    return found


def short(setting: Setting) -> str:
    """The settings for file names, so that two maps of a picture do not overwrite each other."""
    found = parameters(setting)
    if found.get("baseline") == "grey":
        del found["baseline"]
    words = (str(value) for value in found.values() if value is not None)
    return "-".join(re.sub(r"[^\w.]+", "-", word)[:24] for word in words)


def baseline_of(setting: Setting) -> str:
    """The name of a method's baseline; of those that have none, the one that costs nothing."""
    if isinstance(setting, SmoothSetting):
        setting = setting.method
    return getattr(setting, "baseline", "grey")
