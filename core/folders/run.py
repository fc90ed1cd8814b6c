"""One resumable run over a folder of pictures, from listing to the finished table."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any

from ..errors import FolderError, SettingError
from ..explaining.explainer import Explainer
from ..explaining.timing import Pace
from ..files.atomic import DiskFullError
from ..methods.attribution import versions
from ..models.classifiers import Classifier
from .answers import Row
from .batch import Worker
from .differences import difference
from .job import Job, MadeMaps, MadeRow, parts_of
from .listing import Entry, Folder
from .outcome import outcome
from .results import MANIFEST, PARTS, TABLE, Results, run_of
from .results_schema import columns_of, kind_of, schema_of

Numbered = list[tuple[int, Sequence[Entry]]]
Made = Iterator[MadeMaps | MadeRow]


@dataclass(frozen=True)
class Console:
    """Where a run says what it does.

    Attributes:
        tell: prints a sentence that is no result.
        progress: gives a function that shows text on one line, which is cleared at the end.
    """

    tell: Callable[[str], object]
    progress: Callable[[], AbstractContextManager[Callable[[str], None]]]


class Run:
    """One run of the command: what was done before is left, the rest is done and written."""

    def __init__(
        self,
        job: Job,
        folder: Folder,
        results: Results,
        *,
        named: str,
        console: Console,
        elsewhere: Callable[[Job, str, Numbered], Made] | None = None,
    ) -> None:
        """Load the model, and say what is asked of it.

        Args:
            job: what is asked of each picture.
            folder: the pictures.
            results: where to write.
            named: the folder as its user named it, for the manifest.
            console: where to say what happens.
            elsewhere: does the work in place of this process, as `ray_batch.work` does.
        """
        self.job, self.folder, self.results = job, folder, results
        self.named, self.console, self.elsewhere = named, console, elsewhere
        self.parts = parts_of(folder.entries)
        self.classifier: Classifier = Explainer().classifier(job.model, job.device)
        job.check(self.classifier.head)
        self.kind = kind_of(self.classifier.head.kind)
        located = [name for name, _ in job.methods] if job.masks else []
        judged = [name for name, _ in job.methods] if job.trust is not None else []
        self.columns = columns_of(self.kind, located, judged)
        self.manifest = self._manifest()

    def _manifest(self) -> dict[str, Any]:
        manifest = {
            "folder": self.named,
            "address": self.job.address,
            "model": self.job.model,
            "weights_sha256": self.classifier.weights_sha256,
            "settings": self.job.settings(self.classifier.head),
            "pictures": len(self.folder.entries),
            "pictures_sha256": self.folder.digest,
            "versions": versions(),
            "columns": {
                name: {"type": str(kind), "meaning": meaning}
                for name, (kind, meaning) in self.columns.items()
            },
            "complete": False,
        }
        return {"run": run_of(manifest), **manifest}

    def finish(self, begun: dict[str, Any] | None) -> str:
        """Do what is left; the sentence that says what became of the pictures.

        Args:
            begun: the manifest of what was begun before, if there is one.
        """
        self._check_same(begun)
        self._check_files()
        table, total = self.results.folder / TABLE, len(self.folder.entries)
        self.results.expect(self.manifest, len(self.parts), schema_of(self.columns))
        was_complete = self.results.is_complete(total)
        if not was_complete:
            self.results.begin(self.manifest)
            try:
                self.results.take_apart(total, len(self.parts[0]))
                self._work()
                rows = self.results.merge()
            except DiskFullError as error:
                raise DiskFullError(f"{error} {self._so_far()}") from error
            except SettingError:  # the same command would end so again
                raise
            except BaseException:
                self.console.tell(self._so_far())
                raise
            if rows != total:
                raise FolderError(
                    f"{table} holds {rows:,} of {total:,} pictures, because files were changed "
                    "meanwhile: run the same command again to go on."
                )
        became = outcome(table, self.kind, [name for name, _ in self.job.methods])
        self.results.end({**self.manifest, "counts": became.counts, "complete": True})
        if was_complete:
            return f"{table} is complete; nothing was left to do."
        return f"Wrote {table}: {became.sentence}"

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
            f"{out} was begun {difference(begun, self.manifest)}: give the same again, choose "
            "another --out, or begin --again."
        )

    def _check_files(self) -> None:
        """Find what is not as it was written, and say so."""
        with self.console.progress() as show:
            damaged = self.results.check(show)
        if damaged:
            more = ", ..." if len(damaged) > 3 else ""
            self.console.tell(
                f"{len(damaged):,} files in {self.results.folder} are not as they were written: "
                f"{', '.join(damaged[:3])}{more}. What is damaged is made again."
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
        return f"{done}: run the same command again to go on."

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
            self.console.tell(f"{total - left:,} of {total:,} pictures were done before.")
        waiting: dict[int, list[Row]] = {}
        pace, before = Pace(), perf_counter()
        with self.console.progress() as show:
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

    def _made(self, todo: Numbered) -> Made:
        here = Worker(self.job, self.classifier)  # refuses what no worker could do
        if self.elsewhere is None or not todo:
            return here.work(todo, self.results.known_maps)
        return self.elsewhere(self.job, self.classifier.weights_sha256, todo)
