"""The CAM family: a layer's values, weighted by what they do to the score, as a map.

`core.methods.cam_weightings` has the methods with their papers. Guided Grad-CAM, of the paper of
Grad-CAM, multiplies Guided Backprop.

With a contrast, the score is that of the target less that of the contrast, and every one of these
methods is then its Finer-CAM (Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer
Details for Visual Explanation", CVPR 2025) with one reference class and gamma = 1.
"""

from collections.abc import Generator

import torch
from torch import Tensor, nn

from ..engine import watched_layers
from ..engine.incremental import IncrementalNetwork
from ..engine.teams import alone
from ..engine.watched_layers import Layer
from ..errors import SettingError
from .cam_methods import ALL_LAYERS, BEHIND_RELU, GradCamSetting, fuses
from .cam_weightings import by_layer, fused, scaled
from .rectifiers import guided_backprop, why_no_guided_backprop
from .request import Asked, Progress, finite_gradients

_PADDING = (nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)


def grad_cam(asked: Asked, setting: GradCamSetting) -> Generator[Progress, None, None]:
    """A map of the CAM family, enlarged bilinearly to the input's size: (1, H, W).

    It is not negative; signed, it is what speaks for the score, less what speaks against it. The
    unit is that of the layer's values times that of their weights; of several layers fused, there
    is none. Guided, it is (C, H, W): Guided Backprop times that. A map of zeros means that the
    layer holds no evidence for the class.

    Raises:
        SettingError: there is no such layer, or none at all: the true reason.
    """

    def make() -> Tensor:
        with torch.inference_mode(False):
            values = _cam(asked, setting)
            if setting.kind == "guided_grad_cam":
                values = values * guided_backprop(asked)[0].detach().double().cpu()
            return values

    values = alone(make)
    yield Progress(1, 1, lambda: values)


def layers(network: IncrementalNetwork, inputs: Tensor) -> tuple[str, ...]:
    """The layers that are offered: for each size of map, the last of the outermost that have it.

    Only those on whose maps the scores depend, and none that only pads a map. A layer inside a
    block counts as long as the block keeps the size; the first layers of a block that makes smaller
    maps do not.

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
        pads = isinstance(parts.get(name), _PADDING)
        if layer.counts and not pads and block is not None and block.places.grid == grid:
            last[grid] = name
    return tuple(sorted(last.values(), key=list(found).index))


def why_none(network: IncrementalNetwork, inputs: Tensor) -> str | None:
    """Why no layer is offered, as the end of a sentence; None where there are some."""
    if layers(network, inputs):
        return None
    if watched_layers.layers(network, inputs):
        return "its scores do not depend on the map of any of its layers"
    return watched_layers.why_none(network, inputs)


def why_no_guided(network: IncrementalNetwork, inputs: Tensor) -> str | None:
    """Why Guided Grad-CAM is not available for a network, likewise."""
    return why_no_guided_backprop(network.module) or why_none(network, inputs)


def _block(parts: dict[str, nn.Module], name: str, beside: str) -> str:
    """The outermost module around a layer that is no further out than another; or the layer."""
    path = name.split(".")
    around = [".".join(path[:end]) for end in range(beside.count(".") + 1, len(path))]
    return next((each for each in around if not isinstance(parts.get(each), nn.ModuleList)), name)


def chosen(network: IncrementalNetwork, inputs: Tensor, wanted: str | None) -> dict[str, Layer]:
    """The layers to look at, by name.

    Args:
        network, inputs: as for `layers`.
        wanted: a name, or several separated by commas; None for the last that is offered, or
            `ALL_LAYERS`.

    Raises:
        SettingError: one of them cannot be looked at: the true reason.
    """
    offered = layers(network, inputs)
    if not offered:
        reason = why_none(network, inputs)
        raise SettingError(f"CAM methods are not available for this model, since {reason}.")
    known = watched_layers.layers(network, inputs)
    names = [name.strip() for name in wanted.split(",")] if wanted else [offered[-1]]
    names = list(offered) if names == [ALL_LAYERS] else names
    for name in names:
        if name not in known:
            reason = watched_layers.why_not(network, name)
        elif not known[name].counts:
            reason = f'The scores do not depend on the map of the layer "{name}"'
        else:
            continue
        raise SettingError(f"{reason}: choose one of {', '.join(offered)}.")
    return {name: known[name] for name in names}


def _cam(asked: Asked, setting: GradCamSetting) -> Tensor:
    """The map, float64 (1, H, W) on the CPU."""
    found = chosen(asked.network, asked.inputs, setting.layer)
    maps = []
    watched = _watched(asked, list(found), setting.kind in BEHIND_RELU)
    for layer, value, slope in zip(found.values(), *watched, strict=True):
        there, slopes = (layer.places.map(each)[0].cpu().double() for each in (value, slope))
        of_layer = by_layer(setting.kind, there, slopes, setting.signed)
        maps.append(scaled(of_layer) if fuses(setting.layer) else of_layer)
    return fused(maps, (asked.inputs.shape[2], asked.inputs.shape[3]))


def _watched(asked: Asked, names: list[str], rectified: bool) -> tuple[list[Tensor], list[Tensor]]:
    """The values of some layers, and the slopes of the score in them."""
    with torch.enable_grad():
        inputs = asked.inputs.clone().requires_grad_()
        logits, values = watched_layers.run(asked.network, names, inputs, rectified=rectified)
        score = asked.question.scores(logits).sum()
        slopes = torch.autograd.grad(score, values)
    return [each.detach() for each in values], [finite_gradients(each) for each in slopes]
