"""GradientShap: the gradient's mean at random points between baseline and noisy picture.

Lundberg & Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, by way of
expected gradients (Erion et al., 2019, arXiv:1906.10670).
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..engine.teams import alone
from .gradient_methods import GradientShapSetting
from .request import Asked, Progress, finite_gradients


def gradient_shap(asked: Asked, setting: GradientShapSetting) -> Generator[Progress, None, None]:
    """Captum's GradientShap, one sample after the other: the same seed gives the same map."""
    from captum.attr import GradientShap  # half a second, and few maps need it

    captum = GradientShap(asked.score)
    total: Tensor = torch.zeros(asked.inputs.shape[1:], dtype=torch.float64)

    def attribute(seed: int) -> Tensor:
        with _seeded(seed), torch.inference_mode(False), torch.enable_grad():
            return captum.attribute(
                asked.inputs, asked.reference.contiguous(), n_samples=1, stdevs=float(setting.stdev)
            )

    seeds = np.random.SeedSequence(setting.seed).generate_state(setting.samples).tolist()
    for done, seed in enumerate(seeds, 1):
        values = alone(partial(attribute, seed))
        total = total + finite_gradients(values)[0].detach().double().cpu()
        yield Progress(done, setting.samples, partial(torch.div, total, done))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Captum draws from the global generators of torch and NumPy; what was there comes back."""
    numpy_state = np.random.get_state()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
