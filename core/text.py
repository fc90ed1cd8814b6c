"""Sanitises untrusted text for terminals, figures, HTML and Markdown.

Untrusted text comes from visitors, files and addresses: names of files, classes, models and keys,
and every sentence that quotes them. No other module escapes text. Wherever such text is shown, it
is

- visible: "�" stands for control characters (a terminal acts on them, and XML cannot hold them),
  zero-width and bidirectional ones (they make a name look like another) and lone surrogates (UTF-8
  has none of them);
- one line;
- bounded in length: cut in the middle, because a sentence ends with what to do.

HTML and Markdown then need their own marks escaped.
"""

import difflib
import html
import json
import os
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = (
    "where-it-looked"
    if (Path(__file__).resolve().parent.parent / "__init__.py").exists()
    else "python -m core"
)
"""What the command is called: where this is installed as a package, and in a checkout."""

LONGEST_LINE = 2000  # characters of a line
LONGEST_PART = 80  # of a name or value inside a sentence
_LONGEST_WORD = 24  # of several in the name of a file
_NEAR = 0.7  # of difflib's ratio, 1 for the same
_MOST_MARKS = 4  # on one letter; a tower of them would cover the lines above
_HIDDEN = "\N{REPLACEMENT CHARACTER}"

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
BREAK = ":small[]"
"""Markdown of Streamlit for an element without content: it parts text and shows nothing."""


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """One line of visible characters: for terminals, drawings, select boxes and names of files."""
    if len(text) > longest:
        head = longest * 2 // 3
        text = f"{text[:head]}…{text[len(text) - (longest - head - 1) :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(text))


def plain(text: str, longest: int = LONGEST_PART) -> str:
    """A name or another piece of foreign text inside a sentence."""
    return line(text, longest)


def quoted(value: object, longest: int = LONGEST_PART) -> str:
    """A value inside a sentence as Python writes it, where it matters what exactly it is."""
    try:
        return line(repr(value), longest)
    except ValueError:  # a number of thousands of digits
        return "a very long number"
    except RecursionError:
        return "a value that is nested too deeply"


def did_you_mean(name: str, choice: Iterable[str]) -> str:
    """What is put behind a name that is not among a choice: the nearest of these, if one is near.

    For the middle of a sentence, such as 'There is no method "lmie" (did you mean lime?): ...'.
    """
    names = list(choice)
    near = difflib.get_close_matches(name[:LONGEST_PART], names, len(names) or 1, _NEAR)
    if not near:
        return ""
    # Of several that are equally near, the first: where the order says something, it is the usual.
    best = max(
        (each for each in names if each in near),
        key=lambda each: difflib.SequenceMatcher(None, each, name[:LONGEST_PART]).ratio(),
    )
    return f" (did you mean {best}?)"


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what it counts: "1 picture", "2,000 pictures"; or with the plural given."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def led_by_name(name: str, sentence: str) -> str:
    """A sentence on a file, led by the file's name if it does not have it."""
    shown = plain(name)
    return sentence if shown in sentence else f"{shown}: {sentence}"


def as_text(name: str | os.PathLike[str]) -> str:
    """The name of a file as Unicode, for records; bytes in it that are no UTF-8 are escaped."""
    return os.fspath(name).encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(values: Mapping[str, Any], **how: Any) -> bytes:
    """JSON as UTF-8; what is no Unicode, as the name of a folder may be, is escaped."""
    return json.dumps(values, ensure_ascii=False, **how).encode("utf-8", "backslashreplace")


def columns(text: str) -> int:
    """How wide a line is, in letters of a terminal: an ideogram takes the place of two."""
    return sum(
        0 if _is_mark(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def escape(text: str, longest: int = LONGEST_LINE) -> str:
    """Text for HTML, between tags and in quoted attributes."""
    return html.escape(line(text, longest))


def json_attribute(value: object) -> str:
    """A value as JSON for a quoted attribute of HTML."""
    return html.escape(json.dumps(value))


def json_script(value: object) -> str:
    """A value as JSON for an element ``<script type="application/json">``."""
    return json.dumps(value).replace("<", "\\u003c")


def markdown(text: str) -> str:
    """Text for an element of Streamlit that reads Markdown.

    A backslash keeps a punctuation mark from being markup. Streamlit looks for addresses, :names:
    of icons and arrows later, in each piece of text that was read. So every mark also begins a new
    piece: no address, name or arrow then lies within one.
    """
    words = " ".join(line(text).split())  # four blanks at its beginning would make it code
    return _PUNCTUATION.sub(rf"{BREAK}\\\g<0>", words)


def _visible(text: str) -> list[str]:
    """The characters of a text, as far as they can be seen."""
    found, marks = [], 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if not character.isprintable():
            found.append(" " if character.isspace() else _HIDDEN)
        elif marks <= _MOST_MARKS:
            found.append(character)
    return found


def _is_mark(character: str) -> bool:
    """Whether a character is put on the one before it."""
    return unicodedata.category(character) in ("Mn", "Me")


def file_word(text: str) -> str:
    """A text as part of a file's name; a long one is cut, and told from others by a checksum."""
    word = re.sub(r"[^\w.]+", "-", text)
    return word if len(word) <= _LONGEST_WORD else f"{word[:15]}~{zlib.crc32(text.encode()):08x}"
