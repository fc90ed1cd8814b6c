"""Preprocessing as other libraries write it down: timm's data configs, transformers' processors.

Both are plain mappings, read from JSON; neither library is needed. The tensors are equal to theirs.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, cast

from ..errors import ModelError
from ..pictures.preprocessing import INTERPOLATIONS, Interpolation, Mode, Preprocessing, Size
from ..text import quoted

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_MODES: dict[str, Mode] = {"center": "short side", "squash": "squash", "border": "letterbox"}
_PILLOW = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by its numbers
_MOST = 4096  # pixels
_WARPED_FROM = 384  # ConvNeXT neither keeps the aspect ratio nor crops from this size on
Given = Mapping[str, Any]


def from_timm(config: Given) -> Preprocessing:
    """The evaluation transform of `timm.data.create_transform` for a data config.

    Args:
        config: as `timm.data.resolve_model_data_config` gives it, or a model's ``pretrained_cfg``;
            what is missing is what timm takes then.

    Raises:
        ModelError: it holds what cannot be done with a photo.
    """
    shape = config.get("input_size", (3, 224, 224))
    if not (isinstance(shape, list | tuple) and len(shape) == 3 and all(map(_whole, shape))):
        _refuse("input_size", shape, "three whole numbers: channels, height and width")
    channels, crop = shape[0], (shape[1], shape[2])
    if channels not in (1, 3):
        _refuse("input_size", shape, "of 3 channels or, in grey, 1: a photo has no others")
    percentage = _number(config, "crop_pct", 0.875)
    resize = math.floor(crop[0] / percentage), math.floor(crop[1] / percentage)
    name = config.get("crop_mode") or "center"
    if name not in _MODES:
        _refuse("crop_mode", name, f"one of {', '.join(_MODES)}")
    if config.get("crop_border_pixels"):
        _refuse("crop_border_pixels", config["crop_border_pixels"], "none")
    interpolation = config.get("interpolation") or "bicubic"
    if interpolation not in INTERPOLATIONS:
        _refuse("interpolation", interpolation, f"one of {', '.join(INTERPOLATIONS)}")
    mode = _MODES[name]
    same = mode == "short side" and resize[0] == resize[1]
    mean, std = (
        _channels(config, key, usual, channels)
        for key, usual in zip(("mean", "std"), _IMAGENET, strict=True)
    )
    return Preprocessing(
        resize[0] if same else resize, crop, mean, std, interpolation, mode, channels
    )


# What a processor does where its file does not say.
_USUAL: dict[str, dict[str, Any]] = {
    "ViT": {"size": 224, "resample": 2},
    "DeiT": {
        "size": 256,
        "resample": 3,
        "do_center_crop": True,
        "crop_size": 224,
    },
    "ConvNext": {"size": {"shortest_edge": 384}, "resample": 3, "crop_pct": 224 / 256},
    "Bit": {
        "size": {"shortest_edge": 224},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": 224,
        "image_mean": _CLIP[0],
        "image_std": _CLIP[1],
    },
    "EfficientNet": {"size": 346, "resample": 3, "crop_size": 289, "include_top": True},
    "MobileViT": {
        "size": {"shortest_edge": 224},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": 256,
        "do_normalize": False,
        "do_flip_channel_order": True,
    },
}
_USUAL["CLIP"] = _USUAL["Bit"]
_OWN_SHORT_EDGE = ("ConvNext", "Bit", "CLIP", "MobileViT")  # of a size that is one number
_DONE = {
    "do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb",
    "do_flip_channel_order", "do_reduce_labels",
}  # fmt: skip


def from_transformers(processor: Given) -> Preprocessing:
    """The transform of a processor of transformers, on Pillow (the classes named ``...Pil``).

    The classes on torchvision's tensors resample with other rounding.

    Args:
        processor: a ``preprocessor_config.json``.

    Raises:
        ModelError: it holds what cannot be done with a photo, or is of a class whose rules are not
            known.
    """
    kind = _kind(processor)
    told = {**(_usual(kind)), **{key: each for key, each in processor.items() if each is not None}}
    for key, value in told.items():
        if key.startswith("do_") and key not in _DONE and value:
            _refuse(key, value, "false")
    if told.get("size_divisor"):
        _refuse("size_divisor", told["size_divisor"], "none")
    if told.get("data_format", "channels_first") not in ("channels_first", "first"):
        _refuse("data_format", told["data_format"], "channels_first")
    resample = told["resample"]
    if not (_whole(resample, 0) and resample < len(_PILLOW)):
        _refuse("resample", resample, "one of Pillow's filters, 0 to 5")
    resize, crop, mode = _geometry(told, kind)
    mean, std, scale = _colours(told, kind)
    return Preprocessing(
        resize,
        crop,
        mean,
        std,
        cast(Interpolation, _PILLOW[resample]),
        mode,
        order="BGR" if kind == "MobileViT" and told["do_flip_channel_order"] else "RGB",
        scale=scale,
        corner="floor",
    )


def assumed_processor(classes: Iterable[str | None], side: object) -> tuple[Given, str]:
    """What to take for a ``preprocessor_config.json`` where there is none, and why, in words.

    Args:
        classes: of processors that the model's type usually has, by name.
        side: of the input, as the model's configuration gives it; None if it does not.
    """
    sides = 224 if side is None else list(side) if isinstance(side, tuple) else side
    if isinstance(sides, list) and len(set(map(str, sides))) == 1:
        sides = sides[0]
    known = next((name for name in filter(None, classes) if _stem(name) in _USUAL), None)
    if known is None:
        mean, std = _IMAGENET
        return {"size": sides, "image_mean": mean, "image_std": std}, "those of ImageNet"
    told = _usual(_stem(known))
    source = f"as a {known.removesuffix('Pil').removesuffix('Fast')} does it"
    crop = told["crop_size"] if told["do_center_crop"] else None
    if not _whole(sides):  # two of them, or what is refused when it is followed
        return {"image_processor_type": known, "size": sides, "do_center_crop": False}, source
    edge = told["size"]
    short = edge["shortest_edge"] if isinstance(edge, Mapping) else edge
    resized = cast(int, sides) if crop is None else round(short * cast(int, sides) / crop)
    size = {"shortest_edge": resized} if isinstance(edge, Mapping) else resized
    found = {"image_processor_type": known, "size": size}
    return (found if crop is None else {**found, "crop_size": sides}), source


def _stem(name: str) -> str:
    """A processor's class without what tells its variants apart."""
    name = name.removesuffix("Fast").removesuffix("Pil")
    return name.removesuffix("ImageProcessor").removesuffix("FeatureExtractor")


def _kind(processor: Given) -> str:
    """The class of a processor without what tells its variants apart; "" if it is not said."""
    if processor.get("auto_map"):
        _refuse("auto_map", processor["auto_map"], "a processor of transformers itself")
    key = next(
        (k for k in ("image_processor_type", "feature_extractor_type") if k in processor), ""
    )
    if not key:
        return ""
    kind = _stem(str(processor[key]))
    if kind not in _USUAL:
        known = ", ".join(f"{each}ImageProcessor" for each in _USUAL)
        _refuse(key, processor[key], f"one of {known}")
    return kind


def _usual(kind: str) -> dict[str, Any]:
    mean, std = _HALF
    return {
        "do_resize": True,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_flip_channel_order": False,
        "image_mean": mean,
        "image_std": std,
        "resample": 2,
        **_USUAL.get(kind, {}),
    }


def _geometry(told: Given, kind: str) -> tuple[int | Size, int | Size, Mode]:
    """What the photo is resized to, the input's size, and how."""
    cropped = _height_width(told, "crop_size") if told["do_center_crop"] else None
    if not told["do_resize"]:
        if cropped is None:
            _refuse("do_resize", False, "true, or do_center_crop true: a photo can have any size")
        return cropped, cropped, "none"
    short = _shortest_edge(told, kind)
    if kind == "ConvNext":
        if short is None:
            _refuse("size", told.get("size"), 'a number, or {"shortest_edge": NUMBER}')
        if cropped not in (None, (short, short)):
            _refuse("crop_size", told["crop_size"], f"{short}, the size")
        if short >= _WARPED_FROM:
            return short, short, "squash"
        return int(short / _number(told, "crop_pct", 224 / 256)), short, "short side"
    if short is None:
        resize = _height_width(told, "size")
        return resize, cropped or resize, "squash"
    if cropped is None:
        _refuse("do_center_crop", False, "true: the input's size would follow the photo's")
    return short, cropped, "short side"


def _shortest_edge(told: Given, kind: str) -> int | None:
    """The short side after resizing; None where both sides are told."""
    size = told.get("size")
    if isinstance(size, Mapping):
        named = {key for key, value in size.items() if value is not None}
        if named == {"shortest_edge"}:
            return _pixels("size", size["shortest_edge"])
        if named != {"height", "width"}:
            _refuse("size", dict(size), "a number, shortest_edge, or height and width")
        return None
    if kind in _OWN_SHORT_EDGE and not isinstance(size, list | tuple):
        return _pixels("size", size)
    return None


def _height_width(told: Given, key: str) -> Size:
    size = told.get(key)
    if isinstance(size, Mapping) and {"height", "width"} <= set(size):
        size = size["height"], size["width"]
    if isinstance(size, list | tuple) and len(size) == 2:
        return _pixels(key, size[0]), _pixels(key, size[1])
    side = _pixels(key, size)
    return side, side


def _colours(told: Given, kind: str) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Mean, standard deviation and scale that do what the processor does in several steps."""
    scale = 1.0
    if not told["do_rescale"]:
        scale = 255.0
    elif not math.isclose(_number(told, "rescale_factor", 1 / 255), 1 / 255, rel_tol=1e-6):
        scale = 255 * told["rescale_factor"]
    mean: tuple[float, ...] = (0.0,) * 3
    std: tuple[float, ...] = (1.0,) * 3
    normalises = told["do_normalize"] and kind != "MobileViT"  # whose processor never does
    if told["do_flip_channel_order"] and normalises:
        _refuse("do_flip_channel_order", True, "false: only MobileViT's processor does it")
    if normalises:
        mean = _channels(told, "image_mean", _HALF[0], 3)
        std = _channels(told, "image_std", _HALF[1], 3)
    if kind == "EfficientNet":
        if told.get("rescale_offset") and told["do_rescale"]:
            mean = tuple(each + 1 for each in mean)
        if told["include_top"]:
            again = _channels(told, "image_std", _HALF[1], 3)
            std = tuple(one * other for one, other in zip(std, again, strict=True))
    elif told.get("rescale_offset"):
        _refuse("rescale_offset", told["rescale_offset"], "false")
    return mean, std, scale


def _channels(told: Given, key: str, usual: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A number for each channel; for a grey input the mean of three, as timm's loader takes it."""
    values = told.get(key)
    if values is None:
        values = usual
    if isinstance(values, int | float):
        values = (values,)
    right = isinstance(values, list | tuple) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
        for each in values
    )
    if right and len(values) == 3 and channels == 1:
        values = (sum(values) / 3,)
    right = right and len(values) in (1, channels)
    if not right or (key in ("std", "image_std") and min(values) < 1e-6):
        words = f"{channels} numbers" if channels > 1 else "one number"
        _refuse(key, values, words + (", none of them 0" if "std" in key else ""))
    return tuple(map(float, values)) * (channels if len(values) == 1 else 1)


def _number(told: Given, key: str, usual: float) -> float:
    """A number above 0."""
    value = told.get(key) or usual
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        _refuse(key, value, "a number above 0")
    return float(value)


def _pixels(key: str, value: object) -> int:
    if not _whole(value):
        _refuse(key, value, f"1 to {_MOST} pixels")
    return cast(int, value)


def _whole(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST


def _refuse(key: str, value: object, words: str) -> NoReturn:
    raise ModelError(
        f"The model's preprocessing cannot be followed: {key} is {quoted(value)} and may only be "
        f"{words}."
    )
