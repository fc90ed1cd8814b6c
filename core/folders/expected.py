"""Reads what a picture is expected to show from the column ``label`` of a list."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import FolderError
from ..models.heads import Head
from ..models.labelling import label_of
from ..text import counted, quoted

SEPARATOR = ";"
NONE = "none"
"""What a list says of a picture that has none of the labels."""


def reader(class_names: tuple[str, ...], head: Head) -> Callable[[str], dict[str, Any]]:
    """A function from a text of the column to the fields of an `Entry`; FolderError if it is wrong.

    Of exclusive classes, one class. Of independent labels, several, separated by ``;``, or
    ``none``. Of values, a number for each output, separated by ``;``.
    """

    @cache  # a list has many pictures of each class
    def index(text: str) -> int:
        return label_of(class_names, text)

    def label(text: str) -> dict[str, Any]:
        return {"label": index(text)}

    def labels(text: str) -> dict[str, Any]:
        if text.lower() == NONE and NONE not in map(str.lower, class_names):
            return {"labels": ()}
        return {"labels": tuple(sorted({index(each) for each in _parts(text)}))}

    def values(text: str) -> dict[str, Any]:
        numbers = tuple(map(_number, _parts(text)))
        if len(numbers) != len(class_names):
            raise FolderError(
                f"{counted(len(numbers), 'expected value')}, and the model gives "
                f"{len(class_names)} ({', '.join(class_names[:5])}): give one for each, separated "
                f"by {SEPARATOR}."
            )
        return {"values": numbers}

    return {"sigmoid": labels, "value": values}.get(head.kind, label)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(SEPARATOR) if part.strip()]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FolderError(f"{quoted(text)} is no number: give one with a point, such as 37.2.")
    return number
