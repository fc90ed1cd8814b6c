"""Imports torchvision, also where its compiled operators do not fit the installed torch.

The torchvision wheel of the package registry is linked against CUDA. Beside a CPU-only torch its
compiled operators cannot load, and then ``import torchvision`` dies while it registers shapes for
operators that do not exist ("operator torchvision::nms does not exist"). The models and transforms
used here need none of those operators: two empty schemas are enough for the import to go through.

Where the plain import works, nothing is changed. Everybody else writes
``from core.models.torchvision_compat import torchvision``.
"""

import importlib
import sys
from types import ModuleType

import torch

_MISSING_OPERATOR = "operator torchvision::nms does not exist"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# torch.library drops a definition when its Library object dies, so these live as long as we do.
_declared: list[torch.library.Library] = []


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring its two missing operators first where its binaries cannot load.

    Raises whatever the plain import raises for any other cause.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING_OPERATOR not in str(error):
            raise
    half_imported = [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]
    for name in half_imported:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
    return importlib.import_module("torchvision")


torchvision = import_torchvision()
