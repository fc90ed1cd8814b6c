"""An operator's own models: a folder with a sub-folder for each, its name the model's.

A sub-folder holds ``model.toml``, one file of weights and, if the description says so, a list of
classes. Nothing in it is run. Everything that can be wrong is found when the folder is read, at the
cost of the weights' headers: the network is laid out without memory, on torch's meta device.
"""

import errno
import logging
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from core.catalogue import ModelRecord, Network
from core.errors import ModelError, UserError
from core.files import read_text
from core.preprocessing import Preprocessing
from core.state_dicts import SUFFIXES, check_fit, read_state
from core.tables import REQUIRED, Table, TomlFile
from core.text import line, plain, quoted
from core.weights import WeightsFile

FOLDER_VARIABLE = "WHERE_IT_LOOKED_MODELS"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DESCRIPTION = "model.toml"
_MOST_DESCRIBED, _MOST_LISTED = 64_000, 4_000_000  # bytes of the description, of the classes
_MOST_CLASSES, _LONGEST = 50_000, 200
_SIDES = (16, 1024)  # of the picture that a network sees, in pixels
_MOST_RESIZED = 2048
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_log = logging.getLogger(__name__)


def folder_or_default(given: Path | None) -> Path | None:
    """The folder that was given, or that the environment names, or None."""
    named = os.environ.get(FOLDER_VARIABLE)
    return given or (Path(named) if named else None)


def read_folder(
    folder: Path, known: Mapping[str, ModelRecord]
) -> tuple[dict[str, ModelRecord], dict[str, str]]:
    """The models of a folder by name, and, by name, why others in it cannot be used.

    Args:
        folder: with a sub-folder for each model; other files, and what begins with a dot, are left.
        known: the models there are already, whose names and titles are taken.

    Raises:
        ModelError: the folder cannot be read.
    """
    try:
        places = sorted(
            each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
    except OSError as error:
        raise ModelError(
            f"The folder of models {folder} cannot be read ({error.strerror}): check its path."
        ) from error
    own: dict[str, ModelRecord] = {}
    broken: dict[str, str] = {}
    for place in places:
        name = place.name if _NAME.fullmatch(place.name) else quoted(place.name)
        try:
            own[name] = _record(place, {**known, **own})
        except OSError as error:
            broken[name] = f"the folder {name} cannot be read ({error.strerror}): check its rights."
        except UserError as error:
            broken[name] = str(error)
        if name in broken:
            _log.warning("the model in %s is left out: %s", place, broken[name])
    return own, broken


def _record(place: Path, known: Mapping[str, ModelRecord]) -> ModelRecord:
    name = place.name
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"The folder {quoted(name)} cannot be a model's name: use letters, digits, - and _, "
            "at most 64, the first a letter or digit."
        )
    if name in known:
        raise ModelError(f"There is a model {name} already: give the folder {name} another name.")
    path = _own_file(place, _DESCRIPTION)
    file = TomlFile.read(path, f"{name}/{_DESCRIPTION}", "model", ModelError, _MOST_DESCRIBED)
    table = Table(file, (), file.values)
    title = _text(table, "title", "a name for people", REQUIRED)
    if title in {record.title for record in known.values()}:
        table.refuse("title", f"{title} is the title of another model: choose another.")
    architecture = table.take("architecture", str, "one of torchvision's classification models")
    if architecture not in _architectures():
        table.refuse(
            "architecture",
            f"there is no architecture {quoted(architecture)}: give a classification model by "
            "torchvision's name, such as resnet18 or mobilenet_v3_small.",
        )
    classes = _classes(table, place)
    count = table.take("num_classes", int, "a whole number", len(classes))
    if count != len(classes):
        table.refuse(
            "num_classes", f"num_classes is {quoted(count)}, but {len(classes)} classes are listed."
        )
    preprocessing = _preprocessing(table)
    facts = {key: _text(table, key, "one line of text", "") for key in ("licence", "source")}
    accuracy = table.take("accuracy", (int, float), "top-1 in percent, as a number", None)
    if accuracy is not None and not 0 <= accuracy <= 100:
        table.refuse(
            "accuracy", f"accuracy is {quoted(accuracy)}: give top-1 in percent, 0 to 100."
        )
    table.finish()
    network = Network(architecture, _options(architecture, len(classes), preprocessing.crop))
    expected = table.checked("architecture", lambda: _layout(network, preprocessing.crop))
    weights = _weights(place)
    called = f"{name}/{weights.name}"
    check_fit(called, read_state(weights, called, shapes_only=True), expected, len(classes))
    return ModelRecord(
        name=name,
        title=title,
        architecture=network.build,
        weights=WeightsFile(weights, sha256_prefix="", megabytes=weights.stat().st_size / 1e6),
        preprocessing=preprocessing,
        class_names=classes,
        licence=facts["licence"],
        accuracy=None if accuracy is None else float(accuracy),
        source=facts["source"],
        network=network,
    )


def _text(table: Table, key: str, words: str, default: Any) -> str:
    given = table.take(key, str, words, default)
    return table.checked(key, lambda: _line(given)) if key in table else default


def _classes(table: Table, place: Path) -> tuple[str, ...]:
    """The class names: a list, or the lines of a text file."""
    words = "a list of class names, or the name of a text file with one on each line"
    given = table.take("classes", (list, str), words)
    if isinstance(given, str):
        return table.checked("classes", lambda: _lines(_own_file(place, given)))
    names = table.texts("classes", words)
    return table.checked("classes", lambda: _names(names, "class "))


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path, _MOST_LISTED, "utf-8-sig")
    except OSError as error:
        called = f"{path.parent.name}/{path.name}"
        if error.errno == errno.EFBIG:
            raise ModelError(
                f"{called} is larger than {_MOST_LISTED:,} bytes: shorten it."
            ) from error
        raise ModelError(f"{called} cannot be read ({error.strerror}): check it.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8 text: save it as such.") from error
    return _names(text.rstrip().split("\n") if text.strip() else [], f"{path.name}, line ")


def _names(given: list[str] | tuple[str, ...], where: str) -> tuple[str, ...]:
    if not 2 <= len(given) <= _MOST_CLASSES:
        raise ModelError(
            f"{len(given)} classes are listed: list between 2 and {_MOST_CLASSES:,}, in the order "
            "of the network's outputs."
        )
    return tuple(_line(name, f"{where}{number}: ") for number, name in enumerate(given, 1))


def _line(text: str, where: str = "") -> str:
    """A name that can stand on a page, in a table and in a file."""
    text = text.strip()
    if not 1 <= len(text) <= _LONGEST or text != line(text):
        raise ModelError(
            f"{where}{quoted(text)} cannot be shown: give one line of 1 to {_LONGEST} characters."
        )
    return text


def _preprocessing(table: Table) -> Preprocessing:
    """As torchvision's classification models are trained, where nothing else is said."""
    given = table.take("preprocessing", dict, "a table, begun by a line [preprocessing]", {})
    inner = Table(table.file, ("preprocessing",), given)
    low, high = _SIDES
    crop = inner.take("crop", int, "a whole number of pixels", 224)
    if not low <= crop <= high:
        inner.refuse("crop", f"crop is {quoted(crop)}: give {low} to {high} pixels.")
    resize = inner.take("resize", int, "a whole number of pixels", round(crop * 256 / 224))
    if not crop <= resize <= _MOST_RESIZED:
        inner.refuse(
            "resize", f"resize is {quoted(resize)}: give {crop} (the crop) to {_MOST_RESIZED}."
        )
    mean, std = (
        _colour(inner, key, usual) for key, usual in zip(("mean", "std"), _IMAGENET, strict=True)
    )
    interpolation = inner.take("interpolation", str, "bilinear or bicubic", "bilinear")
    if interpolation not in ("bilinear", "bicubic"):
        inner.refuse(
            "interpolation",
            f"interpolation is {quoted(interpolation)}: give bilinear or bicubic.",
        )
    inner.finish()
    return Preprocessing(resize, crop, mean, std, interpolation)


def _colour(table: Table, key: str, usual: tuple[float, float, float]) -> Any:
    """Three numbers, of red, green and blue."""
    words = "three numbers from 0 to 1, of red, green and blue"
    if key == "std":
        words += ", none of them 0"
    given = table.take(key, list, words, list(usual))
    right = len(given) == 3 and all(
        isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each <= 1
        for each in given
    )
    # float32 divides by it.
    if not right or (key == "std" and min(given) < 1e-6):
        table.refuse(key, f"{key} is {quoted(given)}: give {words}.")
    return tuple(map(float, given))


def _weights(place: Path) -> Path:
    """The one file of weights."""
    found = sorted(
        each.name
        for each in place.iterdir()
        if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
    )
    if len(found) != 1:
        several = f"there are {len(found)} ({', '.join(map(quoted, found[:4]))})"
        raise ModelError(
            f"{place.name} needs one file of weights (*.safetensors, *.pth or *.pt) beside "
            f"{_DESCRIPTION}, and {several if found else 'there is none'}."
        )
    return _own_file(place, found[0])


def _own_file(place: Path, name: str) -> Path:
    """A file of a model's folder; one elsewhere, by whatever way it is reached, is refused."""
    root = place.resolve()
    try:
        path = (root / name).resolve()
    except (ValueError, RuntimeError, OSError):  # no name of a file; links that go in a circle
        path = root.parent
    called = f"{place.name}/{name}" if name == plain(name) else quoted(name)
    if not path.is_relative_to(root):
        raise ModelError(f"{called} leads out of the model's folder: put the file itself there.")
    try:
        there = path.is_file()
    except OSError as error:
        raise ModelError(f"{called} cannot be read ({error.strerror}): check it.") from error
    if not there:
        raise ModelError(f"{called} is not there, or no file: put one there.")
    return path


@lru_cache(1)
def _architectures() -> frozenset[str]:
    # Only where there are models of one's own: it takes as long to load as torch.
    from core.torchvision_compat import torchvision

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def _options(
    architecture: str, classes: int, crop: int
) -> tuple[tuple[str, int | bool | tuple[int, int]], ...]:
    """What torchvision's builder is to be told."""
    options: dict[str, int | bool | tuple[int, int]] = {"num_classes": classes}
    if architecture.startswith("vit_"):
        options["image_size"] = crop
    elif architecture.startswith("maxvit"):
        options["input_size"] = (crop, crop)
    elif architecture in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # slow, and soon overwritten
    return tuple(options.items())


def _layout(network: Network, crop: int) -> dict[str, Tensor]:
    """A network's state dict without its numbers, if the network takes pictures of this size."""
    try:
        with _WithoutMemory():
            module = network.build()
        module = module.to("meta").eval()
        with torch.no_grad():
            module(torch.empty(1, 3, crop, crop, device="meta"))
    except Exception as error:  # each architecture has its own way to refuse a size
        reason = str(error).strip().split("\n")[0][:120]
        raise ModelError(
            f"{network.name} cannot take pictures of {crop} × {crop} pixels ({reason}): choose "
            "another crop."
        ) from error
    return module.state_dict()


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
