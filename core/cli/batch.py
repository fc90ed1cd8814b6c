"""The command ``batch``: predictions and maps for a folder of pictures, resumable."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from ..errors import SettingError
from ..folders.beside import with_shared_stems
from ..folders.given_maps import map_folder
from ..folders.job import BATCH, Job, methods_of
from ..folders.label_images import label_folder
from ..folders.listing import Folder, list_folder
from ..folders.localisation_means import localisation_lines
from ..folders.map_files import MAPS
from ..folders.masks import mask_folder
from ..folders.outcome import error_lines
from ..folders.results import PARTS, TABLE, Results
from ..folders.run import Console, Made, Numbered, Run
from ..folders.run_pictures import few
from ..methods import no_effect
from ..methods.baselines import PICTURE
from ..methods.given_setting import GIVEN, GivenSetting, check_said
from ..methods.method import Part
from ..methods.options import OPTIONS
from ..methods.registry import METHODS
from ..methods.settings import Setting
from ..models import classifiers, registry
from ..models.heads import Head
from ..pictures.picture import picture_from_bytes, read_picture
from ..text import counted
from ..trust.settings import FaithfulnessSetting
from .console import progress_line, say
from .given import check_said_of


def run(arguments: argparse.Namespace) -> int:
    """Predict, and by choice explain, every picture of a folder."""
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    elsewhere = _by_ray(arguments)
    # A bad setting is refused before any download.
    other = _other(given)
    of_maps = () if arguments.maps is None else ("baseline",)
    methods = methods_of(arguments.methods, given, of_maps)
    if arguments.trust and not (methods or arguments.maps):
        raise SettingError("--trust judges maps: give --methods, --maps, or both.")
    said = _said(arguments, given.get("baseline", "grey"))
    _check_used(arguments, methods, said is not None)
    regions = ""
    if arguments.label_images is not None:
        if "segments" in given:
            raise SettingError("--segments is of no use where --regions is given: leave one out.")
        regions = label_folder(arguments.label_images, methods)
    masks = ""
    if arguments.mask_images is not None:
        masks = mask_folder(arguments.mask_images, compared=bool(methods) or said is not None)
    device = classifiers.resolve_device(arguments.device)
    with progress_line() as show:
        for done, total in registry.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        show("Listing the pictures")
        record = registry.record(arguments.model)
        arrays = record.preprocessing.channels != 3
        folder = list_folder(arguments.folder, record.class_names, record.head, arrays=arrays)
        if regions or masks or said is not None:
            folder = replace(folder, entries=with_shared_stems(folder.entries))
    maps = None
    if said is not None:
        maps = map_folder(arguments.maps, arguments.channels)
        methods = (*methods, (GIVEN, said))
    say(_labels(folder, record.head), aside=True)
    for note in record.notes:
        say(note, aside=True)
    _check_labels(arguments, folder, record.head)
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
            regions=regions,
            masks=masks,
            given=maps,
            trust=FaithfulnessSetting() if arguments.trust else None,
            other=other,
        )
        run = Run(
            job,
            folder,
            results,
            named=arguments.folder,
            console=Console(partial(say, aside=True), progress_line),
            elsewhere=elsewhere,
        )
        say(run.finish(begun))
        for line in error_lines(arguments.out / TABLE):
            say(line, aside=True)
        for line in localisation_lines(arguments.out / TABLE):
            say(line)
    return 0


def _check_used(
    arguments: argparse.Namespace, methods: tuple[tuple[str, Setting], ...], elsewhere: bool
) -> None:
    """Refuse what is for maps where there are none, and say what has no effect on some.

    Raises:
        SettingError: it was given.
    """
    usual = {"only": "all", "target": "predicted", "score": "logit"}
    given = [option for option, value in usual.items() if getattr(arguments, option) != value]
    if given and not (methods or elsewhere):
        raise SettingError(f"--{given[0]} is for maps: give --methods too, or leave it out.")
    parts: list[Part] = [part for part in ("target", "score") if part in given]
    for _, setting in methods:
        for sentence in no_effect.of_question(METHODS[setting.name], parts):
            say(sentence, aside=True)


def _said(arguments: argparse.Namespace, baseline: str) -> GivenSetting | None:
    """What was said of the maps made elsewhere; None if there are none.

    Raises:
        SettingError: sign or unit are not said, or something is said of maps that are not there.
    """
    check_said_of(arguments, arguments.maps, "--maps DIR")
    if arguments.maps is None:
        return None
    sign = check_said(arguments.sign, arguments.unit)
    return GivenSetting(
        "",
        sign,
        arguments.unit,
        map_of=arguments.map_of,
        adds_up=arguments.adds_up,
        baseline=baseline,
    )


def _other(given: dict[str, Any]) -> bytes:
    """The file of ``--baseline picture:PATH``, which is known by its digest from then on.

    Raises:
        ImageError: it cannot be opened.
    """
    name, _, path = given.get("baseline", "").partition(":")
    if name != PICTURE or not path:
        return b""
    data = read_picture(path)
    given["baseline"] = f"{PICTURE}:{picture_from_bytes(data, trusted=True).sha256}"
    return data


def _by_ray(arguments: argparse.Namespace) -> Callable[[Job, str, Numbered], Made] | None:
    """What does the work on Ray; None where Ray is not asked for.

    Raises:
        SettingError: Ray is not installed, or --workers was given without it.
    """
    if arguments.ray is None:
        if arguments.workers is not None:
            raise SettingError("--workers are those of Ray: give --ray too.")
        return None
    try:
        from ..folders import ray_batch
    except ImportError as error:
        raise SettingError(
            "Ray is not installed: pip install -r requirements-cluster.txt, or leave out --ray."
        ) from error
    return lambda job, sha256, todo: ray_batch.work(
        job, sha256, todo, arguments.ray, arguments.workers
    )


def _check_labels(arguments: argparse.Namespace, folder: Folder, head: Head) -> None:
    """Refuse what needs labels where there are none."""
    if head.kind == "value" or any(entry.expected is not None for entry in folder.entries):
        return  # that values have no labels, the run says
    for option, value in (("only", "wrong"), ("target", "label")):
        if getattr(arguments, option) == value:
            raise SettingError(
                f"--{option} {value} needs labels, and {arguments.folder} has none: name its "
                "sub-folders by class or WordNet id, or give a CSV of path and label."
            )


def _labels(folder: Folder, head: Head) -> str:
    """How many pictures there are, and how many of them have a label or an expected value."""
    labelled = sum(entry.expected is not None for entry in folder.entries)
    unlisted = [entry.shown for entry in folder.entries if entry.unlisted]
    pictures = counted(len(folder.entries) - len(unlisted), "picture")
    text = f"{pictures}, {labelled:,} with "
    text += "an expected value" if head.kind == "value" else "a label"
    if folder.without_class:
        text += f"; these folders name no class of the model: {few(folder.without_class)}"
    for words, names in (
        ("these folders cannot be listed, and are rows with an error", unlisted),
        ("these are links to folders, which are not followed", folder.links),
    ):
        if names:
            text += f"; {words}: {few(names)}"
    return f"{text}."
