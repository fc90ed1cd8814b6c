"""Classifiers with random weights, where timm and transformers look for them; no network is needed.

The weights are stirred: what a library begins with hides mistakes, as a branch whose scale is zero,
or a normalisation that does nothing, adds nothing to the answer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from core.models.torchvision_compat import torchvision  # noqa: F401 - before what imports it
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_NOISE = 0.1
_PHOTOS = 4

_TOKENS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
_VIT = {**_TOKENS, "intermediate_size": 24, "image_size": 64, "patch_size": 16}
_STAGES = {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
_CROPPED = {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}}
_CONVNEXT = "ConvNextImageProcessor", {"size": {"shortest_edge": 64}, "crop_pct": 0.9}
_SQUASHED = "ViTImageProcessor", {"size": {"height": 64, "width": 64}}

# A class of transformers without "Config", and its small configuration; an image processor.
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}),
    "convnext": ("ConvNext", _STAGES),
    "convnextv2": ("ConvNextV2", _STAGES),
    "vit": ("ViT", _VIT),
    "deit": ("DeiT", _VIT),
    "swin": (
        "Swin",
        {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4, "image_size": 64},
    ),
    "mobilevit": (
        "MobileViT",
        {
            "hidden_sizes": [16, 16, 16],
            "neck_hidden_sizes": [8, 8, 8, 8, 16, 16, 32],
            "image_size": 64,
        },
    ),
    "dinov2": ("Dinov2", _VIT),
}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ConvNextImageProcessor", {"size": {"shortest_edge": 64}, "crop_pct": 0.875}),
    "convnext": _CONVNEXT,
    "convnextv2": _CONVNEXT,
    "vit": _SQUASHED,
    "deit": (
        "DeiTImageProcessor",
        {"size": {"height": 73, "width": 73}, "crop_size": {"height": 64, "width": 64}},
    ),
    "swin": _SQUASHED,
    "mobilevit": ("MobileViTImageProcessor", _CROPPED),
    "dinov2": ("BitImageProcessor", _CROPPED),
}


def photos() -> list[Image.Image]:
    """Sample pictures."""
    return [picture_from_file(each.path).image for each in samples().values()]


def stirred(network: nn.Module, pictures: Tensor) -> nn.Module:
    """A network in eval mode, of which every part counts, and whose normalisations fit pictures.

    Args:
        network: with the weights that its library begins with; it is changed.
        pictures: several of its inputs, (n, C, H, W).
    """
    norms = [
        part
        for part in network.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
    ]
    usual = [part.momentum for part in norms]
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                parameter.add_(_NOISE * torch.randn_like(parameter))
        for part in norms:
            part.momentum = None  # the mean of what it has seen
        network.train()(pictures)
    for part, momentum in zip(norms, usual, strict=True):
        part.momentum = momentum
    return network.eval()


def keep(cache: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Put files into a cache of the Hugging Face hub, as if they had been downloaded."""
    place = cache / f"models--{name.replace('/', '--')}"
    folder = place / "snapshots" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(COMMIT)
    for file, data in files.items():
        (folder / file).write_bytes(data)


def of_timm(name: str, cache: Path) -> nn.Module:
    """A network of timm's, the same at every call; its weights are put into the hub's cache."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name, pretrained=False)
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
        stirred(network, torch.stack([transform(photo) for photo in photos()[:_PHOTOS]]))
    state = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
    keep(cache, f"timm/{name}", {"model.safetensors": save(state)})
    return network


def processor_of(family: str) -> Any:
    """The image processor of a family of transformers, on Pillow."""
    import transformers

    name, settings = PROCESSORS[family]
    return getattr(transformers, f"{name}Pil")(**settings)


def of_transformers(family: str, folder: Path, names: Mapping[int, str]) -> nn.Module:
    """A small classifier of transformers with its processor, saved into a folder."""
    import transformers

    kind, settings = TRANSFORMERS[family]
    config = getattr(transformers, f"{kind}Config")(
        **settings, id2label=dict(names), label2id={name: i for i, name in names.items()}
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = getattr(transformers, f"{kind}ForImageClassification")(config)
        processor = processor_of(family)
        stirred(network, processor(photos()[:_PHOTOS], return_tensors="pt")["pixel_values"])
    logging = transformers.utils.logging
    before = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    network.save_pretrained(folder)
    if before:
        logging.enable_progress_bar()
    processor.save_pretrained(folder)
    return network
