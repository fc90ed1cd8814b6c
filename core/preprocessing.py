"""Photo -> model input, and the geometry that leads back from a map to the photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor  # no picture is kept waiting for torch

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Box(NamedTuple):
    """A rectangle in the photo's pixels: left and top inclusive, right and bottom exclusive."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Preprocessing:
    """Resize the short side, crop the centre, normalise: the transform a network was trained with.

    Equal to torchvision's ``ImageClassification`` preset on a PIL image (antialiased resize).

    Attributes:
        resize: length in pixels of the short side after resizing.
        crop: side in pixels of the centred square that the model sees.
        mean, std: per channel (R, G, B), on pixel values scaled to 0..1.
        interpolation: how Pillow resamples.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"]

    def picture(self, image: Image.Image, region: Box | None = None) -> Image.Image:
        """What the model sees, before normalisation: an RGB square of side ``crop``.

        With a ``region`` (a square of the photo) that region fills the square, in place of the
        model's own resize and centre crop.
        """
        resampling = _RESAMPLING[self.interpolation]
        if region is not None:
            return image.resize((self.crop, self.crop), resampling, box=region)
        width, height = self._resized(image.size)
        resized = image.resize((width, height), resampling)
        left, top = self._corner(width), self._corner(height)
        return resized.crop((left, top, left + self.crop, top + self.crop))

    def tensor(self, image: Image.Image, region: Box | None = None) -> "Tensor":
        """The model's input: float32 (1, 3, crop, crop), normalised."""
        return self.normalise(np.asarray(self.picture(image, region), dtype=np.float32) / 255)

    def normalise(self, pixels: np.ndarray) -> "Tensor":
        """RGB pixels (H, W, 3) in 0..1 -> float32 (1, 3, H, W) in the model's normalised space."""
        import torch  # as above

        mean, std = (np.array(values, dtype=np.float32) for values in (self.mean, self.std))
        normalised = (pixels.astype(np.float32) - mean) / std
        # By NumPy: for a copy torch would start a team of threads for each thread that calls this,
        # and once there are more of them than cores, OpenMP lets all teams wait asleep: batches
        # of a few pictures then take half as long again.
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)[None]))

    def image(self, tensor: "Tensor") -> Image.Image:
        """What a model's input (1, 3, H, W) looks like: the normalisation undone, RGB."""
        pixels = tensor[0].cpu().permute(1, 2, 0).numpy() * self.std + self.mean
        return Image.fromarray(np.clip(pixels * 255, 0, 255).round().astype(np.uint8))

    def crop_box(self, size: tuple[int, int]) -> Box:
        """The part of a photo of ``size`` (width, height) that the model sees.

        In the photo's pixels, and not rounded: one pixel of the input may be several of the photo.
        """
        width, height = self._resized(size)
        across, down = size[0] / width, size[1] / height
        left, top = self._corner(width), self._corner(height)
        return Box(left * across, top * down, (left + self.crop) * across, (top + self.crop) * down)

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height after resizing; the long side is rounded down, as torchvision does."""
        short = min(size)
        width, height = (int(self.resize * side / short) for side in size)
        return width, height

    def _corner(self, length: int) -> int:
        """Where the centred crop begins along one side."""
        return round((length - self.crop) / 2)
