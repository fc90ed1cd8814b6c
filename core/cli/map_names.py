"""What the files of a map are called, and what is said where they replace those of another map."""

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from ..files.io import read_bytes
from ..files.untrusted import UnfoldingError, read_json
from ..methods.method import Part
from ..methods.registry import METHODS, described
from ..methods.scores import Question
from ..methods.settings import Setting, short
from ..text import line

_MOST_BYTES = 10_000_000  # of a record
_DECIDING = {
    "model": ("provenance", "model"),
    "file of weights": ("provenance", "weights_sha256"),
    "picture": ("provenance", "image_sha256"),
    "part of the picture": ("provenance", "region"),
    "target": ("target",),
    "contrast": ("contrast",),
    "score": ("kind",),
    "setting": ("parameters",),
    "setting of the trust measures": ("trust", "settings"),
}
"""What tells maps apart, causes before consequences, and where it stands in their records."""
_OF_THE_QUESTION = {
    words: place for words, place in _DECIDING.items() if not words.startswith("setting")
}
"""Of these, what a map made elsewhere has too."""


def parts_asked(arguments: argparse.Namespace) -> tuple[Part, ...]:
    """The parts of the question that were given and are not the usual ones."""
    given: dict[Part, bool] = {
        "target": arguments.target != "predicted",
        "contrast": arguments.contrast is not None,
        "score": arguments.score != "logit",
    }
    return tuple(part for part, unusual in given.items() if unusual)


def map_name(
    beginning: str, arguments: argparse.Namespace, setting: Setting, question: Question | None
) -> str:
    """The name of a map's files, without their endings.

    It holds all that decides the map, except picture, model and what is usual: no target, contrast
    or score is the predicted class's logit. A part of the question that the method does not depend
    on is left out.

    Args:
        beginning: names the picture and, of several, the model.
        arguments: of the command.
        setting: of the method.
        question: that is asked; None where nothing unusual is asked.
    """
    name = f"{beginning}_{arguments.method}_{short(setting)}".rstrip("_")
    return name + question_name(arguments, METHODS[setting.name].asks, question)


def question_name(
    arguments: argparse.Namespace, asks: Collection[Part], question: Question | None
) -> str:
    """The end of such a name: what is unusual in a question, of the parts that count."""
    if question is None:
        return ""
    values = {"target": question.target, "contrast": question.contrast, "score": question.kind}
    return "".join(f"_{part}-{values[part]}" for part in parts_asked(arguments) if part in asks)


def replaced(path: Path, record: Mapping[str, Any]) -> list[str]:
    """What is lost where a record replaces that of another map: one sentence, or none.

    A file that is not there, or no record, is nothing to speak of: `core.files.io.write` says what
    it does not replace.
    """
    first = _first_difference(path, record, _DECIDING)
    if first is None:
        return []
    place = f"{line(path.stem)}.* in {line(str(path.parent))}"
    return [
        f"{place} are replaced, which were of another {first}: give another --out to keep both."
    ]


def of_another(path: Path, record: Mapping[str, Any]) -> list[str]:
    """What tells that a map made elsewhere is of something else: one sentence, or none.

    Args:
        path: the map. A file with its name and the ending .json is its record, if this program
            wrote both.
        record: of the same map for the picture, model and question that it is judged for.
    """
    beside = path.with_suffix(".json")
    first = _first_difference(beside, record, _OF_THE_QUESTION)
    if first is None:
        return []
    return [
        f"{line(beside.name)} beside the map says that it is of another {first}: what follows "
        f"judges it as a map of this {first}."
    ]


def _first_difference(
    path: Path, record: Mapping[str, Any], deciding: Mapping[str, tuple[str, ...]]
) -> str | None:
    """The first of some entries in which a record differs from that in a file; None without one."""
    try:
        before = read_json(read_bytes(path, _MOST_BYTES), _MOST_BYTES, file_names=True)
    except (OSError, UnfoldingError):
        return None
    if not isinstance(_at(before, ("provenance",)), Mapping):
        return None  # not a record of ours
    parts = set(described(record["method"], record["parameters"]).asks)
    if (method := METHODS.get(str(before.get("method")))) is not None:
        parts &= set(method.asks)
    return next(
        (
            words
            for words, place in deciding.items()
            if (words in parts or words not in get_args(Part))
            and _at(before, place) != _at(record, place)
        ),
        None,
    )


def _at(record: Any, place: tuple[str, ...]) -> Any:
    """What stands at a place of a record; None where there is nothing."""
    for key in place:
        record = record.get(key) if isinstance(record, Mapping) else None
    return list(record) if isinstance(record, tuple) else record  # as it is in a file
