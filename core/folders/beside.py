"""Files that belong to the pictures of a folder: label images, masks, maps.

That of ``birds/a.jpg`` is ``birds/a.jpg.png``, or ``birds/a.png`` if it can be no other's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from ..errors import ImageError
from .listing import Entry, read_entry


def with_shared_stems(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """All pictures of a folder, each of which then knows whether a file could be another's too."""
    claims: Counter[str] = Counter()
    for entry in entries:
        if not entry.unlisted:
            claims.update({entry.path, stem_of(entry)})
    return tuple(replace(entry, shares_stem=claims[stem_of(entry)] > 1) for entry in entries)


def file_beside(address: str, entry: Entry, pictures: str = "") -> bytes:
    """The PNG that belongs to a picture.

    Args:
        address: of the folder of PNGs.
        entry: the picture, of `with_shared_stems`.
        pictures: address of the pictures, which may be the same folder.

    Raises:
        ImageError: it is not there, is the picture itself or could be another picture's too, cannot
            be read, or is over the limit.
    """
    own, by_stem = (Entry(f"{name}.png") for name in (entry.path, stem_of(entry)))
    try:
        return read_entry(address, own)
    except ImageError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
    if entry.shares_stem:
        raise ImageError(
            f"{own.shown} is not there, and {by_stem.shown} could be that of another picture: call "
            f"this picture's {own.shown}."
        )
    if address == pictures and by_stem.path == entry.path:
        raise ImageError(
            f"{own.shown} is not there, and {by_stem.shown} is the picture itself: call the other "
            f"{own.shown}."
        )
    return read_entry(address, by_stem)


def stem_of(entry: Entry) -> str:
    """The path of a picture without its ending."""
    return str(PurePosixPath(entry.path).with_suffix(""))
