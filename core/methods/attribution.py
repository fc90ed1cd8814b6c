"""`Attribution`: an attribution map with its question, settings, provenance and cost."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np

from ..engine.agreement import Agreement
from .cam_methods import fuses
from .method import UNITLESS, Method
from .registry import METHODS, described
from .scores import Question, ScoreKind


@dataclass(frozen=True)
class Provenance:
    """Which picture and which model a map belongs to.

    Attributes:
        model: name in the registry.
        weights_sha256, image_sha256: hex digests of the weight file and of the picture's bytes.
        device: where it was computed.
        region: the part of the photo that the model saw (left, top, right, bottom), in the photo's
            pixels; None for the model's own centre crop.
    """

    model: str
    weights_sha256: str
    image_sha256: str
    device: str
    region: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Attribution:
    """An attribution map: the contribution of each pixel of the model's input to a score.

    Attributes:
        values: float32 (H, W) at model-input resolution, read-only, in units of the score: for
            occlusion the drop per window, for gradient methods each pixel's share, the channels
            summed. Positive: evidence for the target.
        method: "integrated_gradients", "occlusion", ...; "given" for a map made elsewhere.
        question: which score was explained.
        parameters: the method's settings, JSON types only.
        forward_passes: inputs that went through the network for this map, in whole or in part.
        seconds: computing time, without what was known before.
        change: for methods with completeness, score of the input minus score of the baseline,
            which the sum of the values should equal; for LRP of a logit, which has no baseline, the
            score itself; else None.
        provenance: picture and model; None where only tensors were given.
        agreement: for occlusion, how far windows that the network itself computed too were from
            it, for superpixels patches; None if there were none.
        total: what the values sum to where pixels share them, each counted once: for KernelSHAP
            the sum over patches; else None, and it is the sum over all pixels.
        errors: standard error of each value, float32 (H, W), read-only, in the map's units, for
            methods that average over random pictures; else None.
        path: for Integrated Gradients with "enough" steps, where its points lie between baseline
            (0) and picture (1), sorted: the trapezoidal rule through them gives the map; else
            empty.
        found: what the method found besides the map, JSON types; see the method.
    """

    values: np.ndarray
    method: str
    question: Question
    parameters: Mapping[str, Any] = field(default_factory=dict)
    forward_passes: int = 0
    seconds: float = 0.0
    change: float | None = None
    provenance: Provenance | None = None
    agreement: Agreement | None = None
    path: tuple[float, ...] = ()
    total: float | None = None
    errors: np.ndarray | None = None
    found: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze what the dataclass alone would leave open."""
        values = np.array(self.values, dtype=np.float32)
        if values.ndim != 2:
            raise ValueError(f"An attribution is (H, W); this one has shape {values.shape}.")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        if self.errors is not None:
            errors = np.array(self.errors, dtype=np.float32)
            errors.setflags(write=False)
            object.__setattr__(self, "errors", errors)
        for name in ("parameters", "found"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def target(self) -> int:
        """Index of the explained class."""
        return self.question.target

    @property
    def contrast(self) -> int | None:
        """Index of the class whose score was subtracted, or None."""
        return self.question.contrast

    @property
    def about(self) -> Method:
        """The method's entry in the registry; of a map made elsewhere, what was said of it."""
        return described(self.method, self.parameters)

    @property
    def score(self) -> ScoreKind:
        """The kind of score that was explained."""
        return self.question.kind

    @property
    def gap(self) -> float | None:
        """Sum of the values minus ``change``; None for methods without completeness."""
        if self.change is None:
            return None
        total = self.total
        return (float(self.values.sum(dtype=np.float64)) if total is None else total) - self.change

    @property
    def units(self) -> str:
        """What one unit of ``values`` is."""
        if fuses(self.parameters.get("layer")):
            return UNITLESS  # each layer has its own scale
        smoothed = self.parameters.get("method")
        unit = METHODS[smoothed].unit if smoothed else "{}"
        return self.about.unit.format(unit.format(self.question.units))

    def settings(self) -> dict[str, Any]:
        """All settings and versions as JSON types: enough to make the map again."""
        return {
            "method": self.method,
            **self.question.record(),
            "parameters": dict(self.parameters),
            "units": self.units,
            "forward_passes": self.forward_passes,
            "seconds": round(self.seconds, 3),
            "score_change": self.change,
            "completeness_gap": self.gap,
            "found": dict(self.found),
            "agreement": None if self.agreement is None else self.agreement._asdict(),
            "provenance": None if self.provenance is None else asdict(self.provenance),
            "versions": versions(),
        }


@dataclass(frozen=True)
class Step:
    """A point on the way to a map.

    Attributes:
        done, total: forward passes; the map is final when they are equal.
        snapshot: gives the map as far as it is known; costs no forward pass.
    """

    done: int
    total: int
    snapshot: Callable[[], Attribution]


@cache
def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("torch", "torchvision", "captum", "pillow", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
