"""Libraries of models, which not every installation has: imported where they are needed."""

import importlib
from types import ModuleType

from ..errors import ModelError

REQUIREMENTS = "requirements-models.txt"


def need(name: str) -> ModuleType:
    """A library of models.

    Raises:
        ModelError: it is not installed.
    """
    from .torchvision_compat import torchvision  # noqa: F401 - else their own import of it fails

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"For this model {name} is needed, which is not installed: install it with "
            f"`pip install -r {REQUIREMENTS}`."
        ) from error
