"""Baselines by name: what replaces covered pixels, and where the path to the picture begins.

The choice can change a map, so captions always state it. Zero in a model's
normalised space is the mean colour of its preprocessing: a grey, not black.

A name may carry a number after a colon: ``blur:6`` blurs with a sigma of 6 pixels, ``noise:1`` is
drawn with the seed 1. ``picture:...`` is another picture; see `core.explaining.explainer`.

``road`` is no picture: it fills what is covered from its surroundings, with noise of a seed that
may follow, as in ``road:1``. So it serves deletion and insertion alone; see
`core.trust.imputation`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from ..errors import ImageError, SettingError
from ..pictures.channels import PHOTOS, blurred, in_unit_range
from ..pictures.preprocessing import Box, Content, Preprocessing
from ..text import plain, quoted

if TYPE_CHECKING:
    from torch import Tensor  # the names of baselines are known without torch

BASELINES = ("grey", "black", "white", "mean", "blur", "noise")
PICTURE = "picture"
ROAD = "road"
OF_CURVES = (*BASELINES, ROAD)
"""Baselines of deletion and insertion."""

_BLUR_SIGMA = 12.0  # pixels of the model's input; leaves colours, removes what could be recognised
_BLUR_RANGE = (0.5, 100.0)
_LARGEST_SEED = 2**31 - 1
_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of all training pixels, as torchvision's models use it


def title(baseline: str) -> str:
    """A baseline in words."""
    name, number = _parsed(baseline, OF_CURVES)
    return {
        "grey": "grey (zero after normalisation)",
        "mean": "mean colour of ImageNet",
        "blur": f"picture blurred with sigma {number:g}",
        "noise": f"uniform noise, seed {number:g}",
        PICTURE: "another picture",
        ROAD: f"noisy linear imputation (ROAD), seed {number:g}",
    }.get(name, name)


def baseline_tensor(
    baseline: str,
    preprocessing: Preprocessing,
    content: Content,
    region: Box | None = None,
) -> "Tensor":
    """A named baseline for a picture: float32 (1, C, H, W) in the model's normalised space.

    ``region`` is the part of the photo that the model sees, as in `Preprocessing.picture`.

    Raises:
        SettingError: there is no such baseline, or none of a picture with these channels.
        ImageError: the picture's values are out of the baseline's range.
    """
    name, number = _parsed(baseline)
    channels, height, width = preprocessing.shape
    if name == "grey":
        import torch  # as above

        return torch.zeros(1, channels, height, width)
    if name == PICTURE:
        raise SettingError(
            "The picture that is to serve as baseline is not there: choose it again."
        )
    if name == "blur":
        return preprocessing.normalise(_blurred(preprocessing.pixels(content, region), number))
    _check_range(name, preprocessing, content)
    if name == "noise":
        shape = (height, width, channels)
        pixels = np.random.default_rng(int(number)).random(shape, dtype=np.float32)
    else:
        colour = _IMAGENET_MEAN if name == "mean" else float(name == "white")
        shape = (height, width, 3 if preprocessing.channels in PHOTOS else channels)
        pixels = np.full(shape, colour, np.float32)
    return preprocessing.normalise(pixels)


def _blurred(seen: np.ndarray, sigma: float) -> np.ndarray:
    """What a model sees, blurred: photos by Pillow, which knows no other channels."""
    if seen.dtype == np.uint8 and seen.shape[2] == 3:
        return np.asarray(Image.fromarray(seen).filter(ImageFilter.GaussianBlur(sigma)))
    return blurred(seen, sigma)


def _check_range(name: str, preprocessing: Preprocessing, content: Content) -> None:
    """See that a picture has the colours of a baseline."""
    if name == "mean" and preprocessing.channels not in PHOTOS:
        raise SettingError(
            f"ImageNet's mean is a colour, and the model takes {preprocessing.channels} channels: "
            "choose another baseline, such as grey."
        )
    if isinstance(content, np.ndarray) and not in_unit_range(content):
        raise ImageError(
            f"The picture's values go from {content.min():.3g} to {content.max():.3g}, and the "
            f"baseline {name} is of values from 0 to 1: choose grey or blur."
        )


def check_baseline(baseline: str, among: Sequence[str] = BASELINES) -> None:
    """Accept the name of a baseline.

    Args:
        baseline: the name.
        among: names that may be given, `BASELINES` or `OF_CURVES`.

    Raises:
        SettingError: there is no such baseline, or its number is out of range.
    """
    _parsed(baseline, among)


def road_seed(baseline: str) -> int | None:
    """The seed of the noise where a baseline of the curves is ROAD; None for any other.

    Raises:
        SettingError: there is no such baseline, or its number is out of range.
    """
    name, number = _parsed(baseline, OF_CURVES)
    return int(number) if name == ROAD else None


def _parsed(baseline: str, among: Sequence[str] = BASELINES) -> tuple[str, float]:
    """Name and number; the default where there is none."""
    name, colon, text = baseline.partition(":")
    if name == PICTURE and text:
        return name, 0.0
    if name == ROAD and name not in among:
        raise SettingError(
            "ROAD fills what is covered from its surroundings and is no picture of its own, so it "
            f"serves deletion and insertion alone: choose one of {', '.join(BASELINES)} here."
        )
    if name not in among or (colon and name not in ("blur", "noise", ROAD)):
        raise SettingError(
            f'There is no baseline "{plain(baseline)}": choose one of {", ".join(among)}.'
        )
    if not colon:
        return name, _BLUR_SIGMA if name == "blur" else 0.0
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    low, high = _BLUR_RANGE
    if name == "blur" and not low <= number <= high:
        raise SettingError(
            f"Blur of {quoted(text)}: choose a sigma between {low:g} and {high:g} pixels."
        )
    if name in ("noise", ROAD) and not (0 <= number <= _LARGEST_SEED and number.is_integer()):
        what = "ROAD" if name == ROAD else "Noise"
        raise SettingError(f"{what} of {quoted(text)}: choose a seed from 0, a whole number.")
    return name, number
