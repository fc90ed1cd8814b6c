"""SmoothGrad, SmoothGrad squared and VarGrad: maps averaged over noisy copies of the picture.

smoothgrad is their mean: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017
(arXiv:1706.03825). smoothgrad_sq is the mean of their squares: Hooker et al., "A Benchmark for
Interpretability Methods in Deep Neural Networks", NeurIPS 2019. vargrad is their variance: Adebayo
et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values",
2018 (arXiv:1810.03307). As in Captum's NoiseTunnel, squares are taken channel by channel.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from .gradient_methods import SmoothKind, SmoothSetting
from .registry import progress
from .request import Asked, Progress


def smoothed(asked: Asked, setting: SmoothSetting) -> Generator[Progress, None, None]:
    """Run a method on one noisy picture after the other.

    The same seed draws the same noise on every device: it is drawn on the CPU.
    """
    generator = torch.Generator().manual_seed(setting.seed)
    stdev = torch.full(asked.inputs.shape, setting.stdev, dtype=asked.inputs.dtype)
    total = squares = torch.zeros((), dtype=torch.float64)
    for sample in range(setting.samples):
        noise = torch.normal(0.0, stdev, generator=generator)
        noisy = replace(asked, inputs=asked.inputs + noise.to(asked.inputs))
        with closing(progress(noisy, setting.method)) as points:
            for point in points:
                done, passes = sample * point.total + point.done, setting.samples * point.total
                if point.done < point.total:
                    early = partial(_combined, setting.kind, total, squares, sample)
                    yield Progress(done, passes, early if sample else point.values)
            values = point.values()
        total, squares = total + values, squares + values**2
        combined = partial(_combined, setting.kind, total, squares, sample + 1)
        yield Progress(done, passes, combined)


def _combined(kind: SmoothKind, total: Tensor, squares: Tensor, count: int) -> Tensor:
    if kind == "smoothgrad":
        return total / count
    if kind == "smoothgrad_sq":
        return squares / count
    return (squares / count - (total / count) ** 2).clamp(min=0)  # not below by rounding
