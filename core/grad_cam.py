"""Grad-CAM: a layer's maps, weighted by how much the score depends on each.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017; Guided Grad-CAM, of the same paper, multiplies Guided Backprop.
"""

from collections.abc import Generator

import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from core.asking import Asked, Progress, finite_gradients
from core.errors import SettingError
from core.rectifiers import guided_backprop
from core.settings import GradCamSetting
from core.turns import turn


def grad_cam(asked: Asked, setting: GradCamSetting) -> Generator[Progress, None, None]:
    """Grad-CAM, enlarged bilinearly to the input's size: (1, H, W), not negative.

    Guided, it is (C, H, W): Guided Backprop times that.

    Raises:
        SettingError: there is no such layer, or the network is not made of maps.
    """
    with turn:
        names = layers(asked.layers, asked.inputs)
        if not names:
            raise SettingError(f"Grad-CAM cannot be had for this model, since {WITHOUT_MAPS}.")
        name = names[-1] if setting.layer is None else setting.layer
        if name not in names:
            raise SettingError(
                f'There is no layer "{name}" with a map: choose one of {", ".join(names)}.'
            )
        with torch.enable_grad():
            cam = LayerGradCam(
                lambda batch: asked.question.scores(asked.layers(batch)),
                asked.layers.get_submodule(name),
            ).attribute(asked.inputs.clone().requires_grad_(), relu_attributions=True)
        cam = finite_gradients(cam)
        size = tuple(asked.inputs.shape[2:])
        values = LayerAttribution.interpolate(cam, size, "bilinear")[0].detach().double().cpu()
        if setting.guided:
            values = values * guided_backprop(asked)[0].detach().double().cpu()
    yield Progress(1, 1, lambda: values)


WITHOUT_MAPS = "its later layers hold no maps"


def layers(module: nn.Module, inputs: Tensor) -> tuple[str, ...]:
    """The layers that Grad-CAM can look at: for each size of map, the last that has it.

    Args:
        module: the network; runs once.
        inputs: (1, C, H, W).

    Returns:
        Names of submodules, largest maps first; none if the network soon has no maps any more, as
        vision transformers do after they cut the picture into patches.
    """
    finished: list[tuple[str, torch.Size | None]] = []

    def note(name: str, output: object) -> None:
        shape = output.shape if isinstance(output, Tensor) else None
        finished.append((name, shape))

    hooks = [
        part.register_forward_hook(lambda *call, name=name: note(name, call[2]))
        for name, part in module.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            module(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name, _ in finished]
    last: dict[tuple[int, int], int] = {}
    for place, (name, shape) in enumerate(finished):
        if shape is not None and len(shape) == 4 and min(shape[2:]) > 1 and names.count(name) == 1:
            last[shape[2], shape[3]] = place
    if not last or max(last.values()) + 1 < len(finished) / 2:
        return ()
    return tuple(finished[place][0] for place in sorted(last.values()))
