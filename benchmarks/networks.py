"""The networks that are timed: real weights where a package brings them, else seeded ones."""

import torch
from torch import Tensor, nn

from core.models import classifiers, registry
from core.models.torchvision_compat import torchvision  # before what imports torchvision itself

NAMES = ("resnet18", "resnet50", "vgg16", "mobilenet_v2", "efficientnet_lite0", "vit_b_16")

AS_PEOPLE_HAVE_THEM = (
    "timm:resnet50",
    "timm:efficientnet_b0",
    "timm:mobilenetv4_conv_small",
    "timm:regnety_004",
    "timm:densenet121",
    "timm:convnext_atto",
    "timm:nfnet_l0",
    "convnext_tiny",
    "hf:resnet",
)
"""timm's and Hugging Face's by their prefix; the others are torchvision's."""


def network(name: str) -> tuple[nn.Module, Tensor]:
    """A module in eval mode and an input for it, float32 (1, 3, 224, 224)."""
    torch.manual_seed(0)
    inputs = torch.randn(1, 3, 224, 224)
    if name == registry.DEFAULT_MODEL:
        return classifiers.load(name, "cpu").module, inputs
    module = _made(name).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):  # untrained statistics would make folding trivial
            part.get_buffer("running_var").uniform_(0.5, 1.5)
            part.get_buffer("running_mean").normal_(std=0.1)
    return module.requires_grad_(False), inputs


def _made(name: str) -> nn.Module:
    library, _, architecture = name.rpartition(":")
    if library == "timm":
        import timm

        return timm.create_model(architecture)
    if library == "hf":
        from transformers import ResNetConfig, ResNetForImageClassification

        config = ResNetConfig()
        config.num_labels = 1000
        return ResNetForImageClassification(config)
    return torchvision.models.get_model(name, weights=None)
