"""The table [preprocessing] of a model.toml: how photos become a model's input."""

import math
from typing import Any, TypeVar

from ..files.toml import REQUIRED, Table
from ..pictures.channels import MOST_CHANNELS, PHOTOS
from ..pictures.images import MAX_VALUES
from ..pictures.preprocessing import INTERPOLATIONS, MODES, Mode, Order, Preprocessing, Size
from ..text import quoted

_SIDES = (16, 1024)  # of the input, in pixels
_MOST_RESIZED = 2048
_LEAST_SHARE = 0.1
_SCALES = (1e-3, 1e5)
_LARGEST = 1e6  # a mean or standard deviation of channels whose range nobody knows
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ORDERS: tuple[Order, ...] = ("RGB", "BGR")
_SIZE_WORDS = "a whole number of pixels, or [HEIGHT, WIDTH]"
_FILL_WORDS = "a number from 0 to 255, or three of red, green and blue"
Choice = TypeVar("Choice", bound=str)


def preprocessing_of(table: Table, channels: int = 3, size: Size = (224, 224)) -> Preprocessing:
    """As torchvision's classification models are trained, where nothing else is said.

    Args:
        table: the description of a model.
        channels, size: of the input, where the description does not say.

    Raises:
        UserError: a value is wrong; with the file and the line.
    """
    given = table.take("preprocessing", dict, "a table, begun by a line [preprocessing]", {})
    inner = Table(table.file, ("preprocessing",), given)
    words = f"3 (colours), 1 (grey) or another number up to {MOST_CHANNELS}"
    channels = inner.take("channels", int, words, channels)
    if not 1 <= channels <= MOST_CHANNELS:
        inner.refuse("channels", f"channels is {quoted(channels)}: give {words}.")
    order = _one_of(inner, "order", _ORDERS, "RGB")
    if order == "BGR" and channels != 3:
        inner.refuse(
            "order", f"order is 'BGR', and the model has {channels} channels, not 3: leave it out."
        )
    size = _size(inner, size)
    if channels * math.prod(size) > MAX_VALUES:
        inner.refuse(
            "channels",
            f"channels is {channels}, and its input would hold more than {MAX_VALUES:,} numbers: "
            "give a smaller size.",
        )
    mode, resize = _resize(inner, size)
    interpolation = _one_of(inner, "interpolation", INTERPOLATIONS, "bilinear")
    scale = inner.take("scale", (int, float), "the number that 255 becomes", 1.0)
    if not _SCALES[0] <= scale <= _SCALES[1]:
        inner.refuse("scale", f"scale is {quoted(scale)}: give the number that 255 becomes.")
    mean, std = (
        _numbers(inner, key, usual[::-1] if order == "BGR" else usual, channels, float(scale))
        for key, usual in zip(("mean", "std"), _IMAGENET, strict=True)
    )
    fill = _fill(inner, channels)
    inner.finish()
    return Preprocessing(
        resize, size, mean, std, interpolation, mode, channels, order, float(scale), fill
    )


def _size(table: Table, usual: Size) -> Size:
    """Height and width of the input; ``crop`` is the older name of ``size``."""
    key = "size" if "size" in table else "crop"
    given = {
        name: table.take(name, (int, list), _SIZE_WORDS, list(usual)) for name in ("crop", "size")
    }
    if key == "size" and "crop" in table:
        table.refuse("crop", "size and crop mean the same: leave one out.")
    pair = given[key] if isinstance(given[key], list) else [given[key]] * 2
    low, high = _SIDES
    if len(pair) != 2 or not all(type(each) is int and low <= each <= high for each in pair):
        table.refuse(
            key,
            f"{key} is {quoted(given[key])}: give {low} to {high} pixels, or [HEIGHT, WIDTH] of as "
            "many.",
        )
    return pair[0], pair[1]


def _resize(table: Table, size: Size) -> tuple[Mode, int | Size]:
    """How the photo is resized, and to what."""
    words = f"one of {', '.join(MODES)}, or the short side in pixels"
    given = table.take("resize", (int, str), words, "short side")
    length = table.take("short_side", int, "a whole number of pixels", None)
    share = table.take("crop_percentage", (int, float), "a share, such as 0.875", None)
    mode: Mode = "short side"
    key = "short_side"
    if isinstance(given, str):
        mode = _one_of(table, "resize", MODES, mode)
    elif length is None:
        key, length = "resize", given
    else:
        table.refuse("resize", "resize and short_side both give a length: leave one out.")
    if length is not None and (share is not None or mode != "short side"):
        other = "crop_percentage" if share is not None else f"resize = {mode!r}"
        table.refuse(key, f"{key} does not go with {other}: leave one out.")
    if length is not None:
        least = max(size)
        if not least <= length <= _MOST_RESIZED:
            table.refuse(
                key, f"{key} is {quoted(length)}: give {least} (the crop) to {_MOST_RESIZED}."
            )
        return mode, length
    if share is not None and mode == "none":
        table.refuse("crop_percentage", "crop_percentage does not go with resize = 'none'.")
    if share is not None and not _LEAST_SHARE <= share <= 1:
        table.refuse(
            "crop_percentage",
            f"crop_percentage is {quoted(share)}: give the share of the side that is kept, "
            f"{_LEAST_SHARE:g} to 1.",
        )
    if share is not None:
        tall, wide = (math.floor(side / share) for side in size)  # as timm
    elif mode == "short side":
        tall, wide = (round(side * 256 / 224) for side in size)
    else:
        tall, wide = size
    return mode, tall if mode == "short side" and tall == wide else (tall, wide)


def _numbers(
    table: Table, key: str, usual: tuple[float, ...], channels: int, scale: float
) -> tuple[float, ...]:
    """The mean or the standard deviation: a number for each channel, or one for all."""
    most = scale if key == "mean" else max(scale, 1.0)
    count = "three" if channels == 3 else str(channels)
    words = f"{count} numbers from 0 to {most:g}, in the order of the channels, or one for all"
    if channels == 1:
        usual = (sum(usual) / len(usual),)
        words = f"a number from 0 to {most:g}"
    least = 0.0 if key == "mean" else 1e-6  # float32 divides by it
    default: Any = [scale * each for each in usual]
    if channels not in PHOTOS:
        default, most = REQUIRED, _LARGEST
        words = f"{channels} numbers, in the order of the channels, or one for all"
        least = -_LARGEST if key == "mean" else least
    if key == "std":
        words += ", none of them 0" if channels > 1 else ", not 0"
    given = table.take(key, (list, int, float), words, default)
    values = given if isinstance(given, list) else [given]
    right = len(values) in (1, channels) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and least <= each <= most
        for each in values
    )
    if not right:
        table.refuse(key, f"{key} is {quoted(given)}: give {words}.")
    return tuple(map(float, values))


def _fill(table: Table, channels: int) -> tuple[int, int, int] | None:
    """The colour of what is padded; None for the usual one."""
    words = _FILL_WORDS if channels in PHOTOS else "a number from 0 to 255"
    given = table.take("fill", (list, int), words, None)
    if given is None:
        return None
    values: list[Any] = given if isinstance(given, list) else [given] * 3
    right = len(values) == 3 and all(type(each) is int and 0 <= each <= 255 for each in values)
    if not right or (channels not in PHOTOS and isinstance(given, list)):
        table.refuse("fill", f"fill is {quoted(given)}: give {words}.")
    return values[0], values[1], values[2]


def _one_of(table: Table, key: str, choices: tuple[Choice, ...], usual: Choice) -> Choice:
    words = f"one of {', '.join(choices)}"
    given = table.take(key, str, words, usual)
    if given not in choices:
        table.refuse(key, f"{key} is {quoted(given)}: give {words}.")
    return choices[choices.index(given)]
