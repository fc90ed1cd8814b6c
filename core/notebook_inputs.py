"""What a call in a notebook gives: a picture, and a network, as what the rest of core takes."""

import io
import os
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor, nn

from . import bars
from .engine.checks import check_inputs
from .engine.fingerprint import fingerprint
from .errors import ImageError, ModelError, SettingError
from .explaining.explainer import Explainer
from .models.classifiers import Classifier, resolve_device
from .models.heads import HEAD_KINDS, Head, HeadKind
from .models.modules import IMAGENET, classifier_of, device_of
from .models.registry import allow_model, download
from .models.registry import record as registered
from .pictures.picture import (
    Picture,
    picture_from_array,
    picture_from_bytes,
    picture_from_file,
    picture_from_image,
    picture_from_inputs,
)
from .pictures.preprocessing import AsGiven, Preprocessing
from .text import as_text, plain, quoted

Photo = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor

BY_DEFAULT = (
    "No preprocessing was given: the short side was resized to 256 pixels (bilinear), the centre "
    "of 224 pixels cropped, and normalised with ImageNet's mean and standard deviation."
)


_MOST_LABEL = 2**16 - 1


@cache
def explainer() -> Explainer:
    """The one that all calls in this process share."""
    return Explainer()


def opened(image: Photo) -> Picture:
    """The picture of an image that is no tensor.

    Raises:
        ImageError: it cannot be used.
    """
    if isinstance(image, str | os.PathLike):
        return picture_from_file(Path(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return picture_from_bytes(bytes(image))
    if isinstance(image, Image.Image):
        return picture_from_image(image)
    if isinstance(image, np.ndarray):
        return picture_from_array(image)
    if isinstance(image, Tensor):
        raise ImageError(
            "The image is a tensor, which only a torch.nn.Module takes as its input: give a path, "
            "bytes, a PIL image or an array (H, W, 3)."
        )
    raise ImageError(
        f"The image is {type(image).__name__}: give a path, bytes, a PIL image, an array (H, W, 3) "
        "or, for a torch.nn.Module, a tensor (C, H, W)."
    )


def name_of(image: Photo) -> str:
    """The name of a picture's file, or what stands for it."""
    if isinstance(image, Image.Image):
        image = getattr(image, "filename", "") or ""
    if isinstance(image, str | os.PathLike):
        return as_text(Path(image).name) or "picture"
    return "picture"


def taken(
    image: Photo, preprocessing: Preprocessing | None
) -> tuple[Picture, Preprocessing, tuple[str, ...]]:
    """A picture for a network of the caller's, how the network sees it, and what to say of that."""
    if not isinstance(preprocessing, Preprocessing | None):
        _check_copy("preprocessing", preprocessing, Preprocessing)
        raise SettingError(
            f"preprocessing= is {type(preprocessing).__name__}: give a "
            "core.pictures.Preprocessing, or None."
        )
    how = preprocessing or IMAGENET
    if not isinstance(image, Tensor):
        picture = opened(image)
        return picture, how, (*picture.notes, *(() if preprocessing else (BY_DEFAULT,)))
    inputs = image[None] if image.ndim == 3 else image
    check_inputs(inputs)
    channels, height, width = inputs.shape[1:]
    own = {each.name: getattr(how, each.name) for each in fields(Preprocessing)}
    size, shape = (height, width), (channels, height, width)
    given = AsGiven(**{**own, "mode": "none", "resize": size, "crop": size}, given=shape)
    shown = (
        "The input was given as a tensor; it is shown with ImageNet's mean and standard deviation."
    )
    notes = (shown,) if preprocessing is None and channels == 3 else ()
    return picture_from_inputs(inputs, given.image(inputs)), given, notes


def registered_model(
    model: object, picture: Picture, device: str, progress: bool | None
) -> Classifier:
    """A model of the registry by name, or a loaded one.

    A loaded one whose network was changed since is treated as any other network: it is not what
    the registry's name stands for.
    """
    if isinstance(model, str):
        allow_model(model)  # whoever writes the call may run what the command line may
        resolve_device(device)  # a missing device is refused before any download
        if not registered(model).weights.present:
            with bars.bar(f"Downloading {plain(model)}", "B", progress) as show:
                for done, total in download(model):
                    show(done, total)
        return explainer().classifier(model, device)
    if not isinstance(model, Classifier):
        raise ModelError(
            f"The model is {type(model).__name__}: give a model's name, the path of its file, what "
            "core.load gave, or a torch.nn.Module."
        )
    record = model.record
    if is_registered(model) and device in ("auto", model.device.type):
        ours = explainer().classifier(record.name, model.device.type)
        if fingerprint(ours.module) == fingerprint(model.module):
            return ours
    # A binary head's module has two outputs already: of these, each has its own sigmoid.
    head = Head("sigmoid") if record.head.kind == "binary" else record.head
    return of_module(
        *(model.module, picture, record.preprocessing, model.class_names, device),
        head,
        record.title,
    )


def is_registered(classifier: Classifier) -> bool:
    """Whether the registry's name stands for this model."""
    try:
        return registered(classifier.record.name) == classifier.record
    except ModelError:
        return False


def of_module(
    module: nn.Module,
    picture: Picture,
    preprocessing: Preprocessing,
    class_names: Sequence[str] | None,
    device: str,
    head: Head | None = None,
    title: str | None = None,
) -> Classifier:
    """A network of the caller's as a classifier."""
    place = device_of(module)
    if device != "auto" and resolve_device(device).type != place.type:
        raise SettingError(
            f'The network is on {place}: move it by .to("{device}") before, or leave device= out.'
        )
    inputs = picture.inputs
    if inputs is None:
        inputs = preprocessing.tensor(picture.content(preprocessing.channels))
    return classifier_of(module, inputs, preprocessing, class_names, title, head)


def label_image(given: str | os.PathLike[str] | np.ndarray) -> Path | bytes:
    """The path of a label image, or the bytes of an array's: whole numbers (H, W), 0 for none.

    Raises:
        SettingError: it is neither.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    if not isinstance(given, np.ndarray) or given.ndim != 2 or given.dtype.kind not in "uib":
        raise SettingError(
            "regions= is neither a path nor an array of whole numbers (H, W): give the path of a "
            "label image, or such an array of the photo's size."
        )
    if not given.size or not 0 <= given.min() <= given.max() <= _MOST_LABEL:
        raise SettingError(
            f"regions= is empty or has numbers outside 0 to {_MOST_LABEL}: number them anew."
        )
    png = io.BytesIO()
    Image.fromarray(given.astype(np.uint16)).save(png, "PNG")
    return png.getvalue()


def head_of(wanted: HeadKind | Head | None) -> Head | None:
    """What the outputs of a network of the caller's mean; None if the caller does not say."""
    if wanted is None or isinstance(wanted, Head):
        return wanted
    if wanted not in HEAD_KINDS:
        _check_copy("head", wanted, Head)
        raise SettingError(
            f"head= is {quoted(wanted)}: choose one of {', '.join(HEAD_KINDS)}, or give a Head."
        )
    return Head(wanted)


def _check_copy(name: str, given: object, ours: type) -> None:
    """Say so where a class is the wanted one of the project under its other name.

    In a checkout, `core` and `where_it_looked.core` are two packages to Python.

    Raises:
        SettingError: it is.
    """
    theirs, here = (each.__module__.partition(".")[0] for each in (type(given), ours))
    if type(given).__name__ == ours.__name__ and theirs != here:
        raise SettingError(
            f"{name}= is a {ours.__name__} of {theirs}, and explain is of {here}, which Python "
            "takes for two packages: import both from the same one."
        )
