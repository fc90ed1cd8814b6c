"""Records of networks that lie in a file, which knows little more of itself than what it computes.

What it does not say is taken from a ``model.toml`` in its folder; what nobody says is assumed, and
told in notes.
"""

from functools import lru_cache
from pathlib import Path

import torch

from ..errors import ModelError
from ..files.toml import Table, TomlFile
from ..pictures.channels import PHOTOS
from ..pictures.preprocessing import Preprocessing
from ..text import plain, quoted
from .catalogue import ModelRecord, imagenet_classes
from .descriptions import (
    DESCRIPTION,
    channels_notes,
    classes_of,
    facts_of,
    outputs_of,
    own_file,
    read_description,
    title_of,
)
from .extras import need
from .heads import HEAD_KINDS, HeadKind, assumed_head
from .preprocessing_tables import preprocessing_of
from .program_networks import load, tried
from .programs import (
    LAYOUTS,
    RUNS_CODE,
    TITLES,
    Input,
    Kind,
    Layout,
    Opened,
    Program,
    ProgramFile,
    kind_of,
    shape_of,
)
from .state_dicts import read_state
from .weights import check_not_empty


def program_record(name: str) -> ModelRecord:
    """The network in a file, by the path that was typed; its name is the file's.

    This may run code from it.

    Raises:
        ModelError: it cannot be used, or holds no whole network.
    """
    path = Path(name).expanduser()
    try:
        path = path.resolve(strict=True)
        description = path.parent / DESCRIPTION
        stamps = tuple(_stamp(each) for each in (path, description) if each.is_file())
        kind = kind_of(path)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            f"The model {quoted(name)} cannot be read ({plain(reason)}): check its path."
        ) from error
    if kind is None:
        read_state(path, shapes_only=True)  # refuses what is no state dict either
        raise ModelError(
            f"{plain(path.name)} holds weights alone: put it into a folder of models beside a "
            f"{DESCRIPTION} that names its architecture, and give that folder with --models, or "
            "in Python to use_folder."
        )
    return _known(path, kind, stamps)


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was changed, in ns, and its size."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(8)
def _known(path: Path, kind: Kind, _: tuple[tuple[int, int], ...]) -> ModelRecord:
    if (path.parent / DESCRIPTION).is_file():
        table = read_description(own_file(path.parent, DESCRIPTION), path.parent.name)
    else:
        table = Table(TomlFile(path, "", {}, plain(path.name), ModelError), (), {})
    return described(path.name, path, kind, table, allowed=True)


def described(name: str, path: Path, kind: Kind, table: Table, allowed: bool) -> ModelRecord:
    """The network in a file with what its description says.

    Args:
        name: of the model.
        path: of the file.
        kind: what it holds.
        table: the description, of which nothing else is known yet.
        allowed: whether code from the file may be run.

    Raises:
        ModelError: it cannot be used.
    """
    file = plain(path.name)
    check_not_empty(path, file)
    if kind in RUNS_CODE and not allowed:
        raise ModelError(
            f"{file} is {_a(TITLES[kind])}, and to open it is to run code from it: allow that with "
            "--factories on the command line, or factories=True in Python, if you know whose it is."
        )
    title = title_of(table, file)
    if "architecture" in table:
        table.refuse(
            "architecture", f"{file} holds the whole network: leave architecture out here."
        )
    layout = _layout(table)
    head_kind = _head_kind(table)
    stamp = _stamp(path)
    loaded = load(path, kind)
    usual = shape_of(file, loaded.shape, layout)
    if usual.channels not in PHOTOS and "preprocessing" not in table:
        raise ModelError(
            f"{file} takes {usual.channels} channels ({usual.layout}), and a photo has 3: give "
            f"what they are, [preprocessing] with mean and std, in a {DESCRIPTION} beside it."
        )
    preprocessing = preprocessing_of(table, usual.channels, usual.size)
    given = Input(usual.layout, preprocessing.channels, preprocessing.size)
    _check_like(file, table, loaded.shape, given)
    opened = loaded.prepare(head_kind, given)
    outputs, alone = tried(file, opened, given)
    head_kind = head_kind or _usual_head(opened, outputs)
    names = _names(table, path, head_kind, outputs)
    head = outputs_of(table, names, head_kind)
    if (1 if head.kind == "binary" else len(names)) != outputs:
        table.refuse(
            "classes",
            f"{file} gives {outputs:,} scores, and {len(names):,} classes are named: name one for "
            "each.",
        )
    facts = facts_of(table)
    table.finish()
    program = Program(
        name=kind,
        head=head.kind,
        layout=given.layout,
        alone=alone,
        ending=opened.ending,
        channels=given.channels,
        size=given.size,
        beside=loaded.beside,
        path=path,
    )
    return ModelRecord(
        name=name,
        title=title,
        architecture=program.build,
        weights=ProgramFile(path, loaded.beside, stamp),
        preprocessing=preprocessing,
        class_names=names,
        **facts,
        network=program,
        head=head,
        notes=(
            *_notes(file, table, opened, program, preprocessing, outputs),
            *channels_notes(file, given.channels),
        ),
        code=_code(kind),
    )


def _a(title: str) -> str:
    return f"{'an' if title[0] in 'aeiouAEIOU' else 'a'} {title}"


def _layout(table: Table) -> Layout | None:
    words = "NCHW (channels first) or NHWC (channels last)"
    found = table.take("layout", str, words, None)
    if found is not None and found not in LAYOUTS:
        table.refuse("layout", f"layout is {quoted(found)}: give {words}.")
    return found


def _head_kind(table: Table) -> HeadKind | None:
    """The kind of head that the description names, if it is one."""
    found = table.take("head", str, f"one of {', '.join(HEAD_KINDS)}", None)
    return next((kind for kind in HEAD_KINDS if kind == found), None)


def _check_like(file: str, table: Table, shape: tuple[int | None, ...], given: Input) -> None:
    """See that a description does not contradict the file."""
    high, wide = given.size
    told = (given.channels, high, wide) if given.layout == "NCHW" else (high, wide, given.channels)
    if any(axis not in (None, said) for axis, said in zip(shape[1:], told, strict=False)):
        sides = " × ".join("any" if axis is None else str(axis) for axis in shape[1:])
        table.refuse(
            "preprocessing",
            f"{file} takes {sides} ({given.layout[1:]}), and the preprocessing gives "
            f"{' × '.join(map(str, told))}: give the size and channels that it takes.",
        )


def _usual_head(opened: Opened, outputs: int) -> HeadKind:
    if opened.ending == "sigmoid":
        return "binary" if outputs == 1 else "sigmoid"
    return assumed_head(outputs).kind


def _names(table: Table, path: Path, head: HeadKind, outputs: int) -> tuple[str, ...]:
    if "classes" in table:
        return classes_of(table, path.parent)
    if head == "binary":
        return "negative", "positive"
    known = imagenet_classes()
    return known if outputs == len(known) else tuple(f"class {i}" for i in range(outputs))


def _notes(
    file: str,
    table: Table,
    opened: Opened,
    program: Program,
    preprocessing: Preprocessing,
    outputs: int,
) -> tuple[str, ...]:
    """What was assumed, and how the network is run."""
    found: list[str] = []
    if "preprocessing" not in table:
        resized, (high, wide) = preprocessing.resize, program.size
        found.append(
            f"{file} does not say how it sees a picture: its short side resized to {resized}, "
            f"cropped to {wide} × {high} and normalised as for ImageNet is assumed."
        )
    if "classes" not in table and program.head != "value":
        called = "ImageNet's" if outputs == len(imagenet_classes()) else "called by their numbers"
        called = "called negative and positive" if program.head == "binary" else called
        found.append(f"{file} does not name its classes: they are {called}.")
    if "head" not in table:
        because = f", as the {opened.ending} at its end says" if opened.ending else ""
        found.append(f"The head {program.head} is assumed for {file}{because}.")
    if opened.ending:
        found.append(f"The {opened.ending} at its end is left out, so that logits are explained.")
    if program.layout == "NHWC":
        found.append(f"{file} takes the channels last (NHWC).")
    if program.alone:
        found.append(f"{file} takes one picture at a time.")
    if opened.dtype != torch.float32:
        found.append(f"{file} computes in {str(opened.dtype).removeprefix('torch.')}.")
    return (*found, *opened.notes)


def _code(kind: Kind) -> str:
    """The versions that what a file computes depends on."""
    if kind != "onnx":
        return f"torch {torch.__version__}"
    return f"onnxruntime {need('onnxruntime').__version__}"
