"""What models say of a picture: networks, inputs, baselines and logits, each made once.

Keys are digests and frozen settings, never arrays; every cache is bounded.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core import grad_cam, methods, models
from core.baselines import PICTURE, baseline_tensor
from core.cache import BoundedCache
from core.disk_cache import DiskCache
from core.identity import identity
from core.memory import memory
from core.models import Classifier
from core.picture import Picture
from core.stored import Stored
from core.teams import alone


@dataclass(frozen=True)
class Possibilities:
    """What can be had of a model.

    Attributes:
        unavailable: by name of a method that cannot, why, as the end of a sentence.
        layers: that Grad-CAM can look at, largest maps first.
    """

    unavailable: dict[str, str]
    layers: tuple[str, ...]


class Predictor:
    """Models and predictions, remembered within bounds. Safe to share between threads."""

    def __init__(self, disk: DiskCache | None = None) -> None:
        """Begin with nothing loaded.

        Args:
            disk: where finished results survive this process, those of uploads excepted.
        """
        self.stored = Stored(disk)
        self._classifiers: BoundedCache[Classifier] = BoundedCache(3)
        self._inputs: BoundedCache[Tensor] = BoundedCache(32)
        self._logits: BoundedCache[Tensor] = BoundedCache(256)
        self._others: BoundedCache[Picture] = BoundedCache(8)
        self._possibilities: BoundedCache[Possibilities] = BoundedCache(16)

    def classifier(self, name: str, device: str = "auto") -> Classifier:
        """A loaded model; downloads its weights if they are not here (see `models.download`).

        Raises:
            ModelError: the model is unknown or its weights cannot be had.
            SettingError: the device is not on this machine.
        """
        place = models.resolve_device(device)
        return self._classifiers.get_or_make(
            (name, str(place)), lambda: models.load(name, place.type)
        )

    def inputs(self, classifier: Classifier, picture: Picture) -> Tensor:
        """The model's input for a picture, float32 (1, 3, H, W) on the model's device."""
        key = (classifier.record.preprocessing, picture.key, str(classifier.device))
        return self._inputs.get_or_make(
            key,
            lambda: classifier.record.preprocessing.tensor(picture.image, picture.region).to(
                classifier.device
            ),
        )

    def logits(self, classifier: Classifier, picture: Picture) -> Tensor:
        """The model's logits for a picture, float32 (classes,) on the CPU."""

        def make() -> Tensor:
            known = self.stored.recall(np.ndarray, classifier, picture)
            if known is not None:
                return torch.from_numpy(known)
            logits = classifier.logits(self.inputs(classifier, picture))[0]
            self.stored.keep(logits.numpy(), classifier, picture)
            return logits

        return self._logits.get_or_make((identity(classifier), picture.key), make)

    def baseline(self, classifier: Classifier, picture: Picture, name: str) -> Tensor:
        """A named baseline for a picture, float32 (1, 3, H, W) on the model's device.

        Raises:
            SettingError: there is no such baseline.
        """
        other = self._others.get(name)
        if other is not None:
            return self.inputs(classifier, other)
        preprocessing = classifier.record.preprocessing
        baseline = baseline_tensor(name, preprocessing, picture.image, picture.region)
        return baseline.to(classifier.device)

    def possibilities(self, classifier: Classifier, picture: Picture) -> Possibilities:
        """Which methods and layers can be had of a model. New for a model, it takes seconds.

        Raises:
            ModelError: the model cannot be computed.
        """

        def make() -> Possibilities:
            known = self.stored.recall(Possibilities, classifier, picture)
            if known is not None:
                return known
            inputs = self.inputs(classifier, picture)
            reasons = {
                name: methods.why_not(classifier.module, inputs, name) for name in methods.METHODS
            }
            missing = {name: reason for name, reason in reasons.items() if reason is not None}
            network = memory.prepared(classifier.module, inputs).network
            # Where the network cannot be exported, this sets hooks.
            layers = alone(lambda: grad_cam.layers(network, inputs))
            found = Possibilities(missing, layers)
            self.stored.keep(found, classifier, picture)
            return found

        return self._possibilities.get_or_make(identity(classifier), make)

    def unavailable(self, classifier: Classifier, picture: Picture) -> dict[str, str]:
        """The methods that a model cannot have, by name, and why, as the end of a sentence."""
        return self.possibilities(classifier, picture).unavailable

    def layers(self, classifier: Classifier, picture: Picture) -> tuple[str, ...]:
        """The layers of a model that Grad-CAM can look at, largest maps first."""
        return self.possibilities(classifier, picture).layers

    def as_baseline(self, picture: Picture) -> str:
        """The name under which another picture serves as a baseline."""
        name = f"{PICTURE}:{picture.sha256}"
        self._others.put(name, picture)
        return name

    def covered(
        self, classifier: Classifier, picture: Picture, mask: np.ndarray, baseline: str
    ) -> Tensor:
        """Logits (classes,) with a part of the input covered; one forward pass, if it is new.

        Args:
            classifier: the model to ask.
            picture: the picture to cover.
            mask: bool (H, W) at model-input resolution; True where covered.
            baseline: what a covered pixel becomes.
        """

        def make() -> Tensor:
            inputs = self.inputs(classifier, picture)
            chosen = torch.from_numpy(mask).to(inputs.device)
            cover = self.baseline(classifier, picture, baseline)
            return classifier.logits(torch.where(chosen, cover, inputs))[0]

        covered = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
        key = (identity(classifier), picture.key, baseline, covered)
        return self._logits.get_or_make(key, make)
