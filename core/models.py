"""The registry of classifiers: everything about a model travels in one record.

``load("resnet18")`` gives a `Classifier`, ready to predict and to be explained.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from core.catalogue import ModelRecord, builtin
from core.errors import ModelError, SettingError
from core.free_memory import memory_for
from core.outputs import logits_of
from core.own_models import read_folder
from core.state_dicts import check_fit
from core.weights import Progress

DEFAULT_MODEL = "efficientnet_lite0"
DEVICES = ("auto", "cuda", "mps", "cpu")
_TOP = 5


@dataclass(frozen=True)
class ClassScore:
    """One class in a prediction: its index, name, probability (0..1) and logit."""

    index: int
    name: str
    probability: float
    logit: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model on a device, in eval mode, with its record.

    Attributes:
        record: the model's entry in the registry.
        module: the network; float32 (N, 3, H, W) normalised -> logits (N, classes).
        device: where module and inputs live.
        weights_sha256: hex digest of the weight file.
    """

    record: ModelRecord
    module: nn.Module
    device: torch.device
    weights_sha256: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names, in the order of the network's outputs."""
        return self.record.class_names

    def preprocess(self, image: Image.Image) -> Tensor:
        """An RGB photo of any size -> float32 (1, 3, H, W), normalised, on the device."""
        return self.record.preprocessing.tensor(image).to(self.device)

    def logits(self, inputs: Tensor) -> Tensor:
        """Model inputs (N, 3, H, W) -> float32 logits (N, classes) on the CPU, without gradient.

        Raises:
            ResourceError: the device has too little memory.
        """
        with memory_for(f"A pass through {self.record.title}"), torch.no_grad():
            return logits_of(self.module(inputs.to(self.device))).float().cpu()

    def predict(self, image: Image.Image, top: int | None = None) -> tuple[ClassScore, ...]:
        """The ``top`` most probable classes, best first; by default five, or all if fewer.

        Raises:
            SettingError: ``top`` is not between 1 and the number of classes.
        """
        return self.ranking(self.logits(self.preprocess(image))[0], top)

    def ranking(self, logits: Tensor, top: int | None = None) -> tuple[ClassScore, ...]:
        """The ``top`` most probable of one vector of logits (classes,), as `predict` counts."""
        top = min(_TOP, len(self.class_names)) if top is None else top
        if not 1 <= top <= len(self.class_names):
            raise SettingError(
                f"top is {top}: choose a number between 1 and {len(self.class_names)}."
            )
        if not torch.isfinite(logits).all():
            raise ModelError(
                f"{self.record.title} gave scores that are not finite numbers for this picture: "
                "choose another model or picture."
            )
        probabilities = logits.double().softmax(0).tolist()
        scores = logits.tolist()
        order = logits.argsort(descending=True, stable=True)[:top].tolist()
        return tuple(ClassScore(i, self.class_names[i], probabilities[i], scores[i]) for i in order)


def use_folder(folder: Path | None) -> None:
    """From now on, offer the models of a folder too (see `core.own_models`); None: no others.

    A folder is read once: what is changed in it counts from the next start.

    Raises:
        ModelError: the folder cannot be read. None is then offered, rather than one from before.
    """
    global _folder
    _folder = None
    _read(folder)
    _folder = folder


def own_folder() -> Path | None:
    """The folder of one's own models that are offered, or None."""
    return _folder


def registry() -> dict[str, ModelRecord]:
    """All models by name: the embedded default first, those of one's own last."""
    return _read(_folder)[0]


def broken() -> dict[str, str]:
    """Models of one's own that cannot be offered, by name: why, in one sentence each."""
    return _read(_folder)[1]


_folder: Path | None = None


@lru_cache(4)
def _read(folder: Path | None) -> tuple[dict[str, ModelRecord], dict[str, str]]:
    known = {record.name: record for record in builtin()}
    if folder is None:
        return known, {}
    own, not_usable = read_folder(folder, known)
    return known | own, not_usable


def record(name: str) -> ModelRecord:
    """One record of the registry.

    Raises:
        ModelError: there is no such model, or it is one of one's own that is broken.
    """
    if name in registry():
        return registry()[name]
    if name in broken():
        raise ModelError(broken()[name])
    raise ModelError(f'There is no model "{name}": choose one of {", ".join(registry())}.')


def download(name: str) -> Generator[Progress, None, None]:
    """Fetch a model's weights if they are not here, yielding progress in bytes.

    Raises:
        ModelError: the model is unknown, or its weights cannot be had.
    """
    weights = record(name).weights
    if not weights.present:
        yield from weights.download()


def load(name: str, device: str = "auto") -> Classifier:
    """Build a model, load its weights (downloading them on first use) and put it on a device.

    Args:
        name: a key of `registry`.
        device: one of `DEVICES`; "auto" takes cuda, else mps, else cpu.

    Raises:
        ModelError: the model is unknown, or its weights cannot be had or do not fit it.
        SettingError: the device is unknown or not on this machine.
        ResourceError: the device has too little memory.
    """
    chosen = record(name)
    place = resolve_device(device)
    for _ in download(name):
        pass
    with memory_for(chosen.title):
        state, sha256 = chosen.weights.load()
        module = chosen.architecture()
        check_fit(chosen.weights.path.name, state, module.state_dict(), len(chosen.class_names))
        # Older files lack counters that no prediction needs; of all else, nothing is missing.
        module.load_state_dict(state, strict=False)
        module.requires_grad_(False)
        return Classifier(chosen, module.eval().to(place), place, sha256)


def resolve_device(device: str) -> torch.device:
    """The torch device for a setting.

    Raises:
        SettingError: the setting is unknown, or the device is not on this machine.
    """
    if device not in DEVICES:
        raise SettingError(f'There is no device "{device}": choose one of {", ".join(DEVICES)}.')
    available = available_devices()
    if device == "auto":
        return torch.device(available[0])
    if device not in available:
        raise SettingError(
            f'The device "{device}" is not available here: choose one of {", ".join(available)}.'
        )
    return torch.device(device)


def available_devices() -> tuple[str, ...]:
    """The devices of this machine, fastest first."""
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return tuple(name for name in DEVICES if present.get(name))
