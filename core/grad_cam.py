"""Grad-CAM: a layer's maps, weighted by how much the score depends on each.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017; Guided Grad-CAM, of the same paper, multiplies Guided Backprop.
"""

from collections.abc import Generator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import watched_layers
from core.asking import Asked, Progress, finite_gradients
from core.errors import SettingError
from core.incremental import IncrementalNetwork
from core.rectifiers import guided_backprop
from core.settings import GradCamSetting
from core.teams import alone
from core.watched_layers import Layer


def grad_cam(asked: Asked, setting: GradCamSetting) -> Generator[Progress, None, None]:
    """Grad-CAM, enlarged bilinearly to the input's size: (1, H, W), not negative.

    Guided, it is (C, H, W): Guided Backprop times that. A map of zeros says that nothing in the
    layer speaks for the class.

    Raises:
        SettingError: there is no such layer, or none to be had: the true reason.
    """

    def make() -> Tensor:
        with torch.inference_mode(False):
            values = _cam(asked, _layer(asked, setting.layer))
            if setting.guided:
                values = values * guided_backprop(asked)[0].detach().double().cpu()
            return values

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def layers(network: IncrementalNetwork, inputs: Tensor) -> tuple[str, ...]:
    """The layers that are offered: for each size of map, the last of the outermost that have it.

    Only those on whose maps the scores depend. A layer inside a block counts as long as the block
    keeps the size; the first layers of a block that makes smaller maps do not.

    Args:
        network: a network.
        inputs: a picture (1, C, H, W).

    Returns:
        Names of submodules, largest maps first; none where `why_none` says why.
    """
    found = watched_layers.layers(network, inputs)
    parts = dict(network.twin.named_modules())
    last: dict[tuple[int, int], str] = {}
    for name, layer in found.items():
        grid = layer.places.grid
        block = found.get(_block(parts, name, last.get(grid, name)))
        if layer.counts and block is not None and block.places.grid == grid:
            last[grid] = name
    return tuple(sorted(last.values(), key=list(found).index))


def why_none(network: IncrementalNetwork, inputs: Tensor) -> str | None:
    """Why no layer is offered, as the end of a sentence; None where there are some."""
    if layers(network, inputs):
        return None
    if watched_layers.layers(network, inputs):
        return "its scores do not depend on the map of any of its layers"
    return watched_layers.why_none(network, inputs)


def _block(parts: dict[str, nn.Module], name: str, beside: str) -> str:
    """The outermost module around a layer that is no further out than another; or the layer."""
    path = name.split(".")
    around = [".".join(path[:end]) for end in range(beside.count(".") + 1, len(path))]
    return next((each for each in around if not isinstance(parts.get(each), nn.ModuleList)), name)


def _layer(asked: Asked, wanted: str | None) -> Layer:
    """The layer to look at.

    Raises:
        SettingError: it cannot be looked at: the true reason.
    """
    offered = layers(asked.network, asked.inputs)
    if not offered:
        reason = why_none(asked.network, asked.inputs)
        raise SettingError(f"Grad-CAM cannot be had for this model, since {reason}.")
    known = watched_layers.layers(asked.network, asked.inputs)
    name = offered[-1] if wanted is None else wanted
    if name not in known:
        reason = watched_layers.why_not(asked.network, name)
    elif not known[name].counts:
        reason = f'The scores do not depend on the map of the layer "{name}"'
    else:
        return known[name]
    raise SettingError(f"{reason}: choose one of {', '.join(offered)}.")


def _cam(asked: Asked, layer: Layer) -> Tensor:
    """The map of a layer, float64 (1, H, W) on the CPU."""
    with torch.enable_grad():
        logits, values = layer.run(asked.inputs.clone().requires_grad_())
        scores = asked.question.scores(logits)
        (gradients,) = torch.autograd.grad(scores.sum(), values)
    maps = layer.places.map(values.detach())
    slopes = layer.places.map(finite_gradients(gradients))
    cam = (maps * slopes.mean((2, 3), keepdim=True)).sum(1, keepdim=True).relu()
    size = tuple(asked.inputs.shape[2:])
    return F.interpolate(cam, size, mode="bilinear")[0].detach().double().cpu()
