"""The networks that descriptions of one's own models name, laid out to be compared with a file.

torchvision's and timm's are laid out without memory, on torch's meta device.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..errors import ModelError
from ..pictures.preprocessing import Preprocessing, Size
from .catalogue import TIMM, Network
from .factories import is_factory, scores_of
from .inceptions import INCEPTIONS
from .reasons import reason_of

Options = tuple[tuple[str, int | bool | tuple[int, int]], ...]


@lru_cache(1)
def architectures() -> frozenset[str]:
    """torchvision's classification models, by name."""
    # Only where there are models of one's own: it takes as long to load as torch.
    from .torchvision_compat import torchvision

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def network_of(
    architecture: str, classes: int, preprocessing: Preprocessing, transforming: bool = True
) -> Network:
    """torchvision's or timm's network for so many classes and such an input.

    Args:
        architecture: by torchvision's name, or by timm's behind `catalogue.TIMM`.
        classes: how many outputs.
        preprocessing: what the input is.
        transforming: whether torchvision's inceptions normalise their input once more.

    Raises:
        ModelError: it does not take such an input.
    """
    size, channels = preprocessing.size, preprocessing.channels
    if architecture.startswith(TIMM):
        options = _timms_options(architecture, classes, size, channels)
    else:
        options = _options(architecture, classes, size, transforming)
    return Network(architecture, options, channels)


def _options(architecture: str, classes: int, size: Size, transforming: bool) -> Options:
    """What torchvision's builder is to be told."""
    options: dict[str, int | bool | tuple[int, int]] = {"num_classes": classes}
    if architecture.startswith("vit_"):
        if size[0] != size[1]:
            raise ModelError(f"{architecture} takes squares only: give one number as the size.")
        options["image_size"] = size[0]
    elif architecture.startswith("maxvit"):
        options["input_size"] = size
    elif architecture in INCEPTIONS:
        options["init_weights"] = False  # slow, and soon overwritten
        options["aux_logits"] = False  # heads for training alone, which a fine-tuned file may lack
        options["transform_input"] = transforming
    return tuple(options.items())


def _timms_options(architecture: str, classes: int, size: Size, channels: int) -> Options:
    """What timm's builder is to be told besides the name."""
    from .timm_models import fixed_size  # with timm

    built_for = fixed_size(architecture)
    options: dict[str, int | bool | tuple[int, int]] = {"num_classes": classes}
    if channels != 3:
        options["in_chans"] = channels
    if built_for not in (None, size):
        options["img_size"] = size
    return tuple(options.items())


def laid_out(network: Network, size: Size, outputs: int) -> dict[str, Tensor]:
    """A network's state dict, its numbers left out where that can be.

    Raises:
        ModelError: the network does not take pictures of this size, or is a function's and has
            another number of outputs.
    """
    if is_factory(network.name):
        return _built(network, size, outputs)
    try:
        with _WithoutMemory():
            module = network.build()
        module = module.to("meta").eval()
        with torch.no_grad():
            module(torch.empty(1, network.channels, *size, device="meta"))
    except Exception as error:  # each architecture has its own way to refuse a size
        reason = reason_of(error)
        named = network.name.removeprefix(TIMM)
        raise ModelError(
            f"{named} cannot take pictures of {size[1]} × {size[0]} pixels ({reason}): choose "
            "another size."
        ) from error
    return module.state_dict()


def _built(network: Network, size: Size, outputs: int) -> dict[str, Tensor]:
    """The state dict of what a factory builds, if that takes pictures of this size."""
    made = network.build()
    found = scores_of(network.name, made, size, network.channels)
    if found != outputs:
        raise ModelError(
            f"{network.name} gives {found:,} scores, and {outputs:,} are described: list a class "
            "for each."
        )
    return made.state_dict()


class _WithoutMemory(TorchFunctionMode):
    """Parameters are made on the meta device; what a network computes while it is built is not."""

    def __torch_function__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch."""
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
