"""Does the model depend on what a map says it depends on? Deletion and insertion, with controls.

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018. Blocks of the picture are covered (deletion) or revealed (insertion) in the order of the map,
strongest first, and the model is asked again and again. A curve alone says little, since any
picture falls apart when it is covered: so random orders and the order of a plain map that is
strongest in the middle go the same way.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from core.checks import baseline_like, check_inputs, finite
from core.errors import SettingError
from core.memory import memory
from core.scores import Question
from core.turns import turn

Direction = Literal["deletion", "insertion"]
DIRECTIONS: tuple[Direction, ...] = ("deletion", "insertion")

_BATCH = {"cpu": 8, "cuda": 64, "mps": 16}
_CLEAR = 2.0  # standard deviations of the random orders: nearer than that may be chance


@dataclass(frozen=True)
class FaithfulnessSetting:
    """How curves are drawn.

    Attributes:
        block: side of the blocks in pixels of the model's input.
        points: how often the model is asked along a curve, ends included.
        repeats: random orders.
        seed: of the random orders.
        baseline: what covered blocks become, a name that `core.baselines` knows.
    """

    block: int = 14
    points: int = 17
    repeats: int = 5
    seed: int = 0
    baseline: str = "blur"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for what, value, low, high in (
            ("Block", self.block, 1, 224),
            ("Points", self.points, 3, 1000),
            ("Random orders", self.repeats, 2, 100),
            ("Seed", self.seed, 0, 2**31 - 1),
        ):
            if not low <= value <= high:
                raise SettingError(f"{what}: {value}; choose between {low} and {high}.")


@dataclass(frozen=True, eq=False)
class Curve:
    """A score along the way.

    Attributes:
        shares: of the blocks that are covered or revealed, 0..1, rising.
        scores: the score there.
    """

    shares: np.ndarray
    scores: np.ndarray

    @property
    def area(self) -> float:
        """Mean height by the trapezoidal rule, in units of the score.

        For deletion lower is better, for insertion higher.
        """
        return float(np.trapezoid(self.scores, self.shares))


@dataclass(frozen=True)
class Faithfulness:
    """A map's curve beside its controls.

    Attributes:
        direction: "deletion" or "insertion".
        curve: of the map.
        random: of the random orders.
        centre: of the order from the middle outwards.
    """

    direction: Direction
    curve: Curve
    random: tuple[Curve, ...]
    centre: Curve

    @property
    def random_area(self) -> tuple[float, float]:
        """Mean and standard deviation of the random orders' areas."""
        areas = [curve.area for curve in self.random]
        return float(np.mean(areas)), float(np.std(areas, ddof=1))

    @property
    def random_band(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the random orders' scores, point by point."""
        scores = np.array([curve.scores for curve in self.random])
        return scores.mean(axis=0), scores.std(axis=0, ddof=1)

    @property
    def better(self) -> bool:
        """Whether the map does clearly better than the random orders."""
        return self.advantage > _CLEAR * self.random_area[1]

    @property
    def advantage(self) -> float:
        """How much better than the random orders' mean the map does, in units of the score."""
        return self._better(self.random_area[0])

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if not self.better:
            return "no better than guessing at random"
        if self._better(self.centre.area) <= 0:
            return "better than random, but no better than pointing at the middle"
        return "better than random and than pointing at the middle"

    def _better(self, area: float) -> float:
        sign = -1 if self.direction == "deletion" else 1
        return sign * (self.curve.area - area)


class Stage(NamedTuple):
    """A point on the way.

    Attributes:
        done, total: forward passes.
        found: deletion and insertion, once all are done.
    """

    done: int
    total: int
    found: tuple[Faithfulness, ...] = ()


def faithfulness_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    values: np.ndarray,
    setting: FaithfulnessSetting,
    baseline: float | Tensor = 0.0,
) -> Generator[Stage, None, None]:
    """Draw both curves of a map and of its controls, yielding after each batch.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        question: whose score is drawn.
        values: the map, (H, W).
        setting: blocks, points and controls; its ``baseline`` is only the name of the one given.
        baseline: what covered pixels become, a number or a tensor of the input's shape.

    Raises:
        SettingError: map and input differ in size, or a class is out of range.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    if values.shape != tuple(inputs.shape[2:]):
        raise SettingError(
            f"The map has the shape {values.shape}, the input {tuple(inputs.shape[2:])}: give the "
            "map of this input."
        )
    covered = baseline_like(baseline, inputs)
    network = memory.prepared(module).network
    blocks = _blocks(values.shape, setting.block)
    generator = np.random.default_rng(setting.seed)
    count = int(blocks.max()) + 1
    orders = [
        np.argsort(-_means(values, blocks), kind="stable"),
        np.argsort(_distances(blocks), kind="stable"),
        *(generator.permutation(count) for _ in range(setting.repeats)),
    ]
    kept = np.unique(np.linspace(0, count, min(setting.points, count + 1)).round().astype(int))
    total, done = len(DIRECTIONS) * len(orders) * len(kept), 0
    found = []
    for direction in DIRECTIONS:
        curves = []
        for order in orders:
            place = np.empty(count, int)
            place[order] = np.arange(count)
            scores: list[float] = []
            for begin in range(0, len(kept), _BATCH[inputs.device.type]):
                counts = kept[begin : begin + _BATCH[inputs.device.type]]
                changed = torch.from_numpy(place[blocks] < counts[:, None, None])[:, None]
                hidden = (changed if direction == "deletion" else ~changed).to(inputs.device)
                with turn:
                    logits = finite(network.dense(torch.where(hidden, covered, inputs)))
                scores += question.check(logits.shape[1]).scores(logits.double()).tolist()
                done += len(counts)
                if done < total:
                    yield Stage(done, total)
            curves.append(Curve(kept / count, np.array(scores)))
        found.append(Faithfulness(direction, curves[0], tuple(curves[2:]), curves[1]))
    yield Stage(total, total, tuple(found))


def agreement(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How far maps (H, W) agree, as two symmetric matrices (maps, maps).

    Returns:
        Spearman's rank correlation, -1..1, higher is more alike; and the overlap of the strongest
        tenth of the pixels, 0..1: shared pixels as a share of a tenth. Unrelated maps share 0.1.
    """

    ranks = np.array([rankdata(values) for values in maps])
    with np.errstate(invalid="ignore", divide="ignore"):  # a flat map correlates with nothing
        correlation = np.nan_to_num(np.corrcoef(ranks))
    size = math.ceil(ranks.shape[1] / 10)
    strongest = [set(np.argsort(-each, kind="stable")[:size].tolist()) for each in ranks]
    overlap = np.array([[len(a & b) / size for b in strongest] for a in strongest])
    return correlation, overlap


def pointing(values: np.ndarray, marked: np.ndarray) -> tuple[float, float]:
    """How much of what a map finds lies where a person says the object is.

    Args:
        values: the map, (H, W).
        marked: bool (H, W), True on the object.

    Returns:
        The share of the positive values inside, 0..1, and the share of the area inside, which a
        map that knows nothing reaches.
    """
    positive = np.clip(values, 0, None)
    total = float(positive.sum())
    return (float(positive[marked].sum()) / total if total else 0.0), float(marked.mean())


def _blocks(shape: tuple[int, ...], side: int) -> np.ndarray:
    """The number of the block that each pixel belongs to, int (H, W)."""
    rows, columns = (np.arange(length) // side for length in shape)
    return rows[:, None] * (columns[-1] + 1) + columns


def _means(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return np.bincount(blocks.ravel(), values.ravel()) / np.bincount(blocks.ravel())


def _distances(blocks: np.ndarray) -> np.ndarray:
    """From the middle of the picture to each block's, as a share of its sides."""
    height, width = blocks.shape
    down = np.repeat(np.linspace(-0.5, 0.5, height)[:, None], width, axis=1)
    across = np.repeat(np.linspace(-0.5, 0.5, width)[None], height, axis=0)
    return np.hypot(_means(down, blocks), _means(across, blocks))
