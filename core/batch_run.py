"""One run over a folder of pictures: what is left to do is done, kept, and put into one table."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow.parquet as pq

from core.attribution import versions
from core.batch import Worker
from core.console import progress_line, say
from core.errors import FolderError, SettingError
from core.explainer import Explainer
from core.files import open_regular
from core.folder import Entry, Folder
from core.job import Job, MadeMaps, MadeRow, parts_of
from core.models import Classifier
from core.pace import Pace
from core.results import DECIDING, MANIFEST, PARTS, TABLE, Results, Row, run_of
from core.results_schema import COLUMNS
from core.whole import DiskFullError

Numbered = list[tuple[int, Sequence[Entry]]]


@dataclass
class _Counts:
    """What became of the pictures."""

    pictures: int = 0
    labelled: int = 0
    correct: int = 0
    explained: int = 0
    errors: int = 0


class Run:
    """One run of the command: what was done before is left, the rest is done and written."""

    def __init__(
        self, job: Job, folder: Folder, results: Results, arguments: argparse.Namespace
    ) -> None:
        """Load the model, and say what is asked of it."""
        self.job, self.folder, self.results, self.arguments = job, folder, results, arguments
        self.parts = parts_of(folder.entries)
        self.classifier: Classifier = Explainer().classifier(job.model, job.device)
        self.manifest = self._manifest()

    def _manifest(self) -> dict[str, Any]:
        manifest = {
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
        return {"run": run_of(manifest), **manifest}

    def finish(self, begun: dict[str, Any] | None) -> int:
        """Do what is left; the exit code.

        Args:
            begun: the manifest of what was begun before, if there is one.
        """
        self._check_same(begun)
        self._check_files()
        table, total = self.results.folder / TABLE, len(self.folder.entries)
        self.results.expect(self.manifest, len(self.parts))
        was_complete = self.results.is_complete(total)
        if not was_complete:
            self.results.begin(self.manifest)
            try:
                self.results.take_apart(total, len(self.parts[0]))
                self._work()
                rows = self.results.merge()
            except DiskFullError as error:
                raise DiskFullError(f"{error} {self._so_far()}") from error
            except BaseException:
                say(self._so_far(), aside=True)
                raise
            if rows != total:
                raise FolderError(
                    f"{table} holds {rows:,} of {total:,} pictures, because files were changed "
                    "meanwhile: run the same command again to go on."
                )
        counts = _counted(table)
        self.results.end({**self.manifest, "counts": vars(counts), "complete": True})
        if was_complete:
            say(f"{table} is complete; nothing was left to do.")
        else:
            say(f"Wrote {table}: {_words(counts)}")
        return 0

    def _check_same(self, begun: dict[str, Any] | None) -> None:
        """Refuse to mix what was asked differently."""
        out, run = self.results.folder, self.results.run if begun is None else begun["run"]
        if run in (None, self.manifest["run"]):
            return
        if begun is None:
            raise SettingError(
                f"{out} was begun by another command, and its {MANIFEST} is lost or damaged: "
                "give that command, choose another --out, or begin --again."
            )
        raise SettingError(
            f"{out} was begun {_difference(begun, self.manifest)}: give the same, choose another "
            "--out, or begin --again."
        )

    def _check_files(self) -> None:
        """Find what is not as it was written, and say so."""
        with progress_line() as show:
            damaged = self.results.check(show)
        if damaged:
            more = ", ..." if len(damaged) > 3 else ""
            say(
                f"{len(damaged):,} files in {self.results.folder} are not as they were written: "
                f"{', '.join(damaged[:3])}{more}. What is damaged is made again.",
                aside=True,
            )

    def _so_far(self) -> str:
        """Make a table of what is done; the sentence that says where it is, and how to go on."""
        table = self.results.folder / TABLE
        try:
            rows = self.results.merge()
        except DiskFullError:
            return (
                f"What is done so far can be read in {self.results.folder / PARTS}: "
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
            say(f"{total - left:,} of {total:,} pictures were done before.", aside=True)
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
        here = Worker(self.job, self.classifier)  # refuses what no worker could do
        if self.arguments.ray is None or not todo:
            return here.work(todo, self.results.has_maps)
        return ray_work()(self.job, todo, self.arguments.ray, self.arguments.workers)


def _difference(was: dict[str, Any], wanted: dict[str, Any]) -> str:
    """How what was begun differs from what is asked now."""

    def text(values: dict[str, Any], key: str) -> str:
        return json.dumps(values.get(key), sort_keys=True)

    key = next((key for key in DECIDING if text(was, key) != text(wanted, key)), "run")
    if key == "pictures_sha256":
        return "when the folder held other pictures or labels"
    if key == "settings":
        was, wanted = was[key], wanted[key]
        key = next(key for key in {**wanted, **was} if text(was, key) != text(wanted, key))
        return f"with {key} {text(was, key)}, not {text(wanted, key)}"
    return f"with {key} {was[key]}, not {wanted[key]}"


def _counted(table: Path) -> _Counts:
    """Count a table, in pieces."""
    counts = _Counts()
    with open_regular(table) as opened, pq.ParquetFile(opened) as file:
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


def ray_work() -> Callable[..., Iterator[MadeMaps | MadeRow]]:
    """The work as Ray does it.

    Raises:
        SettingError: Ray is not installed.
    """
    try:
        from core import ray_batch
    except ImportError as error:
        raise SettingError(
            "Ray is not installed: pip install -r requirements-cluster.txt, or leave out --ray."
        ) from error
    return ray_batch.work
