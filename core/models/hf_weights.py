"""The weights of a model of Hugging Face's, in one file or several, in a folder or on the hub."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..files.io import open_regular
from ..files.untrusted import UnfoldingError, read_json
from ..text import plain, quoted
from .checkpoints import Checkpoint, digest_of
from .hub import AbsentError, Repository
from .state_dicts import read_state
from .weights import Progress

if TYPE_CHECKING:
    from .hf_models import HfNetwork

_WHOLE, _OLD, _INDEX = "model.safetensors", "pytorch_model.bin", ".index.json"
_SOURCES = (_WHOLE, _WHOLE + _INDEX, _OLD, _OLD + _INDEX)  # as transformers looks for them
_PART = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_MOST = 16_000_000  # bytes of a JSON file; 22,000 classes take 2 MB


@dataclass(frozen=True)
class Folder:
    """A folder that somebody saved a model into, as a `Repository` of its files.

    Attributes:
        name: its path.
        stamp: of each file, when it was changed in ns, and its size: a model that was saved there
            since is another.
    """

    name: str
    stamp: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """The folder as it is now.

        Raises:
            OSError: it cannot be read.
        """
        files = sorted((each.name, each.stat()) for each in path.iterdir() if each.is_file())
        return cls(str(path), tuple((name, s.st_mtime_ns, s.st_size) for name, s in files))

    def cached(self, file: str) -> Path | None:
        """Where a file lies, or None."""
        path = Path(self.name) / file
        return path if path.is_file() else None

    def fetch(self, file: str) -> Generator[Progress, None, Path]:
        """Where a file lies.

        Raises:
            AbsentError: it is not there.
        """
        yield from ()
        return self.get(file)

    def get(self, file: str) -> Path:
        """The same."""
        path = self.cached(file)
        if path is None:
            raise AbsentError(
                f"There is no {file} in the folder {plain(self.name)}: save it there."
            )
        return path


@dataclass(frozen=True)
class HfWeights:
    """The weights of a classifier of transformers.

    Attributes:
        place: the repository or folder.
        network: class and configuration, which read the weights into a network.
    """

    place: Repository | Folder
    network: "HfNetwork"

    @property
    def name(self) -> str:
        """What sentences call them."""
        return f"{plain(self.place.name)}/{(self._files or [_WHOLE])[0]}"

    @property
    def present(self) -> bool:
        """Whether all of them are on this machine."""
        return bool(self._files)

    @property
    def megabytes(self) -> float | None:
        """Their size, once they are here."""
        paths = [self.place.cached(file) for file in self._files]
        return sum(path.stat().st_size for path in paths if path) / 1e6 if paths else None

    def download(self) -> Generator[Progress, None, None]:
        """Bring them into the hub's cache.

        Raises:
            ModelError: they are not available.
        """
        for file in _SOURCES:
            try:
                path = yield from self.place.fetch(file)
            except AbsentError:
                continue
            if file.endswith(_INDEX):
                yield from self._fetch_parts(path)
            return
        raise ModelError(
            f"{plain(self.place.name)} has neither {_WHOLE} nor {_OLD}, in one file or several: "
            "weights in another format cannot be read; save it again with save_pretrained."
        )

    def _fetch_parts(self, index: Path) -> Generator[Progress, None, None]:
        before = 0
        for file in _parts(index, self.place.name):
            for step in self.place.fetch(file):
                yield Progress(before + step.done, before + step.total)
            path = self.place.cached(file)
            before += path.stat().st_size if path else 0

    def load(self) -> tuple[Checkpoint, str]:
        """The state dict as transformers brings it into its network, and a digest of it.

        Raises:
            ModelError: they are not here, damaged, or not of that network.
        """
        state: dict[str, Any] = {}
        notes: tuple[str, ...] = ()
        for file in self._files:
            path = self.place.cached(file)
            if path is not None:
                held = read_state(path, f"{plain(self.place.name)}/{file}")
                state.update(held.state)
                notes += held.notes
        if not state:
            raise ModelError(f"The weights {self.name} are not on this machine.")
        filled = self.network.filled(state, self.name)
        return Checkpoint(filled, notes), digest_of(filled)

    @property
    def _files(self) -> list[str]:
        """The files that hold them; none where one is missing."""
        for file in _SOURCES:
            path = self.place.cached(file)
            if path is not None and not file.endswith(_INDEX):
                return [file]
            if path is not None:
                parts = _parts(path, self.place.name)
                return parts if all(self.place.cached(part) for part in parts) else []
        return []


def json_of(path: Path, name: str) -> dict[str, Any]:
    """What a JSON file of a model's holds.

    Args:
        path: the file.
        name: of the repository or folder, for sentences.

    Raises:
        ModelError: it is damaged, or no JSON object.
    """
    try:
        with open_regular(path) as file:
            found = read_json(file.read(_MOST + 1), _MOST)
    except (OSError, UnfoldingError) as error:
        raise ModelError(f"{path.name} of {plain(name)} cannot be read: copy it again.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path.name} of {plain(name)} holds no settings: copy it again.")
    return found


def _parts(index: Path, name: str) -> list[str]:
    """The files that an index names, in order.

    Raises:
        ModelError: it names none, or something else than files beside it.
    """
    held = json_of(index, name).get("weight_map")
    files = list(dict.fromkeys(held.values())) if isinstance(held, dict) else []
    suffix = Path(_WHOLE if index.name == _WHOLE + _INDEX else _OLD).suffix
    for file in files or [held]:
        if not (isinstance(file, str) and _PART.fullmatch(file) and file.endswith(suffix)):
            raise ModelError(
                f"{index.name} of {plain(name)} names {quoted(file)}, which is no file of weights "
                "beside it: copy it again."
            )
    return sorted(files)
