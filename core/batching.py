"""The command ``batch``: a folder of pictures, done to the end whatever happens on the way."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from core import models
from core.batch_run import Run, ray_work
from core.console import progress_line, say
from core.errors import SettingError
from core.folder import Folder, list_folder
from core.job import BATCH, MOST_AT_ONCE, Job, Only, Target, methods_of
from core.map_files import MAPS
from core.results import PARTS, Results
from core.work import OPTIONS

ONLY: tuple[Only, ...] = get_args(Only)
TARGETS: tuple[Target, ...] = get_args(Target)


def add_options(command: argparse.ArgumentParser) -> None:
    """What only this command is asked."""
    command.add_argument(
        "folder",
        metavar="FOLDER",
        help="pictures, in sub-folders named by class if there are labels; or a CSV of path and "
        "label; or an address such as s3://bucket/pictures",
    )
    command.add_argument("--out", type=Path, required=True, metavar="OUT", help="where to write")
    command.add_argument(
        "--methods",
        default="",
        metavar="NAMES",
        help="how to explain, separated by commas: occlusion,ig (not at all)",
    )
    command.add_argument("--only", choices=ONLY, default="all", help="which to explain (all)")
    command.add_argument(
        "--target",
        choices=TARGETS,
        default="predicted",
        help="class to explain; contrast: the predicted one less the label, or where that is the "
        "same, less the second (predicted)",
    )
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="do it on a Ray cluster, or on processes of this machine: local",
    )
    for option, words in (
        ("workers", "on Ray (as many as there are CPUs for)"),
        ("batch", "pictures in a forward pass (what suits the device)"),
        (
            "threads",
            "that decode pictures, then predict (as many as torch takes; 1 for each worker on Ray)",
        ),
    ):
        command.add_argument(f"--{option}", type=_count, metavar="N", help=words)
    command.add_argument(
        "--again", action="store_true", help="throw away what an earlier run left in OUT"
    )


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 to {MOST_AT_ONCE:,}")
    return number


def batch(arguments: argparse.Namespace) -> int:
    """Predict, and by choice explain, every picture of a folder."""
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    if arguments.ray is not None:
        ray_work()
    elif arguments.workers is not None:
        raise SettingError("--workers are those of Ray: give --ray too.")
    methods = methods_of(arguments.methods, given)  # a bad setting is refused before any download
    device = models.resolve_device(arguments.device)
    with progress_line() as show:
        for done, total in models.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        show("Listing the pictures")
        folder = list_folder(arguments.folder, models.record(arguments.model).class_names)
    say(_labels(folder), aside=True)
    _check_labels(arguments, folder)
    results = Results(arguments.out)
    with results.writing():
        begun = results.manifest()
        if arguments.again:
            begun = None
            if not results.clear():
                say(
                    f"{arguments.out} holds other files in {MAPS} or {PARTS}: they are left there.",
                    aside=True,
                )
        asked = {} if begun is None else begun["settings"]
        usual_threads = torch.get_num_threads() if arguments.ray is None else 1
        job = Job(
            address=folder.address,
            model=arguments.model,
            device=device.type,
            methods=methods,
            only=arguments.only,
            target=arguments.target,
            score=arguments.score,
            batch=arguments.batch or asked.get("batch") or BATCH[device.type],
            threads=arguments.threads or asked.get("threads") or usual_threads,
        )
        return Run(job, folder, results, arguments).finish(begun)


def _check_labels(arguments: argparse.Namespace, folder: Folder) -> None:
    """Refuse what needs labels where there are none."""
    if any(entry.label is not None for entry in folder.entries):
        return
    for option, value in (("only", "wrong"), ("target", "label")):
        if getattr(arguments, option) == value:
            raise SettingError(
                f"--{option} {value} needs labels, and {arguments.folder} has none: name its "
                "sub-folders by class or WordNet id, or give a CSV of path and label."
            )


def _labels(folder: Folder) -> str:
    """How many pictures there are, and how many of them have a label."""
    labelled = sum(entry.label is not None for entry in folder.entries)
    unlisted = [entry.shown for entry in folder.entries if entry.unlisted]
    text = f"{len(folder.entries) - len(unlisted):,} pictures, {labelled:,} with a label"
    if folder.without_class:
        text += f"; these folders name no class of the model: {_few(folder.without_class)}"
    for words, names in (
        ("these folders cannot be listed, and are rows with an error", unlisted),
        ("these are links to folders, which are not followed", folder.links),
    ):
        if names:
            text += f"; {words}: {_few(names)}"
    return f"{text}."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
