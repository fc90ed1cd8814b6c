"""Labels of pictures: class indices from names, WordNet ids, indices or folder names."""

from collections.abc import Iterable

from ..errors import FolderError
from .labels import Search, index_of, named, search


def label_of(class_names: tuple[str, ...], text: str) -> int:
    """The class of a name, a WordNet id or an index.

    Raises:
        FolderError: there is no such class, or there are several.
    """
    found = search(class_names, text)
    if found.index is None:
        raise FolderError(found.sentence(class_names))
    return found.index


def labels_of(class_names: tuple[str, ...], folders: Iterable[str]) -> dict[str, int]:
    """The classes that sub-folders are named by; those that name none are left out.

    Indices count only where all folders are indices, and none of them is a class's name: a folder
    of the year 2024 or of the month 11 is no class.

    Raises:
        FolderError: a folder names several classes.
    """
    folders = list(folders)
    classes = {folder: named(class_names, folder) for folder in folders}
    for folder, found in classes.items():
        if len(found) > 1:
            raise FolderError(Search(folder, None, found, ()).sentence(class_names))
    if any(classes.values()):
        return {folder: found[0] for folder, found in classes.items() if found}
    indices = {folder: index_of(class_names, folder) for folder in folders}
    known = {folder: index for folder, index in indices.items() if index is not None}
    return known if len(known) == len(folders) else {}
