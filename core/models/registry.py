"""The registry of models, by name; it loads torch only if there are models of your own."""

import logging
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import ModelError
from ..text import did_you_mean, plain, quoted
from .catalogue import ModelRecord, builtin
from .weights import Progress

DEFAULT_MODEL = "efficientnet_lite0"
DEVICES = ("auto", "cuda", "mps", "cpu")
_log = logging.getLogger(__name__)
_FILES = (".pt2", ".onnx", ".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pth.tar")
FOLDER_VARIABLE = "WHERE_IT_LOOKED_MODELS"


def folder_or_default(given: Path | None) -> Path | None:
    """The folder that was given, or that the environment names, or None."""
    named = os.environ.get(FOLDER_VARIABLE)
    return given or (Path(named) if named else None)


def use_folder(folder: Path | None, *, read: bool = True) -> None:
    """From now on, offer the models of a folder too (see `own_models`); None: no others.

    A folder is read once: what is changed in it counts from the next start. The log says which of
    its models cannot be offered.

    Args:
        folder: with a sub-folder for each model.
        read: whether to read all of them now. Otherwise `record` reads the one that it is asked
            for, and functions of others are not run unless `records` or `broken` is called.

    Raises:
        ModelError: the folder cannot be read. None is then offered, rather than one from before.
    """
    global _folder, _whole
    _folder, _whole = None, read
    folder = folder and folder.absolute()  # of the folder that is current now
    if read:
        for name, why in _read(folder)[1].items():
            _log.warning("the model %s of %s is left out: %s", name, folder, why)
    else:
        _names(folder)
    _folder = folder


def records() -> dict[str, ModelRecord]:
    """All models by name: the embedded default first, those of one's own last."""
    return _read(_folder)[0]


def broken() -> dict[str, str]:
    """Models of one's own that cannot be offered, by name: why, in one sentence each."""
    return _read(_folder)[1]


def is_listed(name: str) -> bool:
    """Whether a model of this name comes along or has a sub-folder, be it broken."""
    return name in _names(_folder)


def allow_factories(named: Iterable[str] = (), described: bool = False) -> None:
    """From now on, these functions and files may be used to build networks; by default, none.

    Args:
        named: as for `allow_model`.
        described: whether functions may be run too that descriptions in the folder of models name,
            and files in it opened that hold code.
    """
    global _named
    _named = {}
    for name in named:
        allow_model(name)
    allow_described(described)


def allow_described(described: bool) -> None:
    """From now on, run what descriptions in the folder of models name, or do not."""
    global _described
    if _described != described:
        _described = described
        _read.cache_clear()


def allow_model(name: str) -> None:
    """Accept one more function or file, by the name that whoever runs this process has given it.

    Args:
        name: ``MODULE:FACTORY`` or the path of a file, as it was typed on the command line or in
            Python code; not one from an address, a bundle or another file. Other names need this
            not.
    """
    global _named
    is_path = name.lower().endswith(_FILES)
    _named = {**_named, name: str(Path(name).expanduser().absolute()) if is_path else name}


@dataclass(frozen=True)
class Offer:
    """What a process offers besides the models that come along, for others that work for it.

    Attributes:
        folder: of one's own models.
        named: functions and paths of files that were allowed, by the names that were given.
        described: whether those may be run that the folder's descriptions name.
        place: the current folder, where modules and folders of a hub's models are looked for.
    """

    folder: Path | None
    named: Mapping[str, str]
    described: bool
    place: Path


def offer() -> Offer:
    """What this process offers."""
    return Offer(_folder, _named, _described, Path.cwd())


def take_over(offered: Offer) -> None:
    """Offer what the process does that this one works for, from the same current folder.

    Raises:
        ModelError: the folder of models cannot be read.
    """
    global _named
    with suppress(OSError):  # this machine has no such folder: what is installed is found
        os.chdir(offered.place)
    allow_factories(described=offered.described)
    _named = offered.named
    use_folder(offered.folder, read=False)


_folder: Path | None = None
_whole = True  # whether all of it was read when it was offered
_named: Mapping[str, str] = {}
_described = False


def _names(folder: Path | None) -> list[str]:
    """The models that come along, and the sub-folders of one's own, none of which is read."""
    known = list(_read(None)[0])
    if folder is None:
        return known
    from .own_models import places_in

    return list(dict.fromkeys([*known, *(place.name for place in places_in(folder))]))


@lru_cache(32)
def _read(
    folder: Path | None, only: str | None = None
) -> tuple[dict[str, ModelRecord], dict[str, str]]:
    """The models with those of a folder, or of all in it only one; and why others are broken."""
    known = {record.name: record for record in builtin()}
    if folder is None:
        return known, {}
    from .own_models import read_folder  # with torch: it looks into the files of weights

    own, not_usable = read_folder(folder, known, factories=_described, only=only)
    return known | own, not_usable


def record(name: str) -> ModelRecord:
    """One record, of the registry or of a library.

    Args:
        name: a key of `records`; ``MODULE:FACTORY`` or the path of a file if it is allowed;
            ``timm:NAME`` by timm's names; or ``hf:ORG/NAME`` or ``hf:FOLDER`` of the Hugging Face
            hub, of which small files are downloaded.

    Raises:
        ModelError: there is no such model, it is one of one's own that is broken, or the library is
            not installed.
    """
    whole = _whole or _folder is None
    listed, not_usable = _read(_folder) if whole else _read(_folder, name)
    if name in listed:
        return listed[name]
    if name.startswith("timm:"):
        from .timm_models import timm_record  # only now: with torch, and with timm

        return timm_record(name)
    if name.startswith("hf:"):
        from .hf_models import hf_record  # with transformers

        return hf_record(name)
    if is_named_by_path(name):
        named = _as_named(name)
        if named is None:
            told = (
                "would run code of that name: it is run"
                if ":" in name
                else "is a file: it is opened"
            )
            raise ModelError(
                f"{quoted(name)} {told} only where the command line names it with --model, or "
                "Python code as the model of load or explain."
            )
        from .factories import factory_record, is_factory  # with torch

        if is_factory(named):
            return factory_record(named)
        if named.lower().endswith(_FILES):
            from .program_records import program_record  # with torch

            return program_record(named)
    if name in not_usable:
        raise ModelError(not_usable[name])
    names = _names(_folder)
    raise ModelError(
        f'There is no model "{name}"{did_you_mean(name, names)}: choose one of '
        f"{', '.join(map(plain, names))}, or give timm:NAME, hf:ORG/NAME or hf:FOLDER."
    )


def is_named_by_path(name: str) -> bool:
    """Whether a name is that of code or of a file, which no list of models has."""
    return ":" in name or is_file(name)


def is_file(name: str) -> bool:
    """Whether a name is that of a file with a network or weights, by its ending."""
    return name.lower().endswith(_FILES)


def _as_named(name: str) -> str | None:
    """A function or file that was allowed; a bundle has a file's name alone."""
    if name in _named:
        return _named[name]
    found = {each for each in _named.values() if each.lower().endswith(_FILES)}
    same = [each for each in found if Path(each).name == name]
    if len(same) > 1:
        raise ModelError(
            f"{quoted(name)} is the name of {len(same)} of the files that were given: rename all "
            "but one."
        )
    return same[0] if same else None


def download(name: str) -> Generator[Progress, None, None]:
    """Fetch a model's weights if they are not here, yielding progress in bytes.

    Raises:
        ModelError: the model is unknown, or its weights are not available.
    """
    weights = record(name).weights
    if not weights.present:
        yield from weights.download()
