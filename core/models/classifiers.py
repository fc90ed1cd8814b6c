"""Loaded classifiers: ``load("resnet18")`` is ready to predict and to be explained."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..engine.free_memory import memory_for
from ..engine.outputs import TwoOutcomes, logits_of
from ..errors import ModelError, SettingError, UserError
from ..pictures.preprocessing import Content
from .catalogue import ModelRecord
from .checkpoints import fitted
from .heads import Head
from .reasons import reason_of
from .registry import DEVICES, download, record

_TOP = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassScore:
    """One output in a prediction.

    Attributes:
        index: of the output.
        name: of the class or label.
        probability: 0..1, as the head makes it of the logits; None where outputs are values.
        logit: the network's output.
    """

    index: int
    name: str
    probability: float | None
    logit: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model on a device, in eval mode, with its record.

    Attributes:
        record: the model's entry in the registry.
        module: the network; float32 (N, C, H, W) normalised -> logits (N, classes).
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

    @property
    def head(self) -> Head:
        """What the network's outputs mean."""
        return self.record.head

    def preprocess(self, image: Content) -> Tensor:
        """An RGB photo, or pixels, of any size -> float32 (1, C, H, W), normalised, on the device.

        Raises:
            ImageError: it has not the channels that the model takes.
        """
        return self.record.preprocessing.tensor(image).to(self.device)

    def logits(self, inputs: Tensor) -> Tensor:
        """Model inputs (N, C, H, W) -> float32 logits (N, classes) on the CPU, without gradient.

        Raises:
            ResourceError: the device has too little memory.
        """
        with memory_for(f"A pass through {self.record.title}"), torch.no_grad():
            return logits_of(self.module(inputs.to(self.device))).float().cpu()

    def predict(self, image: Content, top: int | None = None) -> tuple[ClassScore, ...]:
        """The ``top`` most probable classes, best first; by default five, or all if fewer.

        Raises:
            SettingError: ``top`` is not between 1 and the number of classes.
        """
        return self.ranking(self.logits(self.preprocess(image))[0], top)

    def ranking(self, logits: Tensor, top: int | None = None) -> tuple[ClassScore, ...]:
        """The ``top`` most probable of one vector of logits (classes,), as `predict` counts.

        Values have no probability: they keep their order.
        """
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
        head, scores = self.record.head, logits.tolist()
        if not head.has_probabilities:
            return tuple(ClassScore(i, self.class_names[i], None, scores[i]) for i in range(top))
        probabilities = head.probabilities(logits.double()).tolist()
        order = logits.argsort(descending=True, stable=True)[:top].tolist()
        return tuple(ClassScore(i, self.class_names[i], probabilities[i], scores[i]) for i in order)


def load(name: str, device: str = "auto") -> Classifier:
    """Build a model, load its weights (downloading them on first use) and put it on a device.

    Args:
        name: a key of `records`.
        device: one of `DEVICES`; "auto" takes cuda, else mps, else cpu.

    Raises:
        ModelError: the model is unknown, or its weights are not available or do not fit it.
        SettingError: the device is unknown or not on this machine.
        ResourceError: the device has too little memory.
    """
    chosen = record(name)
    place = resolve_device(device)
    for _ in download(name):
        pass
    with memory_for(chosen.title):
        held, sha256 = chosen.weights.load()
        module = chosen.architecture()
        if held is not None:
            checkpoint = fitted(chosen.weights.name, held, module.state_dict(), chosen.outputs)
            for note in checkpoint.notes:
                _log.info(note)
            # Older files lack counters that no prediction needs; of all else, nothing is missing.
            module.load_state_dict(checkpoint.state, strict=False)
        if chosen.head.kind == "binary":
            module = TwoOutcomes(module)
        module.requires_grad_(False)
        made = Classifier(chosen, module.eval().to(place), place, sha256)
        if chosen.code:
            _try(made)
        return made


def _try(classifier: Classifier) -> None:
    """See that a network of other people's code takes its input, and gives a score a class.

    Raises:
        ModelError: it does not.
    """
    record = classifier.record
    height, width = record.preprocessing.size
    try:
        found = classifier.logits(torch.zeros(1, record.preprocessing.channels, height, width))
    except UserError:
        raise
    except Exception as error:  # each architecture has its own way to refuse a size
        reason = reason_of(error)
        raise ModelError(
            f"{record.title} cannot take pictures of {width} × {height} pixels ({reason}): its "
            "preprocessing is that of another network."
        ) from error
    if found.shape[1] != len(record.class_names):
        raise ModelError(
            f"{record.title} gives {found.shape[1]:,} scores, and {len(record.class_names):,} "
            "classes are named: name one for each."
        )


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
