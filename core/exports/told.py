"""What an export says of its run: these files are given to others, whom no place concerns.

Of folders and files of this machine only the last part of the name is told.
"""

import re
from typing import Any

from ..folders.results_table import ResultsTable
from ..models.heads import VALUE

_PLACES = ("regions", "masks")  # settings that are folders
_OF_MAPS = "maps"  # a setting with one under "address"
_LIBRARIES = ("timm", "hf")
_NAMED = re.compile(r"\w[\w.-]*(/[\w.-]+)?")  # NAME or ORG/NAME, no place of this machine


def told_settings(results: ResultsTable) -> dict[str, Any]:
    """What was asked of a run, as far as its manifest says so."""
    found = results.manifest.get("settings")
    settings = dict(found) if isinstance(found, dict) else {}
    for key in _PLACES:
        if key in settings:
            settings[key] = _last(str(settings[key]))
    maps = settings.get(_OF_MAPS)
    if isinstance(maps, dict) and "address" in maps:
        settings[_OF_MAPS] = {**maps, "address": _last(str(maps["address"]))}
    if results.kind == "values" and "score" in settings:
        settings["score"] = VALUE.scale("logit")
    if isinstance(settings.get("head"), dict):
        settings["head"] = _told_head(settings["head"])
    if isinstance(settings.get("model"), str):
        settings["model"] = without_place(settings["model"])
    return settings


def _told_head(head: dict[str, Any]) -> dict[str, Any]:
    """What a head's record says, without what heads of its kind do not have."""
    owner = {"thresholds": "sigmoid", "unit": "value"}
    return {key: each for key, each in head.items() if owner.get(key) in (None, head.get("kind"))}


def told_model(results: ResultsTable) -> str | None:
    """The name of the model that made a table; None if that is not known."""
    return None if results.model is None else without_place(results.model)


def has_place(results: ResultsTable) -> bool:
    """Whether the model that made a table is a file or folder of a machine."""
    return told_model(results) != results.model


def without_place(model: str) -> str:
    """A model's name; of a file or folder of this machine its own name alone."""
    library, colon, name = model.partition(":")
    if library not in _LIBRARIES:
        return _last(model)
    return model if _NAMED.fullmatch(name) else f"{library}{colon}{_last(name)}"


def _last(place: str) -> str:
    """The last part of a path or an address."""
    return re.split(r"[\\/]", place.rstrip("\\/"))[-1]
