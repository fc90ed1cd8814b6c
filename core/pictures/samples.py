"""The sample pictures in ``sample_images/``, with titles, expected classes and credits."""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImageError
from ..files.io import read_text
from .images import digest
from .picture import read_picture

FOLDER = Path(__file__).resolve().parents[2] / "sample_images"
DEFAULT_SAMPLE = "swan"
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
_LONGEST = 1_000_000  # bytes of a text


@dataclass(frozen=True)
class Sample:
    """A picture of the gallery.

    Attributes:
        name: file name without its ending; with it, where two files differ in nothing else.
        title: name for people.
        expected: what a person would call it, or None; the model may have no such class.
        path: the file.
    """

    name: str
    title: str
    expected: str | None
    path: Path


def samples(folder: Path = FOLDER) -> dict[str, Sample]:
    """All pictures of a folder by name: those in ``samples.toml`` first and in its order."""
    notes_file = folder / "samples.toml"
    notes = tomllib.loads(read_text(notes_file, _LONGEST)) if notes_file.is_file() else {}
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            files[path.name if path.stem in files else path.stem] = path
    order = [name for name in notes if name in files] + [n for n in files if n not in notes]
    return {
        name: Sample(
            name=name,
            title=notes.get(name, {}).get("title", name.replace("_", " ").capitalize()),
            expected=notes.get(name, {}).get("expected"),
            path=files[name],
        )
        for name in order
    }


def is_sample(sha256: str) -> bool:
    """Whether a picture is one of the gallery's, by the digest of its file."""
    return any(_digest(sample.path) == sha256 for sample in samples().values())


def credits_of(digests: Collection[str], folder: Path = FOLDER) -> str:
    """Authors, sources and licences of those samples that have these sha256 digests.

    From the table in ``CREDITS.md``, a line each; empty if no sample is among them.
    """
    file = folder / "CREDITS.md"
    if not file.is_file():
        return ""
    table = [line for line in read_text(file, _LONGEST).splitlines() if line.startswith("|")]
    lines = []
    for row in table[2:]:
        name, *said = (cell.strip() for cell in row.strip("| ").split(" | "))
        if _digest(folder / name) in digests:
            lines.append(f"{name}: {'; '.join(said)}\n")
    return "".join(lines)


def _digest(file: Path) -> str:
    """Of a picture's file; empty if it cannot be read."""
    try:
        return digest(read_picture(file))
    except ImageError:
        return ""
