"""What the head of a model card says: ``README.md``, as the Hugging Face hub has it."""

import re
from pathlib import Path

from ..files.io import open_regular
from ..text import line

_MOST = 100_000  # bytes that are looked at
_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LONGEST = 200


def licence_in(path: Path) -> str:
    """The licence that a card names: the hub's word for it, or another's name; empty if none.

    Its head is YAML, of which single lines ``license: NAME`` are read and nothing else.
    """
    try:
        with open_regular(path) as file:
            text = file.read(_MOST).decode("utf-8", "replace")
    except OSError:
        return ""
    head = _HEAD.match(text)
    told = "" if head is None else head[1]
    found = _value(told, "license")
    if found in ("", "other"):
        found = _value(told, "license_name") or found
    return found


def _value(head: str, key: str) -> str:
    found = re.search(rf"^{key}[ \t]*:[ \t]*([^\r\n]*)$", head.replace("\r", ""), re.MULTILINE)
    text = re.sub(r"[ \t]#.*", "", found[1]).strip() if found else ""
    return line(text.strip("[]'\""))[:_LONGEST]
