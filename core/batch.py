"""Predictions and maps of many pictures: the work, without where it runs or is written.

On a CPU all threads decode a few pictures, then all predict: side by side they would take the
cores from one another, and torch's threads, which wait for the slowest of them, would lose more by
it than the change costs. Another device predicts while the next pictures are decoded, and files are
read meanwhile in either case.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from core import methods
from core.allocation import keep_freed_memory
from core.attribution import Attribution, versions
from core.checks import finite
from core.errors import ImageError, ModelError, ResourceError, SettingError
from core.explainer import Explainer
from core.folder import Entry, read_entry
from core.free_memory import memory_for
from core.images import digest, open_image
from core.job import PART, Job, MadeMaps, MadeRow
from core.map_files import MAPS, map_file
from core.memory import memory
from core.models import Classifier
from core.picture import Picture
from core.preprocessing import Box
from core.results import Row
from core.scores import Question
from core.settings import method_name

_READERS = 8  # they wait for a disk or a network most of the time
_TOP = 5

Known = Callable[[str, dict[str, Any]], bool]


@dataclass(frozen=True)
class _Read:
    """A file's bytes, or why they cannot be had."""

    entry: Entry
    seconds: float
    data: bytes
    error: str | None


@dataclass(frozen=True)
class _Seen:
    """A picture as the model sees it, or why it cannot: small, whatever the size of the photo."""

    entry: Entry
    seconds: float
    sha256: str | None = None
    image: Image.Image | None = None
    inputs: Tensor | None = None
    error: str | None = None


class Worker:
    """A model, loaded once, for as many parts as come."""

    def __init__(self, job: Job, classifier: Classifier | None = None) -> None:
        """Load the model, unless it is given.

        Raises:
            ModelError: its weights cannot be had.
            SettingError: a method is not to be had for the model.
        """
        torch.set_num_threads(job.threads)
        keep_freed_memory()
        self.job = job
        self.classifier = classifier or Explainer().classifier(job.model, job.device)
        self._shares_cores = self.classifier.device.type == "cpu"
        side = self.classifier.record.preprocessing.crop
        blank = torch.zeros(1, 3, side, side, device=self.classifier.device)
        self._network = memory.prepared(self.classifier.module, blank).network
        for name, setting in job.methods:
            reason = methods.why_not(self.classifier.module, blank, method_name(setting))
            if reason is not None:
                raise SettingError(f"{name} cannot be had of {job.model}: {reason}.")

    def work(
        self,
        parts: Iterable[tuple[int, Sequence[Entry]]],
        known: Known = lambda _name, _asked: False,
    ) -> Iterator[MadeMaps | MadeRow]:
        """Do parts, yielding each file of maps, then the row of its picture; rows are in order.

        Args:
            parts: their numbers and pictures.
            known: whether a file of maps is there already, given its name and what it was to be
                asked.
        """
        sizes: deque[tuple[int, int]] = deque()

        def entries() -> Iterator[Entry]:
            for number, part in parts:
                sizes.append((number, len(part)))
                yield from part

        with contextlib.closing(self._seen(entries())) as seen:
            for first in seen:
                number, left = sizes.popleft()
                made: set[str] = set()  # a picture may be there under two names
                batch = [first, *islice(seen, min(self.job.batch, left) - 1)]
                while batch:
                    for picture, row in self._rows(batch):
                        yield from self._explained(picture, row, made, known)
                        yield MadeRow(number, row)
                    left -= len(batch)
                    batch = list(islice(seen, min(self.job.batch, left)))

    def _seen(self, entries: Iterator[Entry]) -> Generator[_Seen, None, None]:
        """Read and decode a part's worth at a time, in order."""
        with (
            ThreadPoolExecutor(_READERS, "read") as readers,
            ThreadPoolExecutor(self.job.threads, "decode") as decoders,
        ):

            def decoded(reading: list[Future[_Read]]) -> list[Future[_Seen]]:
                return [decoders.submit(self._decode, read) for read in reading]

            def read() -> list[Future[_Read]]:
                return [readers.submit(self._read, entry) for entry in islice(entries, PART)]

            reading = read()
            decoding = decoded(reading)
            try:
                while decoding:
                    seen = [future.result() for future in decoding]
                    reading = read()
                    decoding = [] if self._shares_cores else decoded(reading)
                    yield from seen
                    decoding = decoding or decoded(reading)
            finally:
                waiting: list[Future[Any]] = [*reading, *decoding]
                for future in waiting:
                    future.cancel()

    def _read(self, entry: Entry) -> _Read:
        started = time.perf_counter()
        data, error = b"", None
        try:
            data = read_entry(self.job.address, entry)
        except ImageError as why:
            error = str(why)
        return _Read(entry, time.perf_counter() - started, data, error)

    def _decode(self, reading: Future[_Read]) -> _Seen:
        read = reading.result()
        if read.error is not None:
            return _Seen(read.entry, read.seconds, error=read.error)
        started = time.perf_counter()
        sha256 = digest(read.data)
        image = inputs = error = None
        try:
            preprocessing = self.classifier.record.preprocessing
            image = preprocessing.picture(open_image(read.data, trusted=True))
            inputs = preprocessing.tensor(image, _all_of(image))
        except ImageError as why:
            error = str(why)
        seconds = read.seconds + time.perf_counter() - started
        return _Seen(read.entry, seconds, sha256, image, inputs, error)

    def _rows(self, batch: list[_Seen]) -> Iterator[tuple[_Seen, Row]]:
        """The predictions of a batch, as rows without maps."""
        started = time.perf_counter()
        readable = [seen.inputs for seen in batch if seen.inputs is not None]
        columns = iter(self._predicted(readable, batch) if readable else ())
        share = (time.perf_counter() - started) / len(batch)
        for seen in batch:
            row: Row = {
                "path": seen.entry.shown,
                "sha256": seen.sha256,
                "label": seen.entry.label,
                "label_name": self._name(seen.entry.label),
                "seconds": seen.seconds + share,
                "error": seen.error,
            }
            yield seen, row | (next(columns) if seen.inputs is not None else {})

    def _predicted(self, inputs: list[Tensor], batch: list[_Seen]) -> list[Row]:
        """What the model says of each input (1, 3, H, W), columns for all of them at once."""
        with memory_for("A batch of pictures"):
            logits = self._network.dense(torch.cat(inputs).to(self.classifier.device))
        logits = logits.double().cpu()
        good = logits.isfinite().all(-1)
        logs = torch.where(good[:, None], logits, torch.zeros_like(logits)).log_softmax(-1)
        chances = logs.exp()
        top = chances.argsort(descending=True, stable=True)[:, :_TOP]
        best = chances.gather(1, top)
        entropy = torch.special.entr(chances).sum(-1).tolist()
        labels = [seen.entry.label for seen in batch if seen.inputs is not None]
        rows: list[Row] = []
        for n, (label, indices, likely) in enumerate(
            zip(labels, top.tolist(), best.tolist(), strict=True)
        ):
            if not good[n]:
                rows.append({"error": _not_finite(logits[n : n + 1])})
                continue
            rows.append(
                {
                    "predicted": indices[0],
                    "predicted_name": self._name(indices[0]),
                    "probability": likely[0],
                    "top5_index": indices,
                    "top5_name": [self._name(index) for index in indices],
                    "top5_probability": likely,
                    "correct": None if label is None else indices[0] == label,
                    "margin": likely[0] - likely[1] if len(likely) > 1 else likely[0],
                    "entropy": entropy[n],
                    "loss": None if label is None else -float(logs[n, label]),
                }
            )
        return rows

    def _name(self, index: int | None) -> str | None:
        return None if index is None else self.classifier.class_names[index]

    def _explained(self, seen: _Seen, row: Row, made: set[str], known: Known) -> Iterator[MadeMaps]:
        """The maps of a picture, where they are wanted and new; its row is told of them."""
        question = self._question(row)
        if question is None or seen.image is None:
            return
        started = time.perf_counter()
        name = self._map_name(row["sha256"], question)
        asked = self._asked(row["sha256"], question)
        try:
            if name not in made and not known(name, asked):
                yield MadeMaps(name, self._maps(seen.image, question, asked))
            made.add(name)
            row["maps"] = name
        except (ModelError, ResourceError) as error:
            row["error"] = str(error)
        row["seconds"] += time.perf_counter() - started

    def _question(self, row: Row) -> Question | None:
        """What is asked about a picture, or None where it is not to be explained."""
        job, label, predicted = self.job, row["label"], row.get("predicted")
        if (
            not job.methods
            or predicted is None
            or (job.only == "wrong" and row["correct"] is not False)
        ):
            return None
        if job.target == "predicted":
            return Question(predicted, None, job.score)
        if job.target == "label":
            return None if label is None else Question(label, None, job.score)
        other = row["top5_index"][1] if label in (None, predicted) else label
        return Question(predicted, other, job.score)

    def _map_name(self, sha256: str, question: Question) -> str:
        """Where the maps of a picture are; its copies share them, if the same is asked of them."""
        classes = "" if self.job.target == "predicted" else f"-{question.target}"
        if question.contrast is not None:
            classes += f"-{question.contrast}"
        return f"{MAPS}/{sha256[:2]}/{sha256}{classes}.npz"

    def _asked(self, sha256: str, question: Question) -> dict[str, Any]:
        """What decides the maps of a picture, as JSON types."""
        return {
            "picture_sha256": sha256,
            "model": self.job.model,
            "weights_sha256": self.classifier.weights_sha256,
            "device": self.job.device,
            **asdict(question),
            "target_name": self._name(question.target),
            "contrast_name": self._name(question.contrast),
            "methods": self.job.settings()["methods"],
            "versions": versions(),
        }

    def _maps(self, image: Image.Image, question: Question, asked: dict[str, Any]) -> bytes:
        # The image is the whole of the model's input: as a region, it is taken as it is.
        picture = Picture(asked["picture_sha256"], image, region=_all_of(image))
        explainer = Explainer()  # and with it goes what it remembers
        made: dict[str, Attribution] = {}
        for name, setting in self.job.methods:
            made[name] = explainer.attribution(self.classifier, picture, setting, question)
        memory.forget_scores()
        told = {
            name: {
                "units": one.units,
                "forward_passes": one.forward_passes,
                "score_change": one.change,
                "completeness_gap": one.gap,
            }
            for name, one in made.items()
        }
        return map_file({name: one.values for name, one in made.items()}, {**asked, "maps": told})


def _all_of(image: Image.Image) -> Box:
    return Box(0, 0, *image.size)


def _not_finite(logits: Tensor) -> str:
    try:
        finite(logits)
    except ModelError as error:
        return str(error)
    return ""
