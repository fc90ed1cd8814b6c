"""Predictions of image classifiers, and maps of the pixels that drove them.

The same as `core`, under the name that the installed package has. In a checkout, where ``core`` and
``dashboard`` lie beside this folder, ``import where_it_looked`` works too.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
"""Where ``core``, ``dashboard``, ``sample_images`` and ``talks`` lie."""

if not (ROOT / "core").is_dir():
    ROOT = ROOT.parent
    __path__.append(str(ROOT))

from .core import __all__ as __all__  # noqa: E402 - found by what stands above
from .core import __dir__ as __dir__  # noqa: E402
from .core import __getattr__ as __getattr__  # noqa: E402
