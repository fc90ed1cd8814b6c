"""What a model.toml says of a model, its network aside: names, outputs, and facts for people."""

import errno
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files.io import read_text
from ..files.toml import REQUIRED, Table, TomlFile
from ..pictures.channels import PHOTOS
from ..text import counted, line, plain, quoted
from .heads import HEAD_KINDS, Head, HeadKind

DESCRIPTION = "model.toml"
_MOST_DESCRIBED, _MOST_LISTED = 64_000, 4_000_000  # bytes of the description, of the classes
_MOST_CLASSES, _LONGEST = 50_000, 200


def read_description(path: Path, name: str) -> Table:
    """A model.toml; ``name`` is that of its folder.

    Raises:
        ModelError: it cannot be read, or is not TOML.
    """
    called = f"{name}/{path.name}"
    file = TomlFile.read(path, called, "model", ModelError, _MOST_DESCRIBED)
    return Table(file, (), file.values)


def title_of(table: Table, default: Any = REQUIRED) -> str:
    """The name for people."""
    return _text(table, "title", "a name for people", default)


def facts_of(table: Table) -> dict[str, Any]:
    """Licence, source and accuracy, as a record has them."""
    facts = {key: _text(table, key, "one line of text", "") for key in ("licence", "source")}
    accuracy = table.take("accuracy", (int, float), "top-1 in percent, as a number", None)
    if accuracy is not None and not 0 <= accuracy <= 100:
        table.refuse(
            "accuracy", f"accuracy is {quoted(accuracy)}: give top-1 in percent, 0 to 100."
        )
    return {**facts, "accuracy": None if accuracy is None else float(accuracy)}


def outputs_of(table: Table, classes: tuple[str, ...], usual: HeadKind = "softmax") -> Head:
    """What the outputs mean, for as many classes.

    Args:
        table: the description.
        classes: their names.
        usual: the kind where none is said.
    """
    head = _head(table, len(classes), usual)
    outputs = 1 if head.kind == "binary" else len(classes)
    count = table.take("num_classes", int, "a whole number", len(classes))
    if count not in (len(classes), outputs):
        table.refuse(
            "num_classes",
            f"num_classes is {quoted(count)}, and the list has {_classes(len(classes))}.",
        )
    return head


def _text(table: Table, key: str, words: str, default: Any) -> str:
    given = table.take(key, str, words, default)
    return table.checked(key, lambda: _line(given)) if key in table else default


def classes_of(table: Table, place: Path) -> tuple[str, ...]:
    """The class names: a list, or the lines of a text file."""
    words = "a list of class names, or the name of a text file with one on each line"
    given = table.take("classes", (list, str), words)
    if isinstance(given, str):
        return table.checked("classes", lambda: _lines(own_file(place, given)))
    names = table.texts("classes", words)
    return table.checked("classes", lambda: _names(names, "class "))


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path, _MOST_LISTED, "utf-8-sig")
    except OSError as error:
        called = f"{path.parent.name}/{path.name}"
        if error.errno == errno.EFBIG:
            raise ModelError(
                f"{called} is larger than {_MOST_LISTED:,} bytes: shorten it."
            ) from error
        raise ModelError(f"{called} cannot be read ({error.strerror}): check it.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8 text: save it as such.") from error
    return _names(text.rstrip().split("\n") if text.strip() else [], f"{path.name}, line ")


def _names(given: list[str] | tuple[str, ...], where: str) -> tuple[str, ...]:
    if not 1 <= len(given) <= _MOST_CLASSES:
        raise ModelError(
            f"The list has {_classes(len(given))}: give between 1 and {_MOST_CLASSES:,}, in the "
            "order of the network's outputs."
        )
    return tuple(_line(name, f"{where}{number}: ") for number, name in enumerate(given, 1))


def _line(text: str, where: str = "") -> str:
    """A name that can stand on a page, in a table and in a file."""
    text = text.strip()
    if not 1 <= len(text) <= _LONGEST or text != line(text):
        raise ModelError(
            f"{where}{quoted(text)} cannot be shown: give one line of 1 to {_LONGEST} characters."
        )
    return text


def _head(table: Table, classes: int, usual: HeadKind) -> Head:
    words = ", ".join(HEAD_KINDS)
    kind = table.take("head", str, f"one of {words}", usual)
    if kind not in HEAD_KINDS:
        table.refuse("head", f"there is no head {quoted(kind)}: give one of {words}.")
    least, most = {"softmax": (2, None), "binary": (2, 2)}.get(kind, (1, None))
    if classes < least or (most is not None and classes > most):
        wanted = "exactly 2 classes, the one for a negative logit first" if most else "2 or more"
        table.refuse(
            "head" if "head" in table else "classes",
            f"The list has {_classes(classes)}, and the head {kind} takes {wanted}.",
        )
    unit = _text(table, "unit", "the unit of the values, such as years", "")
    if unit and kind != "value":
        table.refuse("unit", f"unit belongs to the head value, and the head is {kind}.")
    words = "a probability from 0 to 1, or a list with one for each class"
    given = table.take("threshold", (int, float, list), words, 0.5)
    thresholds = tuple(given) if isinstance(given, list) else (given,)
    if "threshold" in table and kind != "sigmoid":
        table.refuse("threshold", f"threshold belongs to the head sigmoid, and the head is {kind}.")
    if isinstance(given, list) and len(thresholds) != classes:
        table.refuse(
            "threshold",
            f"{counted(len(thresholds), 'threshold')} for {_classes(classes)}: give one for each.",
        )
    for each in thresholds:
        if isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each <= 1:
            table.refuse("threshold", f"threshold is {quoted(each)}: give {words}.")
    return Head(kind, tuple(map(float, thresholds)), unit)


def channels_notes(name: str, channels: int) -> tuple[str, ...]:
    """What the pictures are of a model that takes no photos."""
    if channels in PHOTOS:
        return ()
    return (
        f"{name} takes {channels} channels, and no photos: pictures for it are .npy files of (H, "
        f"W, {channels}), of which the first three channels are shown, or TIFFs of {channels} "
        "pages, of which the first is shown.",
    )


def arguments_of(table: Table) -> tuple[tuple[str, Any], ...]:
    """What a factory is given."""
    given = table.take("arguments", dict, "a table, begun by a line [arguments]", {})

    def frozen(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(frozen, value))
        if not isinstance(value, str | int | float | bool):
            table.refuse("arguments", "arguments are texts, numbers, true or false, and lists.")
        return value

    return tuple((key, frozen(value)) for key, value in given.items())


def own_file(place: Path, name: str) -> Path:
    """A file of a model's folder; one elsewhere, by whatever way it is reached, is refused."""
    root = place.resolve()
    try:
        path = (root / name).resolve()
    except (ValueError, RuntimeError, OSError):  # no name of a file; links that go in a circle
        path = root.parent
    called = f"{place.name}/{name}" if name == plain(name) else quoted(name)
    if not path.is_relative_to(root):
        raise ModelError(f"{called} leads out of the model's folder: put the file itself there.")
    try:
        there = path.is_file()
    except OSError as error:
        raise ModelError(f"{called} cannot be read ({error.strerror}): check it.") from error
    if not there:
        raise ModelError(f"{called} is not there, or no file: put one there.")
    return path


def _classes(count: int) -> str:
    return counted(count, "class", "classes")
