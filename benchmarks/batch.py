"""A folder of pictures beside the bare model: ``python -m benchmarks.batch``.

The sample pictures, repeated with other bytes at their ends, so that each is read, decoded,
predicted and written by itself. The bare model is torch's own pass over inputs that lie ready, in
its own layout and in channels_last, at the batch size that is fastest. ``--threads 1`` leaves the
other cores to the decoding; ``--explain`` times maps instead, ``--ray`` workers of one thread each.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from core.engine.remembered import memory
from core.folders.batch import Worker
from core.folders.job import BATCH, PART, Job, MadeMaps, MadeRow, methods_of, parts_of
from core.folders.listing import list_folder
from core.methods.attribution import versions
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradients import integrated_gradients
from core.methods.occlusion import OcclusionSurvey
from core.methods.settings import Setting
from core.models import classifiers, registry
from core.models.classifiers import Classifier
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples

_BATCHES = (1, 2, 4, 8, 16, 32)
_SECONDS = 3.0


def main() -> None:
    """Print pictures per second, and memory on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=280)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--explain", action="store_true", help="occlusion 15/8 and ig of 50 steps")
    parser.add_argument("--ray", action="store_true", help="1 and 2 workers of one thread each")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"{chosen.threads} threads of {os.cpu_count()} cores, torch {versions()['torch']}")
    with _folder(chosen.pictures) as folder:
        if chosen.ray:
            _ray(folder)
        elif chosen.explain:
            _explanations(folder, chosen.threads)
        else:
            _predictions(folder, chosen.threads)


@contextmanager
def _folder(pictures: int) -> Iterator[Path]:
    """So many files, no two alike."""
    originals = [sample.path for sample in samples().values()]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "in")
        folder.mkdir()
        for number in range(pictures):
            original = originals[number % len(originals)]
            data = original.read_bytes() + b"%d" % number  # decoders stop at the picture's end
            (folder / f"{number:05}{original.suffix}").write_bytes(data)
        yield folder


def _predictions(folder: Path, threads: int) -> None:
    classifier = classifiers.load(registry.DEFAULT_MODEL, "cpu")
    inputs = torch.cat(
        [
            classifier.preprocess(picture_from_file(path).image)
            for path in sorted(folder.iterdir())[:32]
        ]
    )
    before = _bare(classifier, inputs)
    whole, held = _worked(classifier, folder, threads)
    after = _bare(classifier, inputs)  # again: others may have used the machine
    for name in before:
        rate = max(before[name], after[name])
        print(f"bare model, {name}: {rate:.1f} pictures/s; the folder is {whole / rate:.2f} of it")
    print(f"folder, decoding included: {whole:.1f} pictures/s at batches of {BATCH['cpu']}")
    places = (0, len(held) // 4, len(held) // 2, 3 * len(held) // 4, -1)
    print("memory in MB at 0, 1/4, 1/2, 3/4 and the end:", *(f"{held[p]:.0f}" for p in places))


def _bare(classifier: Classifier, inputs: Tensor) -> dict[str, float]:
    """Pictures per second of torch's own passes, at the best batch size of each layout."""
    last = torch.channels_last
    copy = classifiers.load(registry.DEFAULT_MODEL, "cpu").module.to(memory_format=last)  # type: ignore[call-overload]
    found = {}
    for name, module, ready in (
        ("as torch gives it", classifier.module, inputs),
        ("channels_last", copy, inputs.contiguous(memory_format=last)),
    ):
        rates = {batch: _rate(module, ready[:batch]) for batch in _BATCHES}
        best = max(rates, key=lambda batch: rates[batch])
        print(f"  {name}: " + ", ".join(f"{b}: {r:.1f}" for b, r in rates.items()))
        found[name] = rates[best]
    return found


def _rate(module: nn.Module, batch: Tensor) -> float:
    """Pictures per second: of the median pass, for others may use the machine meanwhile."""
    taken: list[float] = []
    with torch.inference_mode():
        module(batch)
        while sum(taken) < _SECONDS:
            started = time.perf_counter()
            module(batch)
            taken.append(time.perf_counter() - started)
    return len(batch) / statistics.median(taken)


def _worked(classifier: Classifier, folder: Path, threads: int) -> tuple[float, list[float]]:
    """Pictures per second of the folder, and the process's memory in MB at each of them."""
    listed = list_folder(str(folder), classifier.class_names)
    job = Job(listed.address, registry.DEFAULT_MODEL, "cpu", threads=threads, batch=BATCH["cpu"])
    worker = Worker(job, classifier)
    for _ in worker.work([(0, listed.entries[:8])]):  # once, to warm up
        pass
    process = psutil.Process()
    held: list[float] = []
    times: list[float] = []
    started = time.perf_counter()
    for _ in worker.work(enumerate(parts_of(listed.entries))):
        held.append(process.memory_info().rss / 1e6)
        times.append(time.perf_counter())
    return len(times) / (times[-1] - started), held


def _explanations(folder: Path, threads: int) -> None:
    """Seconds of a map in the folder, and by the engine on inputs that lie ready."""
    classifier = classifiers.load(registry.DEFAULT_MODEL, "cpu")
    listed = list_folder(str(folder), classifier.class_names)
    inputs = [classifier.preprocess(picture_from_file(p).image) for p in sorted(folder.iterdir())]
    OcclusionSurvey(classifier.module, inputs[0], window=60, stride=50).run()  # to warm up
    for name, setting in (*methods_of("occlusion", {}), *methods_of("ig", {"steps": 50})):
        job = Job(
            listed.address,
            registry.DEFAULT_MODEL,
            "cpu",
            methods=((name, setting),),
            threads=threads,
        )
        worker = Worker(job, classifier)
        parts = list(enumerate(parts_of(listed.entries)))
        whole, made = _taken(lambda: list(worker.work(parts)))  # noqa: B023 - called at once
        engine, _ = _taken(lambda: [_by_engine(classifier, x, setting) for x in inputs])  # noqa: B023
        size = statistics.mean(len(maps.data) for maps in made if isinstance(maps, MadeMaps))
        print(f"{name}, {size / 1e3:.0f} kB of maps a picture")
        for what, (wall, cores) in (("in the folder", whole), ("by the engine alone", engine)):
            wall, cores = wall / len(inputs), cores / len(inputs)
            print(f"  {what}: {wall:.2f} s a picture, {cores:.2f} core-seconds")


def _taken(work: Callable[[], list[Any]]) -> tuple[tuple[float, float], list[Any]]:
    """Seconds, and seconds of all cores, which others on the machine disturb less."""
    memory.forget_scores()
    wall, cores = time.perf_counter(), time.process_time()
    made = work()
    return (time.perf_counter() - wall, time.process_time() - cores), made


def _by_engine(classifier: Classifier, picture: Tensor, setting: Setting) -> object:
    """A map, and nothing else."""
    if isinstance(setting, OcclusionSetting):
        memory.forget_scores()  # the samples come again and again
        survey = OcclusionSurvey(
            classifier.module, picture, window=setting.window, stride=setting.stride
        ).run()
        return survey.attribution(int(survey.clean.argmax()))
    target = int(classifier.logits(picture).argmax())
    return integrated_gradients(classifier.module, picture, target=target, steps=50)


def _ray(folder: Path) -> None:
    """Pictures per second with one and with two workers, once the model is loaded."""
    from core.folders import ray_batch
    from core.workers import ray_cluster

    listed = list_folder(str(folder), registry.record(registry.DEFAULT_MODEL).class_names)
    parts = list(enumerate(parts_of(listed.entries)))
    job = Job(listed.address, registry.DEFAULT_MODEL, "cpu", threads=1)
    weights = classifiers.load(registry.DEFAULT_MODEL, "cpu").weights_sha256
    rates = []
    for workers in (1, 2):
        times = [
            time.perf_counter()
            for made in ray_batch.work(job, weights, parts, ray_cluster.LOCAL, workers)
            if isinstance(made, MadeRow)
        ]
        ready = PART * workers  # the first part of each comes after the loading
        rates.append((len(times) - ready) / (times[-1] - times[ready - 1]))
        print(f"Ray, {workers} x one thread: {rates[-1]:.1f} pictures/s", flush=True)
    print(f"scaling: {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
