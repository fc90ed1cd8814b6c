"""Libraries of models, which not every installation has: imported where they are needed."""

import importlib
from pathlib import Path
from types import ModuleType

from ..errors import ModelError

_REQUIREMENTS = "requirements-models.txt"
_IN_CHECKOUT = (Path(__file__).resolve().parents[2] / _REQUIREMENTS).is_file()
INSTALLATION = f"pip install -r {_REQUIREMENTS}" if _IN_CHECKOUT else 'pip install ".[models]"'
"""How the libraries of models are installed, in a checkout, or in the folder of one."""


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
            f"`{INSTALLATION}`."
        ) from error
