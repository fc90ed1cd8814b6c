"""TOML whose mistakes are told in one sentence, with the file and the line."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from core.errors import TalkError, UserError

Kind = TypeVar("Kind")
Place = tuple[str | int, ...]  # the keys and numbers that lead to a value
REQUIRED: Any = object()  # in place of a default


@dataclass(frozen=True)
class TomlFile:
    """A file, read: its path, its text and its values."""

    path: Path
    text: str
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "TomlFile":
        """Read a file.

        Raises:
            TalkError: it cannot be read, or is not TOML.
        """
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise TalkError(
                f"The talk {path} cannot be read ({error.strerror}): check the path."
            ) from error
        except UnicodeDecodeError as error:
            raise TalkError(f"The talk {path} is not UTF-8 text: save it as such.") from error
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            found = re.search(
                r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", str(error)
            )
            what, line = found.groups() if found else (str(error), None)
            line = line or str(1 + text.rstrip("\n").count("\n"))
            raise TalkError(
                f"{path.name}, line {line}: this is not TOML ({what}): correct the line."
            ) from error

    def line(self, place: Place) -> int:
        """Where a key or table begins: the file is read up to each line until the key is there."""
        lines = self.text.split("\n")
        begin = 0
        for end in range(1, len(lines) + 1):
            try:
                read: Any = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:
                continue  # in the midst of a value that goes over several lines
            if _holds(read, place):
                return begin + 1
            begin = end
        return 1


def _holds(values: Any, place: Place) -> bool:
    for part in place:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


class Table:
    """A table whose keys are taken one by one; what is left over was not expected."""

    def __init__(self, file: TomlFile, place: Place, values: Any) -> None:
        """Begin with nothing taken; ``place`` is where the table stands in the file."""
        self.file = file
        self._place = place
        self._known: list[str] = []
        if not isinstance(values, dict):
            self._say(place, f"{place[-1]} is a table: begin it with a line [{_dotted(place)}].")
        self._values: Mapping[str, Any] = values

    def __contains__(self, key: str) -> bool:
        """Whether the table has a key."""
        return key in self._values

    def take(
        self, key: str, kind: type[Kind] | tuple[type, ...], words: str, default: Any = REQUIRED
    ) -> Any:
        """A value of one kind, called ``words`` in sentences."""
        self._known.append(key)
        if key not in self._values:
            if default is REQUIRED:
                self.refuse(key, f"{key} is missing here: give {words}.")
            return default
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            self.refuse(key, f"{key} is {value!r}: give {words}.")
        return value

    def texts(self, key: str, words: str, default: Any = REQUIRED) -> tuple[str, ...]:
        """A list of texts."""
        values = self.take(key, list, words, default)
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, f"{key} is {values!r}: give {words}.")
        return tuple(values)

    def tables(self, key: str) -> dict[str, Any]:
        """A table of tables; empty if it is not there."""
        return self.take(key, dict, f"tables that begin with a line [{key}.NAME]", {})

    def checked(self, key: str, make: Callable[[], Kind]) -> Kind:
        """What comes of a value; if it is refused, the sentence says on which line it stands."""
        try:
            return make()
        except UserError as error:
            self.refuse(key, str(error))

    def finish(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                self.refuse(key, f"{key} is not known here: choose from {', '.join(self._known)}.")

    def refuse(self, key: str, sentence: str) -> NoReturn:
        """Say what is wrong with a key, or, where it is absent, with its table."""
        self._say((*self._place, key) if key in self._values else self._place, sentence)

    def _say(self, place: Place, sentence: str) -> NoReturn:
        raise TalkError(f"{self.file.path.name}, line {self.file.line(place)}: {sentence}")


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)
