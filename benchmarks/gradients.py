"""Integrated Gradients beside Captum's: ``python -m benchmarks.gradients``.

Captum's default runs all steps in one batch; its internal batches and ours run in turn with it.
"""

import statistics
import time

import torch
from captum.attr import IntegratedGradients

from benchmarks.networks import network
from core.gradients import integrated_gradients

_MODELS = ("resnet18", "efficientnet_lite0")
_STEPS = 50
_TURNS = 3


def main() -> None:
    """Print a row for each model."""
    print(f"\nIntegrated Gradients, {_STEPS} steps, seconds")
    print("model                Captum   Captum, batches of 8   ours   ratio   largest difference")
    for name in _MODELS:
        module, inputs = network(name)
        captum = IntegratedGradients(module)
        rows = []
        for _ in range(_TURNS):
            row = []
            for batch in (None, 8):
                started = time.perf_counter()
                plain = captum.attribute(
                    inputs, target=0, n_steps=_STEPS, internal_batch_size=batch
                )
                row.append(time.perf_counter() - started)
            started = time.perf_counter()
            ours = integrated_gradients(module, inputs, target=0, steps=_STEPS)
            row.append(time.perf_counter() - started)
            rows.append(row)
        summed = plain.detach()[0].sum(0)
        difference = (summed - torch.tensor(ours.values)).abs().max() / summed.abs().max()
        default, batched, seconds = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        ratio = statistics.median(row[0] / row[2] for row in rows)
        print(
            f"{name:19} {default:7.2f} {batched:22.2f} {seconds:6.2f} {ratio:7.2f} "
            f"{difference:16.1e} of its range",
            flush=True,
        )


if __name__ == "__main__":
    main()
