"""What a covered pixel is replaced with, by name.

The choice can change the story, so it is always said which one was used. Zero in a model's
normalised space is the mean colour of its training pictures: a grey, not black.
"""

from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageFilter

from core.errors import SettingError
from core.preprocessing import Box, Preprocessing

BaselineName = Literal["grey", "black", "white", "blur"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)

TITLES: dict[BaselineName, str] = {
    "grey": "grey (zero after normalisation)",
    "black": "black",
    "white": "white",
    "blur": "blurred picture",
}

_BLUR_SIGMA = 12.0  # pixels of the model's input; leaves colours, removes what could be recognised


def baseline_tensor(
    name: BaselineName,
    preprocessing: Preprocessing,
    image: Image.Image,
    region: Box | None = None,
) -> torch.Tensor:
    """A named baseline for a photo: float32 (1, 3, H, W) in the model's normalised space.

    ``region`` is the part of the photo that the model sees, as in `Preprocessing.picture`.

    Raises:
        SettingError: there is no such baseline.
    """
    check_baseline(name)
    shape = (preprocessing.crop, preprocessing.crop, 3)
    if name == "grey":
        return torch.zeros(1, 3, *shape[:2])
    if name == "blur":
        blurred = preprocessing.picture(image, region).filter(ImageFilter.GaussianBlur(_BLUR_SIGMA))
        return preprocessing.normalise(np.asarray(blurred, dtype=np.float32) / 255)
    return preprocessing.normalise(np.full(shape, name == "white", dtype=np.float32))


def check_baseline(name: str) -> None:
    """Accept the name of a baseline.

    Raises:
        SettingError: there is no such baseline.
    """
    if name not in BASELINES:
        raise SettingError(f'There is no baseline "{name}": choose one of {", ".join(BASELINES)}.')
