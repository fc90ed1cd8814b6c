"""From what people call a class (its index, its WordNet id, its name) to its index."""

import re
from collections.abc import Iterable

from core.errors import FolderError
from core.labels import display_names, search
from core.wordnet import class_of

_WORDNET = re.compile(r"n\d{8}")


class ClassNames:
    """The ways to name the classes of a model.

    A name counts in any case, with ``_`` or ``-`` for a space; where that fits several classes, as
    Cardigan (a dog) and cardigan (a jacket), its exact spelling decides.
    """

    def __init__(self, class_names: tuple[str, ...]) -> None:
        """Take the names in the order of the network's outputs."""
        self._names = class_names
        self._loosely: dict[str, set[int]] = {}
        self._exactly: dict[str, set[int]] = {}
        for names in (class_names, display_names(class_names)):
            for index, name in enumerate(names):
                self._exactly.setdefault(name, set()).add(index)
                self._loosely.setdefault(_loose(name), set()).add(index)

    def find(self, text: str) -> int | None:
        """The class that a name or a WordNet id stands for, or None.

        Raises:
            FolderError: it stands for several classes.
        """
        if _WORDNET.fullmatch(text):
            return class_of().get(text) if len(self._names) == len(class_of()) else None
        exact = self._exactly.get(text, set())
        found = exact if len(exact) == 1 else self._loosely.get(_loose(text), set())
        if len(found) > 1:
            shown = display_names(self._names)
            raise FolderError(
                f'"{text}" names several classes: write '
                f"{' or '.join(f'{shown[index]} (class {index})' for index in sorted(found))} "
                "exactly so, or its WordNet id."
            )
        return next(iter(found), None)

    def index(self, text: str) -> int | None:
        """The class of an index in digits, as Python writes it, or None."""
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            return None
        number = int(text)
        return number if str(number) == text and number < len(self._names) else None

    def must_find(self, text: str) -> int:
        """The class of an index, a WordNet id or a name.

        Raises:
            FolderError: there is no such class, or there are several.
        """
        found = self.index(text)
        found = self.find(text) if found is None else found
        if found is None:
            raise FolderError(search(self._names, text).sentence(self._names))
        return found

    def by_folder(self, folders: Iterable[str]) -> dict[str, int]:
        """The classes that sub-folders are named by; those that name none are left out.

        Indices count only where all folders are indices: a folder of the year 2024 or of the month
        11 is no class.

        Raises:
            FolderError: a folder names several classes.
        """
        folders = list(folders)
        indices = {folder: self.index(folder) for folder in folders}
        if None not in indices.values():
            return {folder: index for folder, index in indices.items() if index is not None}
        found = {folder: self.find(folder) for folder in folders}
        return {folder: index for folder, index in found.items() if index is not None}


def _loose(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.lower().strip()))
