"""Writes a bundle: one zip with maps as numbers and pictures, manifest, report and script.

A bundle can be checked in two ways: `core.bundle.verification` recomputes everything from the
manifest, and the script in the bundle, `core.bundle.plain_captum`, does so with Captum alone.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from ..drawing.paper import print_panel
from ..drawing.rendering import Display
from ..errors import SettingError
from ..explaining.explainer import Explainer
from ..pictures.images import MAX_BYTES, digest
from ..pictures.samples import credits_of
from ..text import quoted
from .citations import bibtex
from .exhibits import Exhibit, Plate, Shown, gather
from .figure import figure
from .figure_caption import figure_caption, says
from .manifest import NAME, Json, record_of, sealed
from .report import report

_STORED = (".png", ".jpg", ".jpeg")  # compressed already
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, for zip files
_LEVEL = 2  # of PNG: photos come out as small as at 6, four times as fast
_SCRIPT = "plain_captum.py"


def bundle(
    explainer: Explainer,
    exhibits: Sequence[Exhibit],
    display: Display,
    *,
    same_scale: bool = False,
    photo: bool = True,
    address: str | None = None,
) -> bytes:
    """Everything about some maps as a zip; the same maps give the same bytes.

    Maps that the explainer does not know yet are computed.

    Args:
        explainer: computes and remembers.
        exhibits: pictures and models, with their maps.
        display: how the maps are drawn.
        same_scale: whether all maps in the same units share one scale; else only those of the same
            title in several exhibits do.
        photo: whether the photo goes in too, without what its file says of place and camera;
            what the model saw of it is always there.
        address: of a page that shows the same, for the report to link to.

    Raises:
        SettingError: there is nothing to show, too much, or a setting is out of range.
        ModelError: scores or gradients are not finite.
    """
    _check(exhibits, address)
    shown = gather(explainer, exhibits, display, same_scale)
    files: dict[str, bytes] = {}
    photos = [_pictures(each, number, photo, files) for number, each in enumerate(shown, 1)]
    for each in shown:
        for plate in each.plates:
            files |= _map_files(plate)
            drawn = print_panel(
                each.seen, plate.attribution, each.class_names, display, plate.ends,
                title=says(each),
            )  # fmt: skip
            files |= {f"figures/{plate.stem}.{kind}": data for kind, data in drawn.items()}
    files |= {f"figure.{kind}": data for kind, data in figure(shown, display).items()}
    caption = figure_caption(shown, display, same_scale)
    citations = bibtex(plate.setting for each in shown for plate in each.plates)
    credit = credits_of({each.exhibit.picture.sha256 for each in shown})
    files["caption.txt"] = f"{caption}\n".encode()
    files["citations.bib"] = citations.encode()
    files[_SCRIPT] = Path(__file__).with_name(_SCRIPT).read_bytes()
    if credit:
        files["credits.txt"] = credit.encode()
    record = record_of(shown, display, same_scale, address, photos)
    files["report.html"] = report(shown, display, record, caption, citations, credit).encode()
    files[NAME] = sealed(record, files)
    return _zipped(files)


def _check(exhibits: Sequence[Exhibit], address: str | None) -> None:
    for exhibit in exhibits:
        if exhibit.original is not None and digest(exhibit.original) != exhibit.picture.sha256:
            raise SettingError(
                "The original file is not the one that the maps are of: choose the picture again."
            )
    if address is not None:
        try:
            parts = urlsplit(address)
            right = parts.scheme in ("http", "https") and bool(parts.netloc)
        except ValueError:  # brackets that are no address of IPv6
            right = False
        if not right:
            raise SettingError(
                f"The address {quoted(address)} cannot be linked to: give one that begins with "
                "http:// or https://."
            )


def _pictures(shown: Shown, number: int, photo: bool, files: dict[str, bytes]) -> Json:
    """Put an exhibit's picture among the files; returns what the manifest says of it."""
    exhibit = shown.exhibit
    seen = f"seen-{number}.png"
    files[seen] = _png(shown.seen)
    found: Json = {"seen": seen, "photo": None, "photo_exact": False, "original": None}
    if shown.pixels is not None:
        found["channels"] = f"seen-{number}.npy"
        files[found["channels"]] = _npy(shown.pixels)
    short = exhibit.picture.sha256[:8]  # two models may look at one photo
    if exhibit.original is not None:
        suffix = Path(exhibit.name).suffix.lower()
        kept = f"original-{short}{suffix if suffix.isascii() and suffix[1:].isalnum() else ''}"
        files[kept] = exhibit.original
        return {**found, "original": kept}
    if not photo:
        return found
    if shown.pixels is not None and exhibit.picture.pixels is not None:
        data = _npy(exhibit.picture.pixels)
        if len(data) > MAX_BYTES:  # could not be opened again
            return found
        files[f"photo-{short}.npy"] = data
        return {**found, "photo": f"photo-{short}.npy", "photo_exact": True}
    for name in (f"photo-{short}.png", f"photo-{short}.jpg"):
        exact = name.endswith(".png")
        if name not in files:
            data = _png(exhibit.picture.image) if exact else _jpeg(exhibit.picture.image)
            if exact and len(data) > MAX_BYTES:
                continue  # could not be opened again
            files[name] = data
        return {**found, "photo": name, "photo_exact": exact}
    return found


def _map_files(plate: Plate) -> dict[str, bytes]:
    """A map as float32 and as 16-bit greys, and what else it takes to make it again."""
    values = plate.attribution.values
    low, high = float(values.min()), float(values.max())
    share = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    files = {
        f"maps/{plate.stem}.npy": _npy(values),
        f"maps/{plate.stem}.png": _png(Image.fromarray(np.round(share * 65535).astype(np.uint16))),
    }
    if plate.attribution.errors is not None:
        files[f"maps/{plate.stem}-errors.npy"] = _npy(plate.attribution.errors)
    if plate.patches is not None:
        files[f"maps/{plate.stem}-patches.npy"] = _npy(plate.patches)
    if isinstance(plate.baseline, np.ndarray):
        files[f"maps/{plate.stem}-baseline.npy"] = _npy(plate.baseline)
    elif plate.baseline is not None:
        files[f"maps/{plate.stem}-baseline.png"] = _png(plate.baseline)
    return files


def _png(image: Image.Image) -> bytes:
    """Pixels and nothing else, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, "PNG", compress_level=_LEVEL)
    return buffer.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _zipped(files: dict[str, bytes]) -> bytes:
    """A zip that depends on names and contents alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o644 << 16
            stored = name.endswith(_STORED)
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
