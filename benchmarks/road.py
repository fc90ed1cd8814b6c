"""Noisy linear imputation beside two other packages: ``python -m benchmarks.road``.

The swan as EfficientNet-Lite0 sees it, with a share of its blocks covered in a random and in the
centre-first order, without noise. Seconds are of one thread's processor time, so that others on the
machine count for less; the same pictures are made in one run, in turn. Quantus is left out where it
is not installed. Two minutes on two cores.
"""

import importlib
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from core.models import registry
from core.models.torchvision_compat import torchvision
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from core.trust.faithfulness import control_orders
from core.trust.imputation import imputed
from core.trust.settings import FaithfulnessSetting

_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_REPEATS = 3
_Imputer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    """Print seconds for a picture, and the largest difference, for each package."""
    torch.set_num_threads(1)
    preprocessing = registry.record(registry.DEFAULT_MODEL).preprocessing
    photo = picture_from_file(samples()["swan"].path)
    picture = preprocessing.tensor(photo.image)[0].numpy()
    others = _others()
    print(
        f"{'':22}{'core':>8}" + "".join(f"{name:>20}{'ratio':>7}{'differ':>9}" for name in others)
    )
    totals: dict[str, float] = {}
    for name, mask in _masks((picture.shape[1], picture.shape[2])).items():
        seconds, own = _timed(imputed, picture, mask)
        line = f"{name:22}{seconds:8.3f}"
        totals["core"] = totals.get("core", 0.0) + seconds
        for other, impute in others.items():
            theirs, found = _timed(impute, picture, mask)
            totals[other] = totals.get(other, 0.0) + theirs
            line += f"{theirs:20.3f}{theirs / seconds:7.1f}{np.abs(own - found).max():9.0e}"
        print(line, flush=True)
    line = f"{'all':22}{totals['core']:8.3f}"
    print(line + "".join(f"{totals[n]:20.3f}{totals[n] / totals['core']:7.1f}" for n in others))


def _masks(size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Bool (H, W), True where covered, by name."""
    setting = FaithfulnessSetting()
    centre, random, *_ = control_orders(size, setting)
    rows, columns = (np.arange(length) // setting.block for length in size)
    blocks = rows[:, None] * (columns[-1] + 1) + columns
    return {
        f"{name}, {share:.0%} covered": np.isin(blocks, order[: round(share * len(order))])
        for name, order in (("random", random), ("centre first", centre))
        for share in _SHARES
    }


def _others() -> dict[str, _Imputer]:
    assert torchvision  # has to be imported first
    gradcam = importlib.import_module("pytorch_grad_cam.metrics.road").NoisyLinearImputer(noise=0)

    def by_gradcam(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
        kept = torch.from_numpy((~mask).astype(np.float32))
        return np.asarray(gradcam(torch.from_numpy(picture), kept))

    found: dict[str, _Imputer] = {"pytorch-grad-cam": by_gradcam}
    try:
        quantus = importlib.import_module("quantus.functions.perturb_func")
    except ImportError:
        return found
    return found | {
        "Quantus": lambda picture, mask: quantus.noisy_linear_imputation(
            picture, np.flatnonzero(mask), noise=0.0
        )
    }


def _timed(impute: _Imputer, picture: np.ndarray, mask: np.ndarray) -> tuple[float, np.ndarray]:
    taken = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_REPEATS):
            started = time.process_time()
            found = impute(picture, mask)
            taken.append(time.process_time() - started)
    return statistics.median(taken), found


if __name__ == "__main__":
    main()
