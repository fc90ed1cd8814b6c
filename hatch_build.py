"""What the installed package depends on: what requirements*.txt pin, as ranges.

An application pins what it was tested with. A package that is installed beside others states
ranges: here, compatible releases of what is pinned.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PIN = re.compile(r"(?P<name>[\w.-]+)(?P<extras>\[[\w,-]+\])?==(?P<version>\d[\w.]*)")
_OTHER = re.compile(r"-r (?P<file>requirements-[\w-]+\.txt)")
_EXTRAS = ("cluster", "login", "models", "dev")
_PAIRED = ("torch",)  # one release of torchvision is built for one of torch
_CALENDAR = 2000  # a first number that is a year says nothing about compatibility


def ranges(file: Path) -> list[str]:
    """The pins of a requirements file, and of those that it refers to, as ranges.

    What requirements.txt itself pins is left out of the others: every installation has it.
    """
    found = []
    for line in file.read_text("utf-8").splitlines():
        if other := _OTHER.match(line):
            found += ranges(file.with_name(other["file"]))
        elif pin := _PIN.match(line):
            first, second = (*pin["version"].split("."), "0")[:2]
            if pin["name"] in _PAIRED:
                versions = f"~={first}.{second}.0"
            elif int(first) >= _CALENDAR:
                versions = f">={first}.{second}"
            elif int(first) > 0:
                versions = f"~={first}.{second}"
            else:  # before 1.0 the second number may change everything
                versions = f"~=0.{second}.0"
            found.append(f"{pin['name']}{pin['extras'] or ''}{versions}")
    return found


class RequirementsHook(MetadataHookInterface):
    """Fills in what pyproject.toml leaves dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read the requirements files beside this one."""
        folder = Path(self.root)
        metadata["dependencies"] = ranges(folder / "requirements.txt")
        metadata["optional-dependencies"] = {
            extra: ranges(folder / f"requirements-{extra}.txt") for extra in _EXTRAS
        }
