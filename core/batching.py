"""The command ``batch``: a folder of pictures, done to the end whatever happens on the way."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import pyarrow.parquet as pq
import torch

from core import models
from core.attribution import versions
from core.batch import Worker
from core.console import progress_line
from core.errors import SettingError
from core.explainer import Explainer
from core.folder import Entry, Folder, list_folder
from core.job import BATCH, Job, MadeMaps, MadeRow, Only, Target, methods_of, parts_of
from core.models import Classifier
from core.pace import Pace
from core.results import COLUMNS, TABLE, DiskFullError, Results, Row, manifest_of
from core.work import OPTIONS

ONLY: tuple[Only, ...] = get_args(Only)
TARGETS: tuple[Target, ...] = get_args(Target)

Numbered = list[tuple[int, Sequence[Entry]]]


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
    for option, words in (
        ("batch", "pictures in a forward pass (what suits the device)"),
        ("threads", "of torch, and as many that read pictures (all cores)"),
    ):
        command.add_argument(f"--{option}", type=_positive, metavar="N", help=words)
    command.add_argument(
        "--again", action="store_true", help="throw away what an earlier run left in OUT"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def batch(arguments: argparse.Namespace) -> int:
    """Predict, and by choice explain, every picture of a folder."""
    given = {option: getattr(arguments, option) for option in OPTIONS if option in arguments}
    methods = methods_of(arguments.methods, given)  # a bad setting is refused before any download
    device = models.resolve_device(arguments.device)
    with progress_line() as show:
        for done, total in models.download(arguments.model):
            show(f"Downloading {arguments.model}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        show("Listing the pictures")
        folder = list_folder(arguments.folder, models.record(arguments.model).class_names)
    print(_labels(folder), file=sys.stderr)
    _check_labels(arguments, folder)
    results = Results(arguments.out)
    with results.writing():
        if arguments.again and results.manifest() is not None:
            results.clear()
        begun = results.manifest()
        asked = {} if begun is None else begun["settings"]
        job = Job(
            address=folder.address,
            model=arguments.model,
            device=device.type,
            methods=methods,
            only=arguments.only,
            target=arguments.target,
            score=arguments.score,
            batch=arguments.batch or asked.get("batch") or BATCH[device.type],
            threads=arguments.threads or asked.get("threads") or torch.get_num_threads(),
        )
        return _Run(job, folder, results, arguments).finish()


@dataclass
class _Counts:
    """What became of the pictures."""

    pictures: int = 0
    labelled: int = 0
    correct: int = 0
    explained: int = 0
    errors: int = 0


class _Run:
    """One run of the command: what was done before is left, the rest is done and written."""

    def __init__(
        self, job: Job, folder: Folder, results: Results, arguments: argparse.Namespace
    ) -> None:
        self.job, self.folder, self.results, self.arguments = job, folder, results, arguments
        self.parts = parts_of(folder.entries)
        self.classifier: Classifier = Explainer().classifier(job.model, job.device)
        self.manifest = self._manifest()

    def _manifest(self) -> dict[str, Any]:
        return {
            "folder": self.arguments.folder,
            "address": self.job.address,
            "model": self.job.model,
            "weights_sha256": self.classifier.weights_sha256,
            "settings": self.job.settings(),
            "pictures": len(self.folder.entries),
            "pictures_sha256": self.folder.digest,
            "versions": versions(),
            "columns": {
                name: {"type": str(kind), "meaning": meaning}
                for name, (kind, meaning) in COLUMNS.items()
            },
            "complete": False,
        }

    def finish(self) -> int:
        """Do what is left; the exit code."""
        begun = self.results.manifest()
        if begun is not None:
            _check_same(begun, self.manifest, self.results.folder)
            if begun.get("complete") and (self.results.folder / TABLE).exists():
                print(f"{self.results.folder / TABLE} is complete; nothing was left to do.")
                return 0
        run = {key: self.manifest[key] for key in _DECIDING}
        digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
        self.results.begin(self.manifest, digest, len(self.parts))
        try:
            self._work()
            self.results.merge()
        except DiskFullError as error:
            raise DiskFullError(f"{error} {self._so_far()}") from error
        except BaseException:
            print(self._so_far(), file=sys.stderr)
            raise
        counts = _counted(self.results.folder / TABLE)
        self.results.write_manifest({**self.manifest, "counts": vars(counts), "complete": True})
        self.results.drop_parts()
        print(f"Wrote {self.results.folder / TABLE}: {_words(counts)}")
        return 0

    def _so_far(self) -> str:
        """Make a table of what is done; the sentence that says where it is, and how to go on."""
        table = self.results.folder / TABLE
        try:
            rows = self.results.merge()
        except DiskFullError:
            return (
                f"What is done so far can be read in {self.results.folder / 'parts'}: "
                "make room, and run the same command again to go on."
            )
        done = f"{rows:,} of {len(self.folder.entries):,} pictures are in {table}"
        return f"{done}: run the same command again to go on (after making room, if need be)."

    def _work(self) -> None:
        """Do the parts that are not there, and keep each as soon as it is whole."""
        todo: Numbered = [
            (number, part)
            for number, part in enumerate(self.parts)
            if not self.results.has_part(number)
        ]
        left = sum(len(part) for _, part in todo)
        total = len(self.folder.entries)
        if 0 < left < total:
            print(f"{total - left:,} of {total:,} pictures were done before.", file=sys.stderr)
        waiting: dict[int, list[Row]] = {}
        pace, before = Pace(), perf_counter()
        with progress_line() as show:
            for made in self._made(todo):
                if isinstance(made, MadeMaps):
                    self.results.write_maps(made.name, made.data)
                    continue
                rows = waiting.setdefault(made.part, [])
                rows.append(made.row)
                if len(rows) == len(self.parts[made.part]):
                    self.results.write_part(made.part, waiting.pop(made.part))
                left -= 1
                now = perf_counter()
                pace.note("picture", 1, now - before)
                before = now
                seconds = timedelta(seconds=round(pace.seconds("picture", left) or 0))
                show(f"{total - left:,} of {total:,} pictures, {seconds} left")

    def _made(self, todo: Numbered) -> Iterator[MadeMaps | MadeRow]:
        return Worker(self.job, self.classifier).work(todo, self._known)

    def _known(self, name: str, asked: dict[str, Any]) -> bool:
        """Whether these maps were made before: by a run that was killed, or of a copy."""
        found = manifest_of(self.results.folder / name)
        return found is not None and {key: found.get(key) for key in asked} == asked


_DECIDING = ("address", "model", "weights_sha256", "settings", "pictures_sha256", "versions")


def _check_same(begun: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    """Refuse to mix what was asked differently."""
    for key in _DECIDING:
        was, wanted = begun.get(key), now[key]
        if was == wanted:
            continue
        what = f"with {key} {was}, not {wanted}"
        if key == "settings" and isinstance(was, dict):
            name = next(name for name in wanted if was.get(name) != wanted[name])
            what = f"with {name} {json.dumps(was.get(name))}, not {json.dumps(wanted[name])}"
        elif key == "pictures_sha256":
            what = "when the folder held other pictures or labels"
        raise SettingError(
            f"{out} was begun {what}: give the same, choose another --out, or begin --again."
        )


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
    text = f"{len(folder.entries):,} pictures, {labelled:,} with a label"
    if folder.without_class:
        shown = ", ".join(folder.without_class[:5])
        more = ", ..." if len(folder.without_class) > 5 else ""
        text += f"; these folders name no class of the model: {shown}{more}"
    return f"{text}."


def _counted(table: Path) -> _Counts:
    """Count a table, in pieces."""
    counts = _Counts()
    with pq.ParquetFile(table) as file:
        for piece in file.iter_batches(columns=["label", "correct", "maps", "error"]):
            counts.pictures += piece.num_rows
            counts.labelled += piece.num_rows - piece["label"].null_count
            counts.correct += piece["correct"].true_count
            counts.explained += piece.num_rows - piece["maps"].null_count
            counts.errors += piece.num_rows - piece["error"].null_count
    return counts


def _words(counts: _Counts) -> str:
    text = f"{counts.pictures:,} pictures"
    if counts.labelled:
        text += f", {counts.correct:,} of {counts.labelled:,} labelled ones right"
    if counts.explained:
        text += f", {counts.explained:,} explained"
    return f"{text}, {counts.errors:,} with an error."
