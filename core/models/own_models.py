"""An operator's own models: a folder with a sub-folder for each, its name the model's.

A sub-folder holds ``model.toml``, one file of weights or of a whole network and, if the description
says so, a list of classes. Nothing in it is run; a function of one's own that it names is, where
that is allowed, and so is code in the file of a network.
Everything that can be wrong is found when the folder is read, at the cost of the weights' headers:
a network of torchvision's is laid out without memory, on torch's meta device.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..errors import ModelError, UserError
from ..files.toml import Table
from ..pictures.preprocessing import Preprocessing
from ..text import quoted
from .catalogue import TIMM, ModelRecord, Network
from .checkpoints import fitted
from .descriptions import (
    DESCRIPTION,
    arguments_of,
    channels_notes,
    classes_of,
    facts_of,
    outputs_of,
    own_file,
    read_description,
    title_of,
)
from .extras import need
from .factories import CODE, BuiltWeights, is_factory, size_of
from .inceptions import transform_input
from .own_networks import architectures, laid_out, network_of
from .preprocessing_tables import preprocessing_of
from .program_records import described
from .programs import PROGRAMS, Kind, is_program, kind_of
from .state_dicts import SUFFIXES, is_weights, read_state
from .weights import Weights, WeightsFile

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def read_folder(
    folder: Path,
    known: Mapping[str, ModelRecord],
    factories: bool = False,
    only: str | None = None,
) -> tuple[dict[str, ModelRecord], dict[str, str]]:
    """The models of a folder by name, and, by name, why others in it cannot be used.

    Args:
        folder: with a sub-folder for each model; other files, and what begins with a dot, are left.
        known: the models there are already, whose names and titles are taken.
        factories: whether functions that descriptions name may be run.
        only: the name of the one that is read; by default all are.

    Raises:
        ModelError: the folder cannot be read.
    """
    own: dict[str, ModelRecord] = {}
    broken: dict[str, str] = {}
    for place in places_in(folder):
        if only not in (None, place.name):
            continue
        name = place.name if _NAME.fullmatch(place.name) else quoted(place.name)
        try:
            own[name] = _record(place, {**known, **own}, factories)
        except OSError as error:
            broken[name] = f"the folder {name} cannot be read ({error.strerror}): check its rights."
        except UserError as error:
            broken[name] = str(error)
    return own, broken


def places_in(folder: Path) -> list[Path]:
    """The sub-folders that hold a model each.

    Raises:
        ModelError: the folder cannot be read.
    """
    try:
        return sorted(
            each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
    except OSError as error:
        raise ModelError(
            f"The folder of models {folder} cannot be read ({error.strerror}): check its path."
        ) from error


def _record(place: Path, known: Mapping[str, ModelRecord], factories: bool) -> ModelRecord:
    name = place.name
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"The folder {quoted(name)} cannot be a model's name: use letters, digits, - and _, "
            "at most 64, the first a letter or digit."
        )
    if name in known:
        raise ModelError(f"There is a model {name} already: give the folder {name} another name.")
    table = read_description(own_file(place, DESCRIPTION), name)
    title = title_of(table)
    if title in {record.title for record in known.values()}:
        table.refuse("title", f"{title} is the title of another model: choose another.")
    files = _files(place)
    program = own_file(place, files[0]) if len(files) == 1 else None
    kind = None if program is None else _kind(program)
    if program is not None and kind is not None:
        return described(name, program, kind, table, allowed=factories)
    architecture = _architecture(table, factories)
    classes = classes_of(table, place)
    head = outputs_of(table, classes)
    outputs = 1 if head.kind == "binary" else len(classes)
    preprocessing, notes = _preprocessing(table, architecture)
    transforming, assumed = transform_input(table, architecture, preprocessing.channels)
    facts = facts_of(table)
    network = _network(table, architecture, outputs, preprocessing, transforming)
    table.finish()
    size = preprocessing.size
    expected = table.checked("architecture", lambda: laid_out(network, size, outputs))
    weights, done = _weights(place, files, network, expected, outputs)
    return ModelRecord(
        name=name,
        title=title,
        architecture=network.build,
        weights=weights,
        preprocessing=preprocessing,
        class_names=classes,
        **facts,
        network=network,
        head=head,
        notes=(
            *notes,
            *done,
            *assumed,
            *channels_notes(name, preprocessing.channels),
        ),
        code=_code(architecture),
    )


def _architecture(table: Table, factories: bool) -> str:
    """The name of a network that may be built."""
    name = table.take("architecture", str, "one of torchvision's classification models")
    if is_factory(name) and not factories:
        table.refuse(
            "architecture",
            f"architecture is {quoted(name)}, code that would be run: allow it with --factories on "
            "the command line, or factories=True in Python, if you know whose it is.",
        )
    if not (is_factory(name) or name.startswith(TIMM) or name in architectures()):
        table.refuse(
            "architecture",
            f"there is no architecture {quoted(name)}: give a classification model by "
            "torchvision's name, such as resnet18 or mobilenet_v3_small, or by timm's, such as "
            "timm:resnet18.",
        )
    return name


def _preprocessing(table: Table, architecture: str) -> tuple[Preprocessing, tuple[str, ...]]:
    """How photos become inputs, and a note if nobody said it."""
    if "preprocessing" in table or not architecture.startswith(TIMM):
        return preprocessing_of(table), ()
    from .timm_models import usual_preprocessing  # with timm

    found = table.checked("architecture", lambda: usual_preprocessing(architecture))
    height, width = found.size
    return found, (
        f"{table.file.name} does not say how the model sees a picture: {width} × {height} pixels, "
        f"resized and normalised as timm does for {architecture.removeprefix(TIMM)}, is assumed.",
    )


def _network(
    table: Table,
    architecture: str,
    outputs: int,
    preprocessing: Preprocessing,
    transforming: bool,
) -> Network:
    """How the network is built."""
    if is_factory(architecture):
        return Network(architecture, arguments_of(table), preprocessing.channels)
    return table.checked(
        "architecture", lambda: network_of(architecture, outputs, preprocessing, transforming)
    )


def _code(architecture: str) -> str:
    """What tells versions of the network's code apart."""
    if architecture.startswith(TIMM):
        return f"timm {need('timm').__version__}"
    return CODE if is_factory(architecture) else ""


def _files(place: Path) -> list[str]:
    """The names of the files that may hold weights or a network."""
    return sorted(
        each.name
        for each in place.iterdir()
        if (is_weights(each) or is_program(each)) and not each.name.startswith(".")
    )


def _kind(path: Path) -> Kind | None:
    """The kind of network that a file holds, if it holds one."""
    try:
        return kind_of(path)
    except OSError:  # which is told when the weights are read
        return None


def _weights(
    place: Path, found: list[str], network: Network, expected: dict[str, Tensor], outputs: int
) -> tuple[Weights, tuple[str, ...]]:
    """The weights that fit a network, and what was done to make them fit.

    They are in the one file, or, where there is none, come with what a function builds.
    """
    if is_factory(network.name) and not found:
        return BuiltWeights(network, size_of(expected)), ()
    path = _file(place, found)
    called = f"{place.name}/{path.name}"
    checkpoint = fitted(called, read_state(path, called, shapes_only=True), expected, outputs)
    return WeightsFile(
        path, sha256_prefix="", megabytes=path.stat().st_size / 1e6
    ), checkpoint.notes


def _file(place: Path, found: list[str]) -> Path:
    """The one file of weights."""
    if len(found) != 1:
        several = f"there are {len(found)} ({', '.join(map(quoted, found[:4]))})"
        raise ModelError(
            f"{place.name} needs one file of weights (*{', *'.join((*SUFFIXES, *PROGRAMS))}) "
            f"beside {DESCRIPTION}, and {several if found else 'there is none'}."
        )
    return own_file(place, found[0])
