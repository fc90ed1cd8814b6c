"""`Predictor`: loaded networks, inputs, baselines and logits, with caching.

Keys are digests and frozen settings, never arrays; every cache is bounded.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..engine.remembered import memory
from ..engine.teams import alone
from ..engine.watched_layers import Layer
from ..errors import MapError, SettingError
from ..files.cache import BoundedCache
from ..files.disk_cache import DiskCache
from ..methods import grad_cam
from ..methods.availability import why_not
from ..methods.baselines import BASELINES, PICTURE, baseline_tensor, check_baseline
from ..methods.cam_methods import BEHIND_RELU, ChannelCamSetting, GradCamSetting
from ..methods.cover_methods import MOST_REGIONS, REGIONS, PatchSetting
from ..methods.given_setting import GIVEN, GivenSetting
from ..methods.identity import identity
from ..methods.registry import METHODS
from ..methods.settings import Setting
from ..methods.superpixels import Worth, worths
from ..models import classifiers, registry
from ..models.classifiers import Classifier
from ..pictures.given_map import GivenMap
from ..pictures.label_image import LabelImage, Region, open_label_image
from ..pictures.picture import Picture, picture_from_file, read_picture
from .persistence import Stored


@dataclass(frozen=True)
class Possibilities:
    """What is available of a model.

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
        self._labels: BoundedCache[LabelImage] = BoundedCache(8)
        self._labels_held: WeakValueDictionary[str, LabelImage] = WeakValueDictionary()
        self._given: BoundedCache[GivenMap] = BoundedCache(8)
        self._given_held: WeakValueDictionary[str, GivenMap] = WeakValueDictionary()
        self._possibilities: BoundedCache[Possibilities] = BoundedCache(16)

    def classifier(self, name: str, device: str = "auto") -> Classifier:
        """A loaded model; downloads its weights if they are not here (see `registry.download`).

        Raises:
            ModelError: the model is unknown or its weights are not available.
            SettingError: the device is not on this machine.
        """
        place = classifiers.resolve_device(device)
        weights = registry.record(name).weights  # of a file that was changed, they are others
        return self._classifiers.get_or_make(
            (name, weights, str(place)), lambda: classifiers.load(name, place.type)
        )

    def inputs(self, classifier: Classifier, picture: Picture) -> Tensor:
        """The model's input for a picture, float32 (1, C, H, W) on the model's device.

        Raises:
            ImageError: the picture has not the channels that the model takes.
        """
        if picture.inputs is not None:
            return picture.inputs.to(classifier.device)
        preprocessing = classifier.record.preprocessing
        key = (preprocessing, picture.key, str(classifier.device))
        return self._inputs.get_or_make(
            key,
            lambda: preprocessing.tensor(
                picture.content(preprocessing.channels), picture.region
            ).to(classifier.device),
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
        """A named baseline for a picture, float32 (1, C, H, W) on the model's device.

        Raises:
            ImageError: the picture has not the channels that the model takes.
            SettingError: there is no such baseline.
        """
        other = self._others.get(name)
        if other is not None:
            return self.inputs(classifier, other)
        preprocessing = classifier.record.preprocessing
        content = picture.content(preprocessing.channels)
        baseline = baseline_tensor(name, preprocessing, content, picture.region)
        return baseline.to(classifier.device)

    def possibilities(self, classifier: Classifier, picture: Picture) -> Possibilities:
        """Which methods and layers are available for a model. New for a model, it takes seconds.

        Raises:
            ModelError: the model cannot be computed.
        """

        def make() -> Possibilities:
            known = self.stored.recall(Possibilities, classifier, picture)
            if known is not None:
                return known
            inputs = self.inputs(classifier, picture)
            module, head = classifier.module, classifier.head
            reasons = {name: why_not(module, inputs, name, head) for name in METHODS}
            missing = {name: reason for name, reason in reasons.items() if reason is not None}
            network = memory.prepared(classifier.module, inputs).network
            # Where the network cannot be exported, this sets hooks.
            layers = alone(lambda: grad_cam.layers(network, inputs))
            found = Possibilities(missing, layers)
            self.stored.keep(found, classifier, picture)
            return found

        return self._possibilities.get_or_make(identity(classifier), make)

    def knows_possibilities(self, classifier: Classifier) -> bool:
        """Whether `possibilities` answers at once."""
        return self._possibilities.get(identity(classifier)) is not None

    def unavailable(self, classifier: Classifier, picture: Picture) -> dict[str, str]:
        """The methods that a model cannot have, by name, and why, as the end of a sentence."""
        return self.possibilities(classifier, picture).unavailable

    def layers(self, classifier: Classifier, picture: Picture) -> tuple[str, ...]:
        """The layers of a model that Grad-CAM can look at, largest maps first."""
        return self.possibilities(classifier, picture).layers

    def looked_at(
        self, classifier: Classifier, picture: Picture, setting: GradCamSetting | ChannelCamSetting
    ) -> dict[str, Layer]:
        """The layers that a map looks at, by name; with a ceiling where it looks behind a ReLU.

        Raises:
            SettingError: one of them cannot be looked at.
        """
        inputs = self.inputs(classifier, picture)
        network = memory.prepared(classifier.module, inputs).network
        found = alone(lambda: grad_cam.chosen(network, inputs, setting.layer))
        if setting.name in BEHIND_RELU:
            return found
        return {name: replace(layer, ceiling=None) for name, layer in found.items()}

    def as_baseline(self, picture: Picture) -> str:
        """The name under which another picture serves as a baseline."""
        name = f"{PICTURE}:{picture.sha256}"
        self._others.put(name, picture)
        return name

    def baseline_named(self, wanted: str, among: Sequence[str] = BASELINES) -> str:
        """The name of a baseline as a person writes it; ``picture:PATH`` opens another picture.

        Args:
            wanted: the name.
            among: names that may be given, as `check_baseline` takes them.

        Raises:
            SettingError: there is no such baseline.
            ImageError: the other picture cannot be opened.
        """
        name, _, path = wanted.partition(":")
        if name == PICTURE and path:
            return self.as_baseline(picture_from_file(path))
        check_baseline(wanted, among)
        return wanted

    def as_regions(self, labels: LabelImage) -> str:
        """The name under which a label image serves in place of superpixels.

        It is at hand as long as somebody else holds it, and the last few are in any case.
        """
        name = f"{REGIONS}:{labels.sha256}"
        self._labels_held[name] = self._labels.put(name, labels)
        return name

    def regions_named(self, image: str | Path | bytes, names: str | Path | None = None) -> str:
        """The same for a PNG or its bytes, and a CSV of names, which are opened as uploads are.

        Raises:
            ImageError: a file cannot be read, or the first is no label image.
            SettingError: it has no region or too many, or the second is no such CSV.
        """
        png = image if isinstance(image, bytes) else read_picture(image)
        table = None if names is None else read_picture(names)
        return self.as_regions(open_label_image(png, MOST_REGIONS, table))

    def regions(
        self, classifier: Classifier, picture: Picture, name: str
    ) -> tuple[np.ndarray, tuple[Region, ...]]:
        """Regions as the model sees them, int64 (H, W) from 1 on, 0 for none, and their names.

        Raises:
            SettingError: the label image does not fit the picture, or is not at hand any more.
        """
        labels = self._labels_held.get(name)
        if labels is None:
            raise SettingError("The label image is not at hand any more: give it again.")
        preprocessing = classifier.record.preprocessing
        return labels.seen(preprocessing, picture.image.size, picture.region)

    def as_given(self, given: GivenMap) -> str:
        """The name under which a map made elsewhere is at hand, as label images are."""
        name = f"{GIVEN}:{given.sha256}"
        self._given_held[name] = self._given.put(name, given)
        return name

    def given(self, classifier: Classifier, picture: Picture, setting: GivenSetting) -> np.ndarray:
        """The values of a map made elsewhere at the model's input, float32 (H, W).

        Raises:
            MapError: it does not fit picture and model, or is not at hand any more.
        """
        given = self._given_held.get(setting.values)
        if given is None:
            raise MapError("The map is not at hand any more: give it again.")
        preprocessing = classifier.record.preprocessing
        size = picture.image.size
        values = given.seen(preprocessing, size, picture.region, setting.map_of)
        if setting.adds_up and values is not given.values:
            raise MapError(
                "A map of the photo is resampled, which changes the sum of its values: give the "
                "map of the model's input, or do not say that they sum to anything."
            )
        return values

    def worths(
        self, classifier: Classifier, picture: Picture, setting: Setting, values: np.ndarray
    ) -> list[Worth]:
        """What each region of a label image is worth in a map (H, W), the greatest first.

        Nothing for a map of other settings.
        """
        if not isinstance(setting, PatchSetting) or not setting.regions:
            return []
        return worths(values, *self.regions(classifier, picture, setting.regions))

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
            return classifier.logits(self._covered(classifier, picture, mask, baseline))[0]

        covered = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
        key = (identity(classifier), picture.key, baseline, covered)
        return self._logits.get_or_make(key, make)

    def covered_image(
        self, classifier: Classifier, picture: Picture, mask: np.ndarray, baseline: str
    ) -> Image.Image:
        """The input with a part covered, as a picture; the arguments are those of `covered`."""
        tensor = self._covered(classifier, picture, mask, baseline)
        return classifier.record.preprocessing.image(tensor)

    def _covered(
        self, classifier: Classifier, picture: Picture, mask: np.ndarray, baseline: str
    ) -> Tensor:
        inputs = self.inputs(classifier, picture)
        chosen = torch.from_numpy(mask).to(inputs.device)
        return torch.where(chosen, self.baseline(classifier, picture, baseline), inputs)
