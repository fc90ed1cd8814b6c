"""Occlusion beside Captum's: ``python -m benchmarks.occlusion [MODEL ...]``.

For each model and setting, Captum at several ``perturbations_per_eval`` and the survey run in
turn, several times; a ratio is taken within each turn, so that a busy machine slows both sides, and
the median is printed. Captum's cost does not depend on where a window lies, so each of its longer
runs is broken off after some batches; the survey always runs whole. A network that can only be run
densely is timed at one setting alone, since nothing depends on it. Every model has a
process of its own, where the peak memory of a survey is read before Captum runs.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from benchmarks.networks import AS_PEOPLE_HAVE_THEM, NAMES, network
from core.engine.outputs import logits_of
from core.engine.remembered import memory
from core.methods.occlusion import OcclusionSurvey
from core.methods.windows import WindowGrid

_SETTINGS = ((15, 8), (30, 8), (60, 50))
_DENSE_SETTINGS = ((15, 15),)
_BATCHES = (1, 8, 16, 32)
_CAPTUM_WINDOWS = 32
_TURNS = 3
_TARGET = 0

_HEADER = (
    "model                        window  windows  Captum s  (best batch)  Captum default s  "
    "survey s  ratio  ratio default  multiply-adds  logit diff  2nd target ms"
)


class _EnoughError(Exception):
    """Captum has done as many batches as are to be timed."""


def main() -> None:
    """Time the models named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=", ".join(NAMES + AS_PEOPLE_HAVE_THEM)
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        for name in arguments.models:
            _measure(name)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32, 224 x 224\n")
    print(_HEADER, flush=True)
    for name in arguments.models or NAMES + AS_PEOPLE_HAVE_THEM:
        subprocess.run([sys.executable, "-m", "benchmarks.occlusion", "--here", name], check=True)


def _measure(name: str) -> None:
    module, inputs = network(name)
    before = _peak_megabytes()
    started = time.perf_counter()
    memory.prepared(module, inputs)
    prepared = time.perf_counter() - started
    fallback = memory.prepared(module, inputs).network.fallback
    settings = _SETTINGS if fallback is None else _DENSE_SETTINGS
    _survey(module, inputs, *settings[0])
    peak = _peak_megabytes()
    for window, stride in settings:
        _measure_setting(name, module, inputs, window, stride)
    print(
        f"{name}: {fallback or 'incremental'}; prepared once in {prepared:.1f} s; peak memory of a "
        f"{settings[0][0]}/{settings[0][1]} survey "
        f"{peak:.0f} MB, of which {before:.0f} MB were there before\n",
        flush=True,
    )


def _measure_setting(
    name: str, module: nn.Module, inputs: Tensor, window: int, stride: int
) -> None:
    captum: dict[int, list[float]] = {batch: [] for batch in _BATCHES}
    ours = []
    best = 1
    for turn in range(_TURNS):
        for batch in _BATCHES if turn == 0 else {1, best}:
            captum[batch].append(_captum_seconds(module, inputs, window, stride, batch))
        if turn == 0:
            best = min(_BATCHES, key=lambda batch: captum[batch][0])
        picture = inputs + torch.rand(())  # one never seen before: nothing is known of it
        seconds, survey = _survey(module, picture, window, stride)
        ours.append(seconds / survey.grid.count)
    count = survey.grid.count

    def ratio(batch: int) -> float:
        return statistics.median(c / o for c, o in zip(captum[batch], ours, strict=True))

    print(
        f"{name:28} {window:3}/{stride:<3} {count:7}  "
        f"{count * statistics.median(captum[best]):8.2f}  {best:12}  "
        f"{count * statistics.median(captum[1]):16.2f}  {count * statistics.median(ours):8.2f}  "
        f"{ratio(best):5.2f}  {ratio(1):13.2f}  {survey.multiply_adds_share():13.1%}  "
        f"{_largest_difference(module, picture, survey):10.1e}  {_second_target(survey):13.1f}",
        flush=True,
    )


def _survey(
    module: nn.Module, inputs: Tensor, window: int, stride: int
) -> tuple[float, OcclusionSurvey]:
    """Seconds of a whole survey, from the clean pass to the map."""
    started = time.perf_counter()
    survey = OcclusionSurvey(module, inputs, window=window, stride=stride).run()
    survey.attribution(_TARGET)
    return time.perf_counter() - started, survey


def _captum_seconds(
    module: nn.Module, inputs: Tensor, window: int, stride: int, batch: int
) -> float:
    """Seconds per window of Captum's Occlusion, over its first windows.

    Where it has few windows it runs whole and its clean pass counts, as that of the survey does.
    """
    height, width = inputs.shape[2:]
    count = WindowGrid((height, width), (window, window), (stride, stride)).count
    whole = count <= _CAPTUM_WINDOWS
    timed = 0
    started = time.perf_counter()

    def forward(images: Tensor) -> Tensor:
        nonlocal timed, started
        scores = logits_of(module(images))
        if whole:
            return scores
        if timed == 0:
            started = time.perf_counter()  # after the clean input, before the first window
        elif timed >= _CAPTUM_WINDOWS:
            raise _EnoughError
        timed += len(images) if timed else 1
        return scores

    try:
        with torch.no_grad():
            Occlusion(forward).attribute(
                inputs,
                sliding_window_shapes=(3, window, window),
                strides=(3, stride, stride),
                target=_TARGET,
                perturbations_per_eval=batch,
            )
    except _EnoughError:
        timed += batch
    seconds = time.perf_counter() - started
    return seconds / (count if whole else timed - 1)


def _largest_difference(module: nn.Module, inputs: Tensor, survey: OcclusionSurvey) -> float:
    """Of the survey's logits from those of the plain module, over windows drawn at random."""
    drawn = torch.randperm(survey.grid.count, generator=torch.manual_seed(0))[:24]
    largest = 0.0
    for index in drawn.tolist():
        image = inputs.clone()
        top, left = survey.grid.corners[index]
        height, width = survey.grid.window
        image[..., top : top + height, left : left + width] = 0
        with torch.no_grad():
            exact = logits_of(module(image))[0]
        largest = max(largest, float((exact - survey.scores[index]).abs().max()))
    return largest


def _second_target(survey: OcclusionSurvey) -> float:
    """Milliseconds for the map of another class."""
    return 1000 * _best_of(5, lambda: survey.attribution(_TARGET + 1, score="probability"))


def _best_of(times: int, work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
