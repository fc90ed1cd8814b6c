"""What a covered pixel is replaced with, and where a path to the picture begins, by name.

The choice can change the story, so it is always said which one was used. Zero in a model's
normalised space is the mean colour of its preprocessing: a grey, not black.

A name may carry a number after a colon: ``blur:6`` blurs with a sigma of 6 pixels, ``noise:1`` is
drawn with the seed 1. ``picture:...`` is another picture; see `core.explainer`.
"""

import math

import numpy as np
import torch
from PIL import Image, ImageFilter

from core.errors import SettingError
from core.preprocessing import Box, Preprocessing
from core.text import plain, quoted

BASELINES = ("grey", "black", "white", "mean", "blur", "noise")
PICTURE = "picture"

_BLUR_SIGMA = 12.0  # pixels of the model's input; leaves colours, removes what could be recognised
_BLUR_RANGE = (0.5, 100.0)
_LARGEST_SEED = 2**31 - 1
_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of all training pixels, as torchvision's models use it


def title(baseline: str) -> str:
    """A baseline in words."""
    name, number = _parsed(baseline)
    return {
        "grey": "grey (zero after normalisation)",
        "mean": "mean colour of ImageNet",
        "blur": f"picture blurred with sigma {number:g}",
        "noise": f"uniform noise, seed {number:g}",
        PICTURE: "another picture",
    }.get(name, name)


def baseline_tensor(
    baseline: str,
    preprocessing: Preprocessing,
    image: Image.Image,
    region: Box | None = None,
) -> torch.Tensor:
    """A named baseline for a photo: float32 (1, 3, H, W) in the model's normalised space.

    ``region`` is the part of the photo that the model sees, as in `Preprocessing.picture`.

    Raises:
        SettingError: there is no such baseline.
    """
    name, number = _parsed(baseline)
    side = preprocessing.crop
    if name == "grey":
        return torch.zeros(1, 3, side, side)
    pixels: np.ndarray
    if name == "blur":
        blurred = preprocessing.picture(image, region).filter(ImageFilter.GaussianBlur(number))
        pixels = np.asarray(blurred).astype(np.float32) / 255
    elif name == "noise":
        pixels = np.random.default_rng(int(number)).random((side, side, 3), dtype=np.float32)
    elif name == PICTURE:
        raise SettingError(
            "The picture that is to serve as baseline is not there: choose it again."
        )
    else:
        colour = _IMAGENET_MEAN if name == "mean" else (float(name == "white"),) * 3
        pixels = np.full((side, side, 3), colour, np.float32)
    return preprocessing.normalise(pixels)


def check_baseline(baseline: str) -> None:
    """Accept the name of a baseline.

    Raises:
        SettingError: there is no such baseline, or its number is out of range.
    """
    _parsed(baseline)


def _parsed(baseline: str) -> tuple[str, float]:
    """Name and number; the default where there is none."""
    name, colon, text = baseline.partition(":")
    if name == PICTURE and text:
        return name, 0.0
    if name not in BASELINES or (colon and name not in ("blur", "noise")):
        raise SettingError(
            f'There is no baseline "{plain(baseline)}": choose one of {", ".join(BASELINES)}.'
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
    if name == "noise" and not (0 <= number <= _LARGEST_SEED and number.is_integer()):
        raise SettingError(f"Noise of {quoted(text)}: choose a seed from 0, a whole number.")
    return name, number
