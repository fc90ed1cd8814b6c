"""A map and everything that is needed to make it again."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import numpy as np

from core.checking import Agreement
from core.scores import UNITS, Question, ScoreKind

# Of the methods whose values are not simply changes of the score.
_UNITS = {
    "saliency": "{} per unit of input",
    "smoothgrad_sq": "squared {}",
    "vargrad": "squared {}",
    "guided_backprop": "{} per unit of input",
    "grad_cam": "weighted activation",
    "guided_grad_cam": "no unit",
}


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
    """How much each pixel of the model's input speaks for the score that was explained.

    Attributes:
        values: float32 (H, W) at model-input resolution, read-only, in units of the score: for
            occlusion the drop per window, for gradient methods each pixel's share, the channels
            summed. Positive: speaks for the target.
        method: "integrated_gradients", "occlusion", ...
        question: which score was explained.
        parameters: the method's settings, JSON types only.
        forward_passes: inputs that went through the network for this map, in whole or in part.
        seconds: computing time, without what was known before.
        change: for methods that promise completeness, score of the input minus score of the
            baseline, which the values should add up to; else None.
        provenance: picture and model; None where only tensors were given.
        agreement: for occlusion, how far windows that the network itself computed too were from
            it, for superpixels patches; None if there were none.
        path: for Integrated Gradients with "enough" steps, where its points lie between baseline
            (0) and picture (1), sorted: the trapezoidal rule through them gives the map; else
            empty.
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

    def __post_init__(self) -> None:
        """Freeze what the dataclass alone would leave open."""
        values = np.array(self.values, dtype=np.float32)
        if values.ndim != 2:
            raise ValueError(f"An attribution is (H, W); this one has shape {values.shape}.")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    @property
    def target(self) -> int:
        """Index of the explained class."""
        return self.question.target

    @property
    def contrast(self) -> int | None:
        """Index of the class whose score was subtracted, or None."""
        return self.question.contrast

    @property
    def score(self) -> ScoreKind:
        """The kind of score that was explained."""
        return self.question.kind

    @property
    def gap(self) -> float | None:
        """Sum of the values minus what it should be; None where nothing is promised."""
        if self.change is None:
            return None
        return float(self.values.sum(dtype=np.float64)) - self.change

    @property
    def units(self) -> str:
        """What one unit of ``values`` is."""
        return _UNITS.get(self.method, "{}").format(UNITS[self.score])

    def settings(self) -> dict[str, Any]:
        """All settings and versions as JSON types: enough to make the map again."""
        return {
            "method": self.method,
            **asdict(self.question),
            "parameters": dict(self.parameters),
            "units": self.units,
            "forward_passes": self.forward_passes,
            "seconds": round(self.seconds, 3),
            "score_change": self.change,
            "completeness_gap": self.gap,
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
