"""A TOML reader whose errors name the file and the line."""

import errno
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import TalkError, UserError
from ..text import plain, quoted
from .io import read_text

Kind = TypeVar("Kind")
Place = tuple[str | int, ...]  # the keys and numbers that lead to a value
REQUIRED: Any = object()  # in place of a default
LONGEST = 1_000_000  # bytes of a file that people write


@dataclass(frozen=True)
class TomlFile:
    """A file, read: its path, its text and its values.

    Attributes:
        name: what sentences call it.
        error: what is raised when something in it is wrong.
    """

    path: Path
    text: str
    values: dict[str, Any]
    name: str = ""
    error: type[UserError] = TalkError

    @classmethod
    def read(
        cls,
        path: Path,
        name: str = "",
        kind: str = "talk",
        error: type[UserError] = TalkError,
        limit: int = LONGEST,
    ) -> "TomlFile":
        """Read a file.

        Args:
            path: where it lies.
            name: what sentences call it; by default its own name.
            kind: what it describes: a talk, a model.
            error: what is raised when something in it is wrong.
            limit: how many bytes it may have.

        Raises:
            UserError: of the kind that was given: it cannot be read, is too long, or is not TOML.
        """
        name = name or path.name
        try:
            text = read_text(path, limit)
        except OSError as failed:
            if failed.errno == errno.EFBIG:
                raise error(f"{name} is larger than {limit:,} bytes: shorten it.") from failed
            raise error(
                f"The {kind} {path} cannot be read ({failed.strerror}): check the path."
            ) from failed
        except UnicodeDecodeError as failed:
            raise error(f"The {kind} {path} is not UTF-8 text: save it as such.") from failed
        try:
            return cls(path, text, tomllib.loads(text), name, error)
        except tomllib.TOMLDecodeError as failed:
            found = re.search(
                r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", str(failed)
            )
            what, line = found.groups() if found else (str(failed), None)
            line = line or str(1 + text.rstrip("\n").count("\n"))
            raise error(
                f"{name}, line {line}: this is not TOML ({what}): correct the line."
            ) from failed
        except (ValueError, RecursionError) as failed:  # thousands of digits, or of brackets
            raise error(
                f"{name} is nested too deeply or holds too long a number: correct it."
            ) from failed

    def line(self, place: Place) -> int:
        """Where a key or table begins: the first statement after which it is there."""
        here: Place = ()
        counts: dict[Place, int] = {}
        for number, statement in _statements(self.text) if place else ():
            if statement.startswith("["):
                here = _header(statement, counts)
                if here[: len(place)] == place:
                    return number
            elif place[: len(here)] == here and _holds(
                tomllib.loads(statement), place[len(here) :]
            ):
                return number
        return 1


# Where a line may end without ending the statement, and where it does. Without backtracking, so
# that a text of megabytes takes no memory.
_TOKEN = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|\n(?:[ \t]*+(?:#[^\n]*+)?\n)*+"  # with empty lines and lines of comments after it
    r"|#[^\n]*+|[\[\]{}]",
    re.DOTALL,
)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The headers and assignments of TOML that can be read, each with its line, from 1."""
    text = "\n" + text.replace("\r\n", "\n") + "\n"
    begin, counted, number, depth = 0, 0, 0, 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark[0] == "\n" and not depth:
            statement = text[begin : token.start()].strip(" \t")
            if statement:
                yield number, statement
            begin = token.end()
            number += text.count("\n", counted, begin)
            counted = begin
        elif mark in ("[", "{"):
            depth += 1
        elif mark in ("]", "}"):
            depth -= 1


def _header(statement: str, counts: dict[Place, int]) -> Place:
    """The place of the table that a line [NAME] or [[NAME]] begins.

    ``counts`` holds how many tables each array of tables has, and is kept up to date.
    """
    place: Place = ()
    node: Any = tomllib.loads(statement)
    while node:
        ((key, node),) = node.items()
        place += (key,)
        if isinstance(node, list):
            counts[place] = counts.get(place, 0) + 1
            node = node[0]
        if place in counts:  # what follows belongs to its last table
            place += (counts[place] - 1,)
    return place


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
            self._say(
                place,
                f"{plain(str(place[-1]))} is a table: begin it with a line [{_dotted(place)}].",
            )
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
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, f"{key} is {quoted(value)}: give {words}.")
        return value

    def texts(self, key: str, words: str, default: Any = REQUIRED) -> tuple[str, ...]:
        """A list of texts."""
        values = self.take(key, list, words, default)
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, f"{key} is {quoted(values)}: give {words}.")
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
        """Refuse unknown keys."""
        for key in self._values:
            if key not in self._known:
                written = key if key.isidentifier() and key == plain(key, 40) else quoted(key)
                known = ", ".join(self._known)
                self.refuse(key, f"{written} is not known here: choose from {known}.")

    def refuse(self, key: str, sentence: str) -> NoReturn:
        """Say what is wrong with a key, or, where it is absent, with its table."""
        self._say((*self._place, key) if key in self._values else self._place, sentence)

    def _say(self, place: Place, sentence: str) -> NoReturn:
        raise self.file.error(f"{self.file.name}, line {self.file.line(place)}: {sentence}")


def _dotted(place: Place) -> str:
    return ".".join(plain(str(part)) for part in place)
