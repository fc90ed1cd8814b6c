"""Preprocessing: from a photo to the model's input, and the geometry back to the photo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, get_args

import numpy as np
from PIL import Image

from ..errors import ImageError, ModelError, SettingError
from ..text import quoted
from .channels import MOST_CHANNELS, PHOTOS, each_channel, in_unit_range, view
from .images import MAX_VALUES

if TYPE_CHECKING:
    from torch import Tensor  # no picture is kept waiting for torch

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Mode = Literal["short side", "squash", "letterbox", "none"]
Order = Literal["RGB", "BGR"]
Size = tuple[int, int]  # height, width
Content = Image.Image | np.ndarray
"""A photo, or pixels (H, W, N) as `core.pictures.channels` describes them."""
Fill = float | tuple[int, int, int]

INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
MODES: tuple[Mode, ...] = get_args(Mode)
_LUMA = (19595, 38470, 7471)  # of 65536: how Pillow weighs red, green and blue for a grey


class Box(NamedTuple):
    """A rectangle in the photo's pixels: left and top inclusive, right and bottom exclusive."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop or pad, normalise: the transform a network was trained with.

    With the defaults it is torchvision's ``ImageClassification`` preset on a PIL image (antialiased
    resize); the other fields are what timm and transformers do besides.

    Attributes:
        resize: what the photo is resized to, in pixels: the length of its short side, or a (height,
            width) that it fills ("short side"), takes ("squash") or fits in ("letterbox").
        crop: the input's size in pixels: the side of a square, or (height, width).
        mean, std: of each channel in the order of the tensor, in its scale; one number is of all.
        interpolation: how Pillow resamples.
        mode: "short side" keeps the aspect ratio and crops; "squash" does not keep it; "letterbox"
            keeps it and pads; "none" does not resize. Each then takes the centre of size ``crop``,
            and pads what is smaller.
        channels: 3, 1 for grey, or another number, of pixels in place of a photo.
        order: of the channels in the tensor.
        scale: what the value 255 of a pixel becomes before it is normalised.
        fill: what is padded with, red, green and blue of 255; None for the mean colour in a
            letterbox and black elsewhere, as timm and torchvision do; all equal for other channels
            than a photo's.
        corner: where the centre begins if it cannot be exact: torchvision and timm "round",
            transformers takes the "floor".
    """

    resize: int | Size
    crop: int | Size
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Interpolation
    mode: Mode = "short side"
    channels: int = 3
    order: Order = "RGB"
    scale: float = 1.0
    fill: tuple[int, int, int] | None = None
    corner: Literal["round", "floor"] = "round"

    def __post_init__(self) -> None:
        """Bring equal transforms to equal fields.

        Raises:
            ModelError: no photo can be given to such a model.
        """
        if type(self.channels) is not int or not 1 <= self.channels <= MOST_CHANNELS:
            raise ModelError(
                f"The model takes {quoted(self.channels)} channels: choose a model of 1 to "
                f"{MOST_CHANNELS}."
            )
        if self.channels not in PHOTOS:
            self._check_other_channels()
        crop, resize = _pair(self.crop), self.resize
        if self.mode == "none":
            resize = crop
        elif self.mode != "short side":
            resize = _pair(resize)
        fixed: dict[str, object] = {
            "crop": crop[0] if crop[0] == crop[1] else crop,
            "resize": resize if isinstance(resize, int) else _pair(resize),
        }
        for name in ("mean", "std"):
            values = tuple(map(float, getattr(self, name)))
            fixed[name] = values * self.channels if len(values) == 1 else values
            if len(values) not in (1, self.channels):
                raise ModelError(
                    f"{name} has {len(values)} numbers, and the model takes {self.channels} "
                    f"channels: give 1 or {self.channels}."
                )
        for name, value in fixed.items():
            object.__setattr__(self, name, value)

    def _check_other_channels(self) -> None:
        """Refuse what only a photo has."""
        if self.order == "BGR":
            raise ModelError(
                f"The order is BGR, and the model takes {self.channels} channels: leave it out."
            )
        if self.fill is not None and len(set(self.fill)) > 1:
            raise ModelError(
                f"The fill is a colour, and the model takes {self.channels} channels: give a grey."
            )

    @property
    def size(self) -> Size:
        """Height and width of the model's input in pixels."""
        return _pair(self.crop)

    @property
    def aspect(self) -> float:
        """Width of the model's input by its height."""
        height, width = self.size
        return width / height

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the model's input: channels, height, width."""
        return self.channels, *self.size

    def picture(self, image: Image.Image, region: Box | None = None) -> Image.Image:
        """What the model sees, before normalisation: RGB, of the input's size; grey where it is.

        With a ``region`` of the photo that region fills the input, in place of the model's own
        resize and crop.
        """
        return _rgb(self._seen_of(self._in_colours(image), region, self.padding))

    def pixels(self, content: Content, region: Box | None = None) -> np.ndarray:
        """What the model sees, before normalisation, for `normalise`; resampled as by Pillow.

        Args:
            content: a photo, or pixels (H, W, C) of other channels.
            region: as for `picture`.

        Returns:
            Of a photo RGB (h, w, 3), uint8; else (h, w, C) of the type of the pixels.

        Raises:
            ImageError: it has not the channels that the model takes.
        """
        if isinstance(content, Image.Image):
            if self.channels not in PHOTOS:
                raise ImageError(
                    f"The model takes {self.channels} channels, and a photo has 3: give a .npy "
                    f"file of (H, W, {self.channels}), or a TIFF of {self.channels} pages of one "
                    f"channel and one size, with at most {MAX_VALUES:,} numbers."
                )
            return np.asarray(self.picture(content, region))
        if content.shape[2] != self.channels:
            raise ImageError(
                f"The picture has {_count(content.shape[2])}, and the model takes "
                f"{self.channels}: choose another picture or another model."
            )
        white = 255 if content.dtype == np.uint8 else 1
        return each_channel(
            content, lambda image, number: self._seen_of(image, region, self._level(number, white))
        )

    def tensor(self, content: Content, region: Box | None = None) -> "Tensor":
        """The model's input: float32 (1, C, H, W), normalised.

        Raises:
            ImageError: the content has not the channels that the model takes.
        """
        return self.normalise(self.pixels(content, region))

    def normalise(self, pixels: np.ndarray) -> "Tensor":
        """Pixels -> float32 (1, C, H, W) in the model's normalised space.

        ``pixels`` are RGB (H, W, 3), grey (H, W, 1) or (H, W, C), uint8 or of 1 as white.
        """
        import torch  # as above

        if self.channels == 1 and pixels.shape[2] == 3:
            pixels = _grey(pixels)
        if pixels.dtype == np.uint8:
            values = pixels.astype(np.float32) / np.float32(255 / self.scale)
        else:
            values = pixels.astype(np.float32) * np.float32(self.scale)
        if self.order == "BGR":
            values = values[..., ::-1]
        mean, std = (np.array(each, dtype=np.float32) for each in (self.mean, self.std))
        normalised = (values - mean) / std
        # By NumPy: for a copy torch would start a team of threads for each thread that calls this,
        # and once there are more of them than cores, OpenMP lets all teams wait asleep: batches
        # of a few pictures then take half as long again.
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)[None]))

    def undone(self, tensor: "Tensor") -> np.ndarray:
        """The pixels (H, W, C) of a model's input (1, C, H, W), floating point, 1 is white."""
        pixels = tensor[0].detach().cpu().permute(1, 2, 0).numpy() * self.std + self.mean
        return (pixels[..., ::-1] if self.order == "BGR" else pixels) / self.scale

    def image(self, tensor: "Tensor") -> Image.Image:
        """What a model's input (1, C, H, W) looks like: the normalisation undone, RGB."""
        pixels = self.undone(tensor)
        if self.channels not in PHOTOS:
            return view(pixels, (0.0, 1.0) if in_unit_range(pixels) else None)
        values = np.clip(pixels * 255, 0, 255).round().astype(np.uint8)
        return Image.fromarray(np.repeat(values, 3 // self.channels, axis=2))

    def crop_box(self, size: tuple[int, int]) -> Box:
        """The part of a photo of ``size`` (width, height) that the model sees.

        In the photo's pixels, and not rounded: one pixel of the input may be several of the photo.
        Where the input is padded, it reaches beyond the photo.
        """
        width, height = self._resized(size)
        across, down = size[0] / width, size[1] / height
        tall, wide = self.size
        left, top = self._corner(width, wide), self._corner(height, tall)
        return Box(left * across, top * down, (left + wide) * across, (top + tall) * down)

    def seen(self, size: tuple[int, int], region: Box | None) -> Box:
        """The same where a ``region`` may be chosen by hand."""
        return self.crop_box(size) if region is None else self.fitted(region)

    def fitted(self, region: Box) -> Box:
        """The largest part of a region, about its centre, that has the input's aspect ratio."""
        left, top, right, bottom = region
        width, height, aspect = right - left, bottom - top, self.aspect
        if abs(width - height * aspect) < 0.5 * max(1.0, aspect):  # pixels of the photo
            return region
        wide, tall = min(width, height * aspect), min(height, width / aspect)
        across, down = (width - wide) / 2, (height - tall) / 2
        return Box(left + across, top + down, right - across, bottom - down)

    def part(self, image: Image.Image, region: Box | None = None, *, most: int) -> Image.Image:
        """What the model sees in the photo's own detail, RGB, padded as its input is.

        No side is longer than ``most`` pixels: a padded panorama could be many times the photo.
        """
        seen = self.seen(image.size, region)
        width, height = seen.right - seen.left, seen.bottom - seen.top
        shown = (height * self.aspect if self.mode == "squash" else width), height
        shrink = min(1.0, most / max(shown))
        wide, tall = (max(1, round(side * shrink)) for side in shown)
        across, down = wide / width, tall / height
        left, top = max(seen.left, 0.0), max(seen.top, 0.0)
        right, bottom = min(seen.right, image.width), min(seen.bottom, image.height)
        inside = max(1, round((right - left) * across)), max(1, round((bottom - top) * down))
        found = self._in_colours(image).resize(
            inside, Image.Resampling.BICUBIC, (left, top, right, bottom), reducing_gap=2.0
        )
        if inside == (wide, tall):
            return _rgb(found)
        ground = Image.new("RGB", (wide, tall), self.padding)
        if self.channels == 1:
            ground = ground.convert("L").convert("RGB")
        corner = round((left - seen.left) * across), round((top - seen.top) * down)
        ground.paste(_rgb(found), corner)
        return ground

    def _seen_of(self, image: Image.Image, region: Box | None, fill: Fill) -> Image.Image:
        """A photo or a single channel, resized and cut as the model sees it."""
        height, width = self.size
        resampling = Image.Resampling[self.interpolation.upper()]
        if region is not None:
            return image.resize((width, height), resampling, box=self.fitted(region))
        resized = image.resize(self._resized(image.size), resampling)
        left, top = self._corner(resized.width, width), self._corner(resized.height, height)
        return self._cut(resized, (left, top, left + width, top + height), fill)

    def _in_colours(self, image: Image.Image) -> Image.Image:
        return image.convert("L") if self.channels == 1 else image

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height after resizing, rounded as the libraries do."""
        if self.mode == "none":
            return size
        if isinstance(self.resize, int):  # torchvision: the long side is rounded down
            short = min(size)
            width, height = (int(self.resize * side / short) for side in size)
            return width, height
        tall, wide = self.resize
        if self.mode == "squash":
            return wide, tall
        ratios = size[1] / tall, size[0] / wide
        ratio = max(ratios) if self.mode == "letterbox" else min(ratios)
        width, height = (max(1, round(side / ratio)) for side in size)  # timm
        return width, height

    def _corner(self, length: int, wanted: int) -> int:
        """Where the centre of a side begins; below 0 where it is padded."""
        more = length - wanted
        if self.corner == "floor":
            return more // 2
        return round(more / 2) if more >= 0 else -(-more // 2)

    @staticmethod
    def _cut(image: Image.Image, box: tuple[int, int, int, int], fill: Fill) -> Image.Image:
        """A part of a picture; what lies outside of it is filled."""
        left, top, right, bottom = box
        if left >= 0 and top >= 0 and right <= image.width and bottom <= image.height:
            return image.crop(box)
        mode = "RGB" if isinstance(fill, tuple) else image.mode
        ground = Image.new(mode, (right - left, bottom - top), fill).convert(image.mode)
        ground.paste(image, (-left, -top))
        return ground

    @property
    def padding(self) -> tuple[int, int, int]:
        """What is padded with: red, green and blue of 255."""
        if self.fill is not None:
            return self.fill
        if self.mode != "letterbox":
            return 0, 0, 0
        means = self.mean if self.channels == 3 else self.mean[:1] * 3
        red, green, blue = (min(max(round(255 / self.scale * each), 0), 255) for each in means)
        return (red, green, blue) if self.order == "RGB" else (blue, green, red)

    def _level(self, channel: int, white: int) -> float:
        """What a channel of pixels is padded with."""
        if self.fill is not None:
            level = self.fill[channel % 3] / 255
        else:
            means = self.mean if self.order == "RGB" else self.mean[::-1]
            level = means[channel] / self.scale if self.mode == "letterbox" else 0.0
        return level if white == 1 else min(max(round(white * level), 0), white)


@dataclass(frozen=True)
class AsGiven(Preprocessing):
    """Of a network whose input is given: nothing is resized, and a picture is what it looks like.

    Mean, standard deviation, order and scale lead from an input of as many channels as they are of
    to its picture. Other inputs are shown in greys, the mean of the channels from the lowest value
    to the highest.

    Attributes:
        given: channels, height and width of the input.
    """

    given: tuple[int, int, int] = (3, 0, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the model's input: channels, height, width."""
        return self.given

    def picture(self, image: Image.Image, region: Box | None = None) -> Image.Image:  # noqa: ARG002
        """The picture itself."""
        return image

    def pixels(self, content: Content, region: Box | None = None) -> np.ndarray:  # noqa: ARG002
        """The picture itself, as pixels.

        Raises:
            SettingError: the input has other channels than a photo.
        """
        if self.given[0] != self.channels or self.channels not in PHOTOS:
            self._refuse()
        return np.asarray(content)

    def _refuse(self) -> NoReturn:
        raise SettingError(
            f"The input has {self.given[0]} channels, so that only the baseline grey (zero) can be "
            "had: choose it."
        )

    def normalise(self, pixels: np.ndarray) -> "Tensor":
        """As `Preprocessing.normalise`.

        Raises:
            SettingError: the input has other channels than a photo, so that no colour is one of it.
        """
        if self.given[0] != self.channels:
            self._refuse()
        return super().normalise(pixels)

    def image(self, tensor: "Tensor") -> Image.Image:
        """What an input (1, C, H, W) looks like, RGB."""
        if self.given[0] == self.channels:
            return super().image(tensor)
        mean = tensor[0].detach().cpu().double().mean(0).numpy()
        low, high = mean.min(), mean.max()
        greys = np.round(255 * (mean - low) / ((high - low) or 1.0)).astype(np.uint8)
        return Image.fromarray(greys).convert("RGB")


def _pair(size: int | Size) -> Size:
    """Height and width."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


def _count(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def _rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey(pixels: np.ndarray) -> np.ndarray:
    """RGB pixels (H, W, 3) -> their grey (H, W, 1), as Pillow weighs colours."""
    if pixels.dtype == np.uint8:
        sums = pixels.astype(np.uint32) @ np.array(_LUMA, dtype=np.uint32)
        return ((sums + 0x8000) >> 16).astype(np.uint8)[..., None]
    return (pixels @ (np.array(_LUMA, dtype=pixels.dtype) / 65536))[..., None]
