"""What Python code may name as the command line may: a file, a function, a folder of models."""

import os
from pathlib import Path

from . import classifiers, registry
from .classifiers import Classifier


def load(name: str, device: str = "auto") -> Classifier:
    """Build a model, load its weights (downloading them on first use) and put it on a device.

    Args:
        name: one that ``python -m core models`` lists, ``timm:NAME``, ``hf:ORG/NAME``,
            ``hf:FOLDER``, the path of a .pt2, .onnx or TorchScript file, or ``MODULE:FACTORY``. To
            load a function, a .pt2 or a TorchScript file is to run its code: never pass a name
            that somebody else gave.
        device: one of `core.models.registry.DEVICES`; "auto" takes cuda, else mps, else cpu.

    Raises:
        ModelError: the model is unknown, or its weights are not available or do not fit it.
        SettingError: the device is unknown or not on this machine.
        ResourceError: the device has too little memory.
    """
    registry.allow_model(name)
    return classifiers.load(name, device)


def use_folder(folder: str | os.PathLike[str] | None, *, factories: bool = False) -> None:
    """From now on, offer the models of a folder by name too, as ``--models`` does.

    Args:
        folder: with a sub-folder for each model, as `core.models.own_models` reads it; None for no
            such models.
        factories: whether functions that its descriptions name are run, and files that hold code
            opened, as with ``--factories``.

    Raises:
        ModelError: the folder cannot be read.
    """
    registry.allow_described(factories)
    registry.use_folder(None if folder is None else Path(folder).expanduser())
