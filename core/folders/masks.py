"""Masks of the objects of a folder of pictures, and where their maps lie."""

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..errors import ImageError, SettingError
from ..pictures.images import digest
from ..pictures.mask_image import mask_seen, open_mask
from ..pictures.preprocessing import Preprocessing
from ..trust.localisation import localisation
from .beside import file_beside
from .listing import Entry, folder_for

MASK_SHARE = "mask_share"
NO_MASK = "There is no localisation: the mask"
BAD_MASK = "because of its mask:"
"""What a row's error says where there is no localisation."""
"""How the sentence on a mask begins that is not there, or cannot be read."""

MEASURES = ("pointing", "mass", "rank", "top_k")
"""Of `core.trust.localisation.Localisation`, and the beginnings of the names of columns."""

Located = Mapping[str, Mapping[str, float | None]]
"""Measures by name, for each method."""


class Mask(NamedTuple):
    """The object of a picture.

    Attributes:
        sha256: of the mask's file.
        marked: bool (H, W) of the model's input, True on the object.
    """

    sha256: str
    marked: np.ndarray


def mask_folder(address: str, *, compared: bool) -> str:
    """A folder of masks as `Job.masks` has it.

    Args:
        address: of the folder; a path, or what else fsspec reads.
        compared: whether there are maps to compare them with.

    Raises:
        SettingError: there are none.
        FolderError: there is no such folder.
    """
    if not compared:
        raise SettingError(
            "--masks compares maps with masks of the objects: give --methods, --maps, or both."
        )
    return folder_for("--masks", "masks", address)


def mask_of(
    address: str,
    entry: Entry,
    size: tuple[int, int],
    preprocessing: Preprocessing,
    pictures: str = "",
) -> Mask:
    """The object of a picture as a model sees it.

    Args:
        address: of the masks.
        entry: the picture.
        size: (width, height) of the picture.
        preprocessing: of the model.
        pictures: address of the pictures.

    Raises:
        ImageError: there is no mask, or it does not fit the picture.
    """
    try:
        data = file_beside(address, entry, pictures)
    except ImageError as error:
        raise ImageError(f"{NO_MASK} {error}") from error
    try:
        marked = mask_seen(open_mask(data), preprocessing, size)
    except (ImageError, SettingError) as error:
        raise ImageError(
            f"There is no localisation of {entry.shown}, {BAD_MASK} {error}"
        ) from error
    return Mask(digest(data), marked)


def located(mask: Mask, maps: Mapping[str, np.ndarray], of_order: Collection[str] = ()) -> Located:
    """Where maps (H, W) lie, by method; ``of_order`` are those of which only the order is known."""
    found = {
        name: localisation(values, mask.marked, order_only=name in of_order)
        for name, values in maps.items()
    }
    return {
        name: {measure: getattr(each, measure) for measure in MEASURES}
        for name, each in found.items()
    }


def columns_of(mask: Mask, found: Sequence[Located], *, several: bool) -> dict[str, Any]:
    """The columns of a row.

    Args:
        mask: of the picture.
        found: for each file of maps, in order.
        several: whether a row may have several files, so that the columns hold lists.
    """
    columns: dict[str, Any] = {MASK_SHARE: float(mask.marked.mean())}
    for method in dict.fromkeys(chain(*found)):
        for measure in MEASURES:
            values = [each.get(method, {}).get(measure) for each in found]
            # In lists NaN, since null in one would leave all of it out of a CSV.
            lists = [math.nan if value is None else value for value in values]
            columns[f"{measure}_{method}"] = lists if several else values[0]
    return columns
