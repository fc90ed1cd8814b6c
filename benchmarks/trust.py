"""How far to trust a map, beside an independent package: ``python -m benchmarks.trust``.

Quantus (Hedström et al., "Quantus: An Explainable AI Toolkit for Responsible Evaluation of Neural
Network Explanations and Beyond", JMLR 2023) measures the same maps of the sample pictures by the
embedded model:

- deletion by its PixelFlipping, given the mean of the map in each block, so that the strongest
  pixels are the strongest blocks: the curves should be equal, but for blocks that tie, as those
  where Grad-CAM is zero;
- random weights by its MPRT, which draws one layer after the other anew and as for training, where
  `core.trust.randomisation` draws a share of the layers at a time: the findings should agree;
- the likeness of two maps by its own rank correlation and SSIM.

It is no requirement of the project: ``pip install --no-deps -r requirements-quantus.txt`` first.
"""

import sys
import warnings
from collections.abc import Generator
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from core.methods.registry import METHODS
from core.methods.scores import Question
from core.models import classifiers, registry
from core.models.classifiers import Classifier
from core.pictures.picture import Picture, picture_from_file
from core.pictures.samples import samples
from core.trust.coarse_maps import Asking, quick_map
from core.trust.faithfulness import curve_steps, order_of
from core.trust.randomisation import Networks, randomisation_steps
from core.trust.settings import FaithfulnessSetting
from core.trust.similarity import likeness

Value = TypeVar("Value")

_METHODS = ("saliency", "guided_backprop", "grad_cam")  # of one pass: MPRT makes 100 maps
_PICTURES = ("penguin", "swan")
_HOW = FaithfulnessSetting()
_BASELINE = 0.0  # grey


def main() -> None:
    """Print a table of deletion and random weights, and one of likeness."""
    try:
        quantus = import_module("quantus")
    except ImportError:
        sys.exit("Quantus is not here: pip install --no-deps -r requirements-quantus.txt")
    warnings.filterwarnings("ignore", module="quantus")
    classifier = classifiers.load(registry.DEFAULT_MODEL, "cpu")
    print("Deletion: area, and largest difference of the curves. Random weights: mean Spearman")
    print("correlation with the map of the trained network over the stages, and at the last one.\n")
    print(f"{'':32}{'deletion':^27}{'random weights':^32}")
    print(f"{'':32}{'core':>8}{'Quantus':>9}{'differ':>10}{'core':>14}{'Quantus':>18}")
    maps: dict[str, np.ndarray] = {}
    for name in _PICTURES:
        picture = picture_from_file(samples()[name].path)
        inputs = classifier.preprocess(picture.image)
        target = classifier.predict(picture.image, 1)[0].index
        for method in _METHODS:
            asking = _asking(classifier, picture, inputs, method, target)
            values = maps[method] = _finish(quick_map(classifier.module, inputs, asking))
            ours, theirs = _deletion(quantus, classifier.module, inputs, values, target)
            found = _finish(
                randomisation_steps(Networks(classifier.module), inputs, asking, values)
            )
            mean, last = _mprt(quantus, classifier.module, inputs, asking, target)
            print(
                f"{name:10}{METHODS[method].title:22}{_area(ours):8.4f}{_area(theirs):9.4f}"
                f"{np.abs(ours - theirs).max():10.1e}"
                f"{found.spearman:8.2f}{found.stages[-1].like.spearman:6.2f}"
                f"{mean:12.2f}{last:6.2f}",
                flush=True,
            )
    print("\nLikeness of two maps of the last picture, Spearman and SSIM: core, then Quantus")
    for first, second in zip(_METHODS, (*_METHODS[1:], _METHODS[0]), strict=True):
        _print_likeness(quantus, first, second, maps[first], maps[second])


def _asking(
    classifier: Classifier, picture: Picture, inputs: Tensor, method: str, target: int
) -> Asking:
    seen = classifier.record.preprocessing.picture(picture.image)
    baseline = torch.full_like(inputs, _BASELINE)
    return Asking(Question(target), METHODS[method].setting, baseline, seen)


def _deletion(
    quantus: ModuleType, module: nn.Module, inputs: Tensor, values: np.ndarray, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """The probability along the way by both, (points,)."""
    question = Question(target, kind="probability")
    orders = [order_of(values, _HOW)]
    curves = _finish(curve_steps(module, inputs, question, orders, _HOW, _BASELINE))
    side, rows = _HOW.block, values.shape[0] // _HOW.block
    means = values.reshape(rows, side, rows, side).mean(axis=(1, 3))
    spread = means.repeat(side, axis=0).repeat(side, axis=1)
    channels = inputs.shape[1]
    # Quantus flips channels one by one, of a pixel and of a block in any order, and its steps have
    # to divide the pixels; every third step, here, ends with whole blocks.
    step = rows * rows // (_HOW.points - 1) * side * side
    flipping = quantus.PixelFlipping(
        features_in_step=step,
        perturb_baseline=_BASELINE,
        abs=False,
        normalise=False,
        disable_warnings=True,
    )
    (found,) = flipping(
        model=module,
        x_batch=inputs.numpy(),
        y_batch=np.array([target]),
        a_batch=spread[None, None],
        softmax=True,
        channel_first=True,
    )
    ours = curves["deletion"][0].scores
    return ours, np.array([ours[0], *found[channels - 1 :: channels]])


def _mprt(
    quantus: ModuleType, module: nn.Module, inputs: Tensor, asking: Asking, target: int
) -> tuple[float, float]:
    """Rank correlation over all layers, and when all are random."""

    def explain(model: nn.Module, inputs: np.ndarray, **_: Any) -> np.ndarray:
        values = _finish(quick_map(model, torch.from_numpy(inputs).float(), asking))
        return values[None, None]

    test = quantus.MPRT(
        similarity_func=quantus.similarity_func.correlation_spearman,
        abs=False,
        normalise=False,
        disable_warnings=True,
    )
    with torch.random.fork_rng():  # it seeds the global generator
        scores = test(
            model=module,
            x_batch=inputs.numpy(),
            y_batch=np.array([target]),
            explain_func=explain,
            channel_first=True,
        )
    stages = [score for (score,) in scores.values()]
    return float(np.mean(stages)), float(stages[-1])


def _print_likeness(
    quantus: ModuleType, first: str, second: str, one: np.ndarray, other: np.ndarray
) -> None:
    ours, theirs = likeness(one, other), quantus.similarity_func
    spearman = theirs.correlation_spearman(one.ravel(), other.ravel())
    ends = [np.clip(each / np.percentile(np.abs(each), 99), -1, 1) for each in (one, other)]
    ends[0].flat[:2] = ends[1].flat[:2] = -1, 1  # its range is that of the values: make it ours
    ssim = theirs.ssim(*ends)
    titles = f"{METHODS[first].title}, {METHODS[second].title}"
    print(f"{titles:46}{ours.spearman:8.4f}{ours.ssim:8.4f}{spearman:10.4f}{ssim:8.4f}")


def _area(scores: np.ndarray) -> float:
    return float(np.trapezoid(scores) / (len(scores) - 1))


def _finish(steps: Generator[Any, None, Value]) -> Value:
    """What a computation returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    main()
