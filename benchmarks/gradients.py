"""Integrated Gradients beside Captum's: ``python -m benchmarks.gradients``.

Captum's default runs all steps in one batch; ours runs in turn with it. Where the path crosses the
kinks of rectifiers, float32 decides which side a point is on: so the difference is printed beside
the one that Captum's own float32 has from float64, both at the worst pixel and in the middle. Then
the sample pictures: how far the sum is off after so many steps, and what "enough" takes.
"""

import copy
import statistics
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from benchmarks.networks import network
from core.engine.remembered import memory
from core.methods.gradients import integrated_gradients
from core.models import classifiers, registry
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples

_MODELS = ("resnet18", "efficientnet_lite0", "mobilenet_v2")
_STEPS = 50
_TURNS = 3
_EXACT_STEPS = 8  # float64 is slow


def main() -> None:
    """Print a row for each model, then one for each sample picture."""
    print(
        f"\nIntegrated Gradients, {_STEPS} steps: seconds, and differences as shares of the range"
    )
    print(
        "model                Captum    ours  ratio  | ours - Captum  (median)  | "
        "Captum - float64  (median)  | ours - float64  (median)"
    )
    for name in _MODELS:
        _measure(name)
    _completeness()


def _measure(name: str) -> None:
    module, inputs = network(name)
    memory.prepared(module, inputs)
    integrated_gradients(module, inputs, target=0, steps=1)  # prepares what is prepared once
    seconds = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        _captum(module, inputs, _STEPS)
        middle = time.perf_counter()
        integrated_gradients(module, inputs, target=0, steps=_STEPS)
        seconds.append((middle - started, time.perf_counter() - middle))
    plain = _captum(module, inputs, _EXACT_STEPS)
    ours = integrated_gradients(module, inputs, target=0, steps=_EXACT_STEPS).values
    exact = _captum(copy.deepcopy(module).double(), inputs.double(), _EXACT_STEPS)
    captum, own = (statistics.median(column) for column in zip(*seconds, strict=True))
    ratio = statistics.median(theirs / mine for theirs, mine in seconds)
    differences = "  | ".join(
        f"{np.abs(difference).max() / np.ptp(exact):13.1e}  "
        f"{np.median(np.abs(difference)) / np.ptp(exact):8.1e}"
        for difference in (ours - plain, plain - exact, ours - exact)
    )
    print(f"{name:19} {captum:7.2f} {own:7.2f} {ratio:6.2f}  | {differences}", flush=True)


def _captum(module: nn.Module, inputs: Tensor, steps: int) -> np.ndarray:
    """Captum's map at its defaults, channels summed, float64 (H, W)."""
    made = IntegratedGradients(module).attribute(inputs, target=0, n_steps=steps)
    return made.detach().double()[0].sum(0).numpy()


def _completeness() -> None:
    counts = (10, 25, 50, 100, 200)
    print("\nHow far the sum is off, in percent of the score's change; and steps placed as needed")
    print("picture        " + "".join(f"{count:>9}" for count in counts) + "   enough: steps, off")
    classifier = classifiers.load(registry.DEFAULT_MODEL)
    for sample in samples().values():
        inputs = classifier.preprocess(picture_from_file(sample.path).image)
        target = int(classifier.logits(inputs).argmax())
        row = []
        for steps in (*counts, "enough"):
            made = integrated_gradients(classifier.module, inputs, target=target, steps=steps)
            row.append(100 * abs((made.gap or 0.0) / (made.change or 1.0)))
        print(
            f"{sample.name:15}"
            + "".join(f"{gap:8.1f}%" for gap in row[:-1])
            + f"{made.forward_passes - 2:16}, {row[-1]:.2f}%",
            flush=True,
        )


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
