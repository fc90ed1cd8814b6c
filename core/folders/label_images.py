"""Label images for a folder of pictures: a PNG of regions for each, by its path."""

from ..errors import ImageError, SettingError
from ..methods.cover_methods import MOST_REGIONS, PatchSetting
from ..methods.registry import METHODS
from ..methods.settings import Setting
from ..pictures.label_image import LabelImage, open_label_image
from ..pictures.preprocessing import Preprocessing
from .beside import file_beside
from .listing import Entry, folder_for


def label_folder(address: str, methods: tuple[tuple[str, Setting], ...]) -> str:
    """A folder of label images as `Job.regions` has it.

    Args:
        address: of the folder; a path, or what else fsspec reads.
        methods: that are asked for.

    Raises:
        SettingError: none of the methods covers patches.
        FolderError: there is no such folder.
    """
    if not any(isinstance(setting, PatchSetting) for _, setting in methods):
        ours = [name for name in METHODS if isinstance(METHODS[name].setting, PatchSetting)]
        raise SettingError(f"--regions belongs to {', '.join(ours)}: give one to --methods too.")
    return folder_for("--regions", "label images", address)


def regions_for(
    address: str,
    entry: Entry,
    size: tuple[int, int],
    preprocessing: Preprocessing,
    pictures: str = "",
) -> LabelImage:
    """The regions of a picture as a model sees them.

    Args:
        address: of the label images.
        entry: the picture; ``birds/a.jpg`` has the label image ``birds/a.png``.
        size: (width, height) of the picture.
        preprocessing: of the model.
        pictures: address of the pictures.

    Raises:
        ImageError: there is no label image, or it does not fit the picture.
    """
    try:
        data = file_beside(address, entry, pictures)
    except ImageError as error:
        raise ImageError(f"There is no map: the label image {error}") from error
    try:
        return open_label_image(data, MOST_REGIONS).as_seen(preprocessing, size)
    except (ImageError, SettingError) as error:
        raise ImageError(f"There is no map of {entry.shown}. {error}") from error
