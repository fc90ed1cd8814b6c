"""Maps made elsewhere for a folder of pictures: a file for each, found by the picture's name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from ..errors import ChannelsError, MapError, UserError
from ..methods.given_setting import MAP_OF, GivenSetting
from ..pictures.given_file import MAX_MAP_BYTES, open_given_map
from ..pictures.given_map import Channels, GivenMap
from ..pictures.preprocessing import Preprocessing
from ..text import as_text
from .beside import stem_of
from .listing import Entry, folder_for, has_file, read_file

_KINDS = ("npy", "npz", "png")


@dataclass(frozen=True)
class MapFolder:
    """Where the maps of a job lie, and how they are read.

    Attributes:
        address: of the folder, for fsspec.
        channels: how the channels of a map become one; None where they have none.
    """

    address: str
    channels: Channels | None = None


def map_folder(address: str, channels: Channels | None) -> MapFolder:
    """A folder of maps as `Job.given` has it.

    Args:
        address: of the folder; a path, or what else fsspec reads.
        channels: see `MapFolder`.

    Raises:
        FolderError: there is no such folder.
    """
    return MapFolder(folder_for("--maps", "maps", address), channels)


def given_for(
    folder: MapFolder,
    entry: Entry,
    size: tuple[int, int],
    seen: Preprocessing,
    said: GivenSetting,
    pictures: str = "",
) -> GivenMap:
    """The map of a picture, as the model sees it.

    Args:
        folder: of the maps.
        entry: the picture, of `core.folders.beside.with_shared_stems`; the map of ``birds/a.jpg``
            is ``birds/a.jpg.npy``, or ``birds/a.npy`` if it can be no other's, or ends with
            ``.npz`` or ``.png``.
        size: (width, height) of the picture.
        seen: the preprocessing of the model.
        said: what was said of all maps.
        pictures: address of the pictures, which may be the same folder.

    Raises:
        MapError: there is no map, more than one, or one that does not fit the picture or what was
            said.
    """
    try:
        own = _there(folder, entry.path)
        by_stem = [] if own else _there(folder, stem_of(entry))
        if folder.address == pictures:  # the picture is no map of itself
            by_stem = [name for name in by_stem if name != entry.path]
        if len(own or by_stem) != 1 or (by_stem and entry.shares_stem):
            raise MapError(_why_none(entry, own or by_stem))
        data = read_file(folder.address, (own or by_stem)[0], MAX_MAP_BYTES)
        given = _opened(data, folder.channels)
        values = _placed(given, seen, size, said)
    except UserError as error:
        raise MapError(f"There is no map of {entry.shown}. {error}") from error
    return GivenMap(values, given.order_only, given.notes)


def _opened(data: bytes, channels: Channels | None) -> GivenMap:
    """Read the file of a map, one of the user's own as its pictures are."""
    try:
        return open_given_map(data, channels, trusted=True)
    except ChannelsError as error:
        raise MapError(f"{error} That is said with --channels.") from error


def _placed(
    given: GivenMap, seen: Preprocessing, size: tuple[int, int], said: GivenSetting
) -> np.ndarray:
    """A map as the model sees it; where that fails, the sentence names the option that says it."""
    try:
        map_of = said.map_of or given.covers(seen, size, None)
    except MapError as error:
        raise MapError(
            f"{error} That is said with --map-of {', '.join(MAP_OF[:-1])} or {MAP_OF[-1]}."
        ) from error
    replace(said, order_only=given.order_only, map_of=map_of)  # sees that it fits what was said
    try:
        return given.seen(seen, size, None, map_of)
    except MapError as error:
        if said.map_of is None:
            raise
        raise MapError(f"{error} It was said with --map-of {map_of}.") from error


def _there(folder: MapFolder, beginning: str) -> list[str]:
    names = (f"{beginning}.{kind}" for kind in _KINDS)
    return [name for name in names if has_file(folder.address, name)]


def _why_none(entry: Entry, there: Sequence[str]) -> str:
    if len(there) == 1:
        return (
            f"{as_text(there[0])} could be that of another picture too: name maps by the whole "
            f"name, as {PurePosixPath(entry.shown).name}.npy."
        )
    if there:
        return f"It has {len(there)} files ({', '.join(map(as_text, there))}): leave one of them."
    stem = PurePosixPath(entry.shown).stem
    return (
        f"Its file is missing: call it {stem}.npy or {PurePosixPath(entry.shown).name}.npy, or end "
        "it with .npz or .png."
    )
