"""Which methods to begin with, for the kind of network at hand."""

from collections.abc import Collection

_BLACK_BOX = ("occlusion_small", "occlusion_large", "rise", "kernel_shap")
_TRANSFORMER = ("occlusion_small", "gradient_rollout", "legrad", "lrp", "integrated_gradients")
_CONVOLUTIONAL = ("occlusion_small", "occlusion_large", "integrated_gradients", "layer_cam", "lrp")


def suggested(unavailable: Collection[str]) -> tuple[str, ...]:
    """A few methods of different kinds that a network can have.

    Args:
        unavailable: names of methods that it cannot have. From them it is seen whether it has
            gradients, and attention.

    Returns:
        Names of methods; of occlusion ``occlusion_small`` and ``occlusion_large``, its two windows.
    """
    chosen: tuple[str, ...] = _TRANSFORMER if "legrad" not in unavailable else _CONVOLUTIONAL
    if "integrated_gradients" in unavailable:
        chosen = _BLACK_BOX
    return tuple(name for name in chosen if name not in unavailable)
