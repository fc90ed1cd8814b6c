"""Scans a torch file: is it a plain state dict that does not expand beyond its size?

Looked at in a process of its own before torch reads the file: a pickle can ask for any amount of
memory, and a compressed one needs few bytes for it. Nothing in it is run; each function and class
is stood for by one that does nothing.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from typing import IO, Any

from ..files import isolated

CODE, PLAIN, NAMESPACES = "code", "plain", "namespaces"
NAMESPACE = "argparse.Namespace"  # options of a training program, beside the weights
_MOST_PICKLED = 20_000_000  # bytes; a layer takes some 200
_IN_FRONT = 3  # pickles before the state dict in torch's format of before 2020
_BYTES = {"Double": 8, "Long": 8, "Float": 4, "Int": 4, "Half": 2, "BFloat16": 2, "Short": 2}
# What state dicts are made of, and with them tensors of kinds that are refused by name afterwards:
# functions, whose results do not matter here, and names of types, which are not called.
_FUNCTIONS = re.compile(
    r"torch\._utils\._rebuild_(tensor(_v[23])?|parameter|sparse_tensor|qtensor)"
    r"|torch\.serialization\._get_layout|torch\.Size"
)
_TYPES = re.compile(r"torch\.(storage\.)?[A-Za-z]\w*")


def scan(file: IO[bytes]) -> isolated.Parsed:
    """Look at a file, for `core.models.state_dicts`.

    Returns:
        `CODE` if it holds more than tensors, else `PLAIN`, or `NAMESPACES` if there are options
        beside them; nothing is written.

    Raises:
        Exception: it is damaged, or would unfold.
    """
    found = set[str]()
    try:
        (_scan_zip if file.read(2) == b"PK" else _scan_pickles)(file, found)
    except _ForeignError:
        return CODE, lambda _: None
    return NAMESPACES if NAMESPACE in found else PLAIN, lambda _: None


def _scan_zip(file: IO[bytes], found: set[str]) -> None:
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("torch compresses nothing")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("files lie in one another")
        (pickled,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        if pickled.file_size > _MOST_PICKLED:
            raise ValueError("a pickle of more layers than there are")
        with archive.open(pickled) as opened:
            _Scanner(opened, size, found).load()


def _scan_pickles(file: IO[bytes], found: set[str]) -> None:
    size = file.seek(0, 2)
    file.seek(0)
    for _ in range(_IN_FRONT + 1):
        _Scanner(file, size, found).load()


class LeftOut:
    """Stands for an object beside the weights; what a file says of it is not kept."""

    __slots__ = ()

    def __setstate__(self, _: object) -> None:
        """Keep nothing: a file could set any attribute, even the class."""


class _ForeignError(Exception):
    """A class or function that is no part of a state dict."""


class _Scanner(pickle.Unpickler):
    """Counts what tensors would take; stands in for functions and classes."""

    def __init__(self, file: IO[bytes], size: int, found: set[str]) -> None:
        super().__init__(file, encoding="utf-8")
        self._found = found
        self._left = size
        self._seen: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for a class or function of a state dict."""
        called = f"{module}.{name}"
        if called == "collections.OrderedDict":
            return OrderedDict
        if called == NAMESPACE:
            self._found.add(called)
            return LeftOut
        if _FUNCTIONS.fullmatch(called):
            return _called
        if _TYPES.fullmatch(called):
            return _Type(name)
        raise _ForeignError(called)

    def persistent_load(self, pid: Any) -> None:
        """Count a tensor's numbers, which have to be in the file."""
        _, kind, key, _, count, *_ = pid
        if key not in self._seen:
            self._seen.add(key)
            self._left -= count * _BYTES.get(kind.name.removesuffix("Storage"), 1)
        if self._left < 0 or count < 0:
            raise ValueError("its tensors are larger than the file")


class _Type:
    """A type, or a constant."""

    def __init__(self, name: str) -> None:
        self.name = name


def _called(*_: object) -> None:
    """What a function gives back: a tensor, which is not made."""
