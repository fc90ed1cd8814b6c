"""The study that this project grew from: two pictures, three maps each.

A swan is taken for a king penguin by a network that has no class for mute swans. For a penguin and
for that swan, the study showed smoothed Integrated Gradients and Occlusion with a small and a large
window, all of the predicted class's logit, against grey.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ..drawing.rendering import Display, colours, scale
from ..errors import ImageError
from ..methods.attribution import Attribution
from ..methods.cover_methods import OcclusionSetting
from ..methods.gradient_methods import IntegratedGradientsSetting, SmoothSetting
from ..methods.settings import Setting
from ..text import line

SMOOTHING = SmoothSetting(IntegratedGradientsSetting(200), "smoothgrad_sq", samples=10, stdev=1.0)

WINDOWS = {
    "penguin": (OcclusionSetting(22, 10), OcclusionSetting(50, 40)),
    "swan": (OcclusionSetting(15, 8), OcclusionSetting(60, 50)),
}

LOOK = Display(sign="positive", colour_map="blues", opacity=1.0, outlier_percent=2.0)
"""Positive values only, without the largest that make up 2 % of their sum, on a scale to 1."""

_INCHES, _DPI = 3.0, 150


def maps(picture: str) -> dict[str, Setting]:
    """The settings of a picture's three maps, by title."""
    small, large = WINDOWS[picture]
    return {
        "Smoothed Integrated Gradients": SMOOTHING,
        f"Occlusion small {small.window}/{small.stride}": small,
        f"Occlusion large {large.window}/{large.stride}": large,
    }


def picture_files(folder: Path) -> dict[str, Path]:
    """The study's pictures in a folder: files named penguin and swan, of any format.

    Raises:
        ImageError: the folder cannot be read, or one of them is missing.
    """
    found = {}
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        paths = []
    except OSError as error:
        raise ImageError(
            f"The folder {folder} cannot be read ({error.strerror}): check the path."
        ) from error
    for name in WINDOWS:
        files = [path for path in paths if path.name.startswith(f"{name}.")]
        if not files:
            raise ImageError(
                f"There is no {name} in {folder}: give a folder with {name}.jpg, and likewise "
                f"{' and '.join(f'{other}.jpg' for other in WINDOWS if other != name)}."
            )
        found[name] = files[0]
    return found


def sheet(
    seen: Mapping[str, Image.Image],
    found: Mapping[str, Mapping[str, Attribution]],
    answers: Mapping[str, str],
) -> Image.Image:
    """All pictures on one page, RGB: a row for each, what the model sees before its maps.

    Args:
        seen: the model's input before normalisation, by picture.
        found: the maps by title, by picture.
        answers: what the model says, by picture.
    """
    # Takes a while to load, and the page needs the settings of the study from the beginning.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * _INCHES, 1.18 * _INCHES * len(seen)), dpi=_DPI, layout="tight")
    canvas = FigureCanvasAgg(figure)
    rows = figure.subplots(len(seen), 4, squeeze=False)
    for axes, (name, image) in zip(rows, seen.items(), strict=True):
        axes[0].imshow(np.asarray(image))
        axes[0].set_title(line(answers[name]), fontsize=9, loc="left", parse_math=False)
        for place, (title, attribution) in zip(axes[1:], found[name].items(), strict=True):
            ends = scale([attribution.values], LOOK)
            place.imshow(colours(attribution.values, LOOK, ends))
            place.set_title(title, fontsize=9, loc="left", parse_math=False)
        for place in axes:
            place.set_axis_off()
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
