"""Computes predictions and maps of many pictures, in batches.

On a CPU all threads decode a few pictures, then all predict: side by side they would take the
cores from one another, and torch's threads, which wait for the slowest of them, would lose more by
it than the change costs. Another device predicts while the next pictures are decoded, and files are
read meanwhile in either case.
"""

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..engine.allocation import keep_freed_memory
from ..engine.checks import finite
from ..engine.free_memory import memory_for
from ..engine.remembered import memory
from ..errors import ImageError, ModelError, SettingError
from ..explaining.explainer import Explainer
from ..methods.availability import why_not
from ..methods.given_setting import GivenSetting
from ..models.classifiers import Classifier
from ..pictures.images import digest
from ..pictures.picture import picture_from_bytes
from .answers import Row, answers, expected_of
from .job import PART, Job, MadeMaps, MadeRow
from .listing import Entry, read_entry
from .picture_maps import Known, PictureMaps, Seen, Told

_READERS = 8  # they wait for a disk or a network most of the time


@dataclass(frozen=True)
class _Read:
    """A file's bytes, or why they are not available."""

    entry: Entry
    seconds: float
    data: bytes
    error: str | None


class Worker:
    """A model, loaded once, for as many parts as come."""

    def __init__(self, job: Job, classifier: Classifier | None = None) -> None:
        """Load the model, unless it is given.

        Raises:
            ModelError: its weights are not available.
            SettingError: a method is not available for the model.
        """
        torch.set_num_threads(job.threads)
        keep_freed_memory()
        self.job = job
        self.classifier = classifier or Explainer().classifier(job.model, job.device)
        self._shares_cores = self.classifier.device.type == "cpu"
        preprocessing = self.classifier.record.preprocessing
        shape = 1, preprocessing.channels, *preprocessing.size
        blank = torch.zeros(shape, device=self.classifier.device)
        self._network = memory.prepared(self.classifier.module, blank).network
        for name, setting in job.methods:
            if isinstance(setting, GivenSetting):
                continue  # a file may be given for any model
            reason = why_not(self.classifier.module, blank, setting.name, self.classifier.head)
            if reason is not None:
                raise SettingError(f"{name} is not available for {job.model}: {reason}.")
        self._maps = PictureMaps(job, self.classifier)

    def work(
        self,
        parts: Iterable[tuple[int, Sequence[Entry]]],
        known: Known = lambda _name, _asked: None,
    ) -> Iterator[MadeMaps | MadeRow]:
        """Do parts, yielding each file of maps, then the row of its picture; rows are in order.

        Args:
            parts: their numbers and pictures.
            known: looks for files of maps from a run before.
        """
        sizes: deque[tuple[int, int]] = deque()

        def entries() -> Iterator[Entry]:
            for number, part in parts:
                sizes.append((number, len(part)))
                yield from part

        with contextlib.closing(self._seen(entries())) as seen:
            for first in seen:
                number, left = sizes.popleft()
                made: dict[str, Told] = {}  # a picture may be there under two names
                batch = [first, *islice(seen, min(self.job.batch, left) - 1)]
                while batch:
                    for picture, row in self._rows(batch):
                        yield from self._maps.explained(picture, row, made, known)
                        yield MadeRow(number, row)
                    left -= len(batch)
                    batch = list(islice(seen, min(self.job.batch, left)))

    def _seen(self, entries: Iterator[Entry]) -> Generator[Seen, None, None]:
        """Read and decode a part's worth at a time, in order."""
        with (
            ThreadPoolExecutor(_READERS, "read") as readers,
            ThreadPoolExecutor(self.job.threads, "decode") as decoders,
        ):

            def decoded(reading: list[Future[_Read]]) -> list[Future[Seen]]:
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

    def _decode(self, reading: Future[_Read]) -> Seen:
        read = reading.result()
        if read.error is not None:
            return Seen(read.entry, read.seconds, error=read.error)
        started = time.perf_counter()
        sha256 = digest(read.data)
        picture = inputs = error = None
        size = 0, 0
        try:
            preprocessing = self.classifier.record.preprocessing
            photo = picture_from_bytes(read.data, trusted=True)
            size = photo.image.size
            picture = photo.as_seen(preprocessing)
            content = picture.content(preprocessing.channels)
            inputs = preprocessing.tensor(content, picture.region)
        except ImageError as why:
            error = str(why)
        seconds = read.seconds + time.perf_counter() - started
        return Seen(read.entry, seconds, sha256, picture, inputs, error, size)

    def _rows(self, batch: list[Seen]) -> Iterator[tuple[Seen, Row]]:
        """The predictions of a batch, as rows without maps."""
        started = time.perf_counter()
        readable = [seen for seen in batch if seen.inputs is not None]
        columns = iter(self._predicted(readable) if readable else ())
        share = (time.perf_counter() - started) / len(batch)
        names, head = self.classifier.class_names, self.classifier.head
        for seen in batch:
            row: Row = {
                "path": seen.entry.shown,
                "sha256": seen.sha256,
                **expected_of(seen.entry, names, head),
                "seconds": seen.seconds + share,
                "error": seen.error,
            }
            yield seen, row | (next(columns) if seen.inputs is not None else {})

    def _predicted(self, batch: list[Seen]) -> list[Row]:
        """What the model says of pictures that can be read, columns for all of them at once."""
        inputs = [seen.inputs for seen in batch if seen.inputs is not None]
        with memory_for("A batch of pictures"):
            logits = self._network.dense(torch.cat(inputs).to(self.classifier.device))
        logits = logits.double().cpu()
        good = logits.isfinite().all(-1)
        finite = torch.where(good[:, None], logits, torch.zeros_like(logits))
        entries = [seen.entry for seen in batch]
        rows = answers(finite, entries, self.classifier.class_names, self.classifier.head)
        return [
            row if good[n] else {"error": _not_finite(logits[n : n + 1])}
            for n, row in enumerate(rows)
        ]


def _not_finite(logits: Tensor) -> str:
    try:
        finite(logits)
    except ModelError as error:
        return str(error)
    return ""
