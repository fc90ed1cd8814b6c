"""ONNX files with random weights: programs that torch's operations can do, and one they cannot."""

from pathlib import Path

import torch
from torch import nn

from benchmarks.random_models import photos, stirred
from core.models.torchvision_compat import torchvision

_QUANTISED = "_int8"
_PHOTOS = 4


def of_onnx(name: str, folder: Path) -> Path:
    """Export a network of torchvision's or timm's, the same at every call.

    Args:
        name: torchvision's name of a network, timm's with a tag or not; with ``_int8`` behind it,
            weights and activations are quantised while it runs, as onnxruntime does it.
        folder: where the file is written.
    """
    plain = name.removesuffix(_QUANTISED)
    path = folder / f"{plain}.onnx"
    torch.onnx.export(
        _network(plain),
        (torch.zeros(1, 3, 224, 224),),
        str(path),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "pictures"}, "y": {0: "pictures"}},
        dynamo=False,
    )
    if plain == name:
        return path
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = folder / f"{name}.onnx"
    quantize_dynamic(path, made, weight_type=QuantType.QUInt8)
    return made


def _network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name in torchvision.models.list_models():
            network = torchvision.models.get_model(name)
        else:
            import timm

            network = timm.create_model(name, pretrained=False)
        seen = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
        shown = torch.stack([seen(photo) for photo in photos()[:_PHOTOS]])
        return stirred(network, shown).requires_grad_(False)
