"""Gradient methods: their settings, and their entries in the registry."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ..errors import SettingError
from .baselines import check_baseline
from .method import Method
from .settings import Setting, Size, check, check_noise

ENOUGH: Literal["enough"] = "enough"
Steps = int | Literal["enough"]
MOST_POINTS = 256
"""The cap of "enough" steps; their gradients are kept, 150 MB for pictures of 224 x 224."""

GradientName = Literal["saliency", "input_x_gradient", "deep_lift", "guided_backprop"]
SmoothKind = Literal["smoothgrad", "smoothgrad_sq", "vargrad"]
SMOOTH_KINDS: tuple[SmoothKind, ...] = ("smoothgrad", "smoothgrad_sq", "vargrad")

_QUICK_POINTS, _QUICK_SMOOTHED, _QUICK_SAMPLES = 8, 4, 4


@dataclass(frozen=True)
class IntegratedGradientsSetting(Setting):
    """Integrated Gradients: points on the path, or "enough" of them, and the baseline."""

    steps: Steps = 50
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.steps != ENOUGH:
            check("Integrated Gradients steps", self.steps, 1, 1000)
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "integrated_gradients"

    def passes(self, _: Size) -> int:
        """As in `Setting`."""
        return MOST_POINTS if self.steps == ENOUGH else self.steps

    def quick(self) -> "IntegratedGradientsSetting":
        """As in `Setting`."""
        return replace(self, steps=_QUICK_POINTS)


@dataclass(frozen=True)
class GradientSetting(Setting):
    """A method of one pass forward and back; only DeepLift has a baseline."""

    fixed: ClassVar[tuple[str, ...]] = ("method",)

    method: GradientName
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return self.method

    @property
    def unused(self) -> frozenset[str]:
        """As in `Setting`."""
        return frozenset(() if self.method == "deep_lift" else {"baseline"})


@dataclass(frozen=True)
class SmoothSetting(Setting):
    """A gradient method, repeated on the picture with noise (NoiseTunnel).

    ``stdev`` is in units of the model's normalised input.
    """

    fixed: ClassVar[tuple[str, ...]] = ("method", "kind")

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
        check("Noisy samples", self.samples, 2 if self.kind == "vargrad" else 1, 200)
        check_noise(self.stdev, self.seed)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return self.kind

    def passes(self, size: Size) -> int:
        """As in `Setting`."""
        return self.samples * self.method.passes(size)

    @property
    def unwritten(self) -> frozenset[str]:
        """As in `Setting`: the method is written."""
        return frozenset({"kind"})

    @property
    def baseline(self) -> str:
        """That of the method."""
        return self.method.baseline

    def with_baseline(self, baseline: str) -> "SmoothSetting":
        """As in `Setting`."""
        return replace(self, method=self.method.with_baseline(baseline))

    def quick(self) -> "SmoothSetting":
        """As in `Setting`."""
        method = self.method
        if isinstance(method, IntegratedGradientsSetting):
            method = replace(method, steps=_QUICK_SMOOTHED)
        return replace(self, method=method, samples=min(self.samples, _QUICK_SAMPLES))


@dataclass(frozen=True)
class GradientShapSetting(Setting):
    """GradientShap: noisy samples, each at a random point between baseline and picture."""

    samples: int = 20
    stdev: float = 0.1
    seed: int = 0
    baseline: str = "grey"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check("GradientShap samples", self.samples, 1, 1000)
        check_noise(self.stdev, self.seed)
        check_baseline(self.baseline)

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return "gradient_shap"

    def passes(self, _: Size) -> int:
        """As in `Setting`."""
        return self.samples

    def quick(self) -> "GradientShapSetting":
        """As in `Setting`."""
        return replace(self, samples=min(self.samples, _QUICK_POINTS))


INTEGRATED_GRADIENTS = Method(
    "Integrated Gradients",
    IntegratedGradientsSetting("enough"),
    "the pixel's share of what changes {score} on the way from the baseline",
    "gradients",
    ("sundararajan2017axiomatic",),
    "integration.integrated_gradients",
    adds_up=True,
)
SALIENCY = Method(
    "Saliency",
    GradientSetting("saliency"),
    "how fast {score} changes with the pixel, whichever way",
    "gradients",
    ("simonyan2014deep",),
    "one_pass.saliency",
    unit="{} per unit of input",
    sign="unsigned",
)
INPUT_X_GRADIENT = Method(
    "Input × Gradient",
    GradientSetting("input_x_gradient"),
    "the slope of {score} in the pixel, times the pixel",
    "gradients",
    ("shrikumar2016not",),
    "one_pass.input_x_gradient",
)
SMOOTHGRAD = Method(
    "SmoothGrad",
    SmoothSetting(GradientSetting("saliency"), "smoothgrad", 20, 0.3),
    "the mean of the map over noisy copies of the picture",
    "gradients",
    ("smilkov2017smoothgrad",),
    "smoothing.smoothed",
    sign="unsigned",
)
SMOOTHED_INTEGRATED_GRADIENTS = Method(
    "Smoothed Integrated Gradients",
    SmoothSetting(IntegratedGradientsSetting(50), "smoothgrad_sq", 10, 1.0),
    "the mean of the map's squares over noisy copies of the picture",
    "gradients",
    ("hooker2019benchmark",),
    "smoothing.smoothed",
    unit="squared {}",
    sign="unsigned",
)
VARGRAD = Method(
    "VarGrad",
    SmoothSetting(GradientSetting("saliency"), "vargrad", 20, 0.3),
    "the variance of the map over noisy copies of the picture",
    "gradients",
    ("adebayo2018local",),
    "smoothing.smoothed",
    unit="squared {}",
    sign="unsigned",
    may_be_zero=True,
)
GRADIENT_SHAP = Method(
    "GradientShap",
    GradientShapSetting(),
    "the pixel's share of what changes {score}, at random points from the baseline on",
    "gradients",
    ("lundberg2017unified",),
    "gradient_shap.gradient_shap",
    adds_up=True,
)
DEEP_LIFT = Method(
    "DeepLift",
    GradientSetting("deep_lift"),
    "the pixel's part in the difference that {score} makes against the baseline",
    "gradients",
    ("shrikumar2017learning",),
    "one_pass.deep_lift",
    "one_pass.why_no_deep_lift",
    adds_up=True,
)
GUIDED_BACKPROP = Method(
    "Guided Backprop",
    GradientSetting("guided_backprop"),
    "the slope of {score} in the pixel, along paths that only raise it",
    "gradients",
    ("springenberg2015striving",),
    "one_pass.guided_backprop",
    "one_pass.why_no_guided_backprop",
    unit="{} per unit of input",
)
