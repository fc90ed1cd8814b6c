"""How what was asked of a run differs from what is asked now, in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..text import plain
from .results import DECIDING

_MOST = 3  # that are named
_NAMES = {"address": "folder", "weights_sha256": "digest of the weights"}
_SHORT = 12  # digits of a digest, which tell two of them apart


def difference(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The end of a sentence that begins with what was begun.

    Args:
        was: the manifest of the run that was begun.
        wanted: that of the run that is asked for.
    """
    wanted = json.loads(json.dumps(wanted))  # as it is in a file, with lists for tuples
    found = list(_differences(was, wanted))
    if not found and was.get("pictures_sha256") != wanted.get("pictures_sha256"):
        return "when the folder held other pictures or labels"
    if not found:
        return "with other settings"
    more = len(found) - _MOST
    told = "; ".join([*found[:_MOST], *([f"{more} more"] if more > 0 else [])])
    return f"with other settings ({told})"


def _differences(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for key in DECIDING:
        if key != "pictures_sha256":
            yield from _between(was.get(key), wanted.get(key), (key,))


def _between(was: Any, wanted: Any, place: tuple[str, ...]) -> Iterator[str]:
    """What differs at a place in the manifests, each as "steps of ig: was 50, now 20"."""
    if was == wanted or place == ("settings", "model"):  # which stands beside the settings too
        return
    if not isinstance(was, dict) or not isinstance(wanted, dict):
        yield f"{_named(place)}: was {_said(was)}, now {_said(wanted)}"
        return
    if place == ("settings", "methods") and set(was) != set(wanted):
        yield f"methods: was {_said(sorted(was))}, now {_said(sorted(wanted))}"
        return
    for key in {**was, **wanted}:
        yield from _between(was.get(key), wanted.get(key), (*place, key))


def _named(place: tuple[str, ...]) -> str:
    """A place in a manifest, in words: the last of it first."""
    *above, key = place
    of = [each for each in above if each not in ("settings", "methods", "versions")]
    return " of ".join(plain(_NAMES.get(each, each)) for each in (key, *reversed(of)))


def _said(value: Any) -> str:
    if value is None or value in ("", {}, []):
        return "none"
    match value:
        case bool():
            return "on" if value else "off"
        case dict():
            return plain(", ".join(f"{key} {_said(each)}" for key, each in value.items()))
        case list():
            return plain(" and ".join(map(_said, value)))
    name, colon, digest = str(value).rpartition(":")
    if len(digest) == 64 and not set(digest) - set("0123456789abcdef"):
        return plain(f"{name}{colon}{digest[:_SHORT]}")
    return plain(str(value))
