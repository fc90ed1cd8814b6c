"""Faithfulness by deletion and insertion curves, compared with control orders.

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC
2018. Blocks of the picture are covered (deletion) or revealed (insertion) in the order of the map,
strongest first, and the model's score is recorded after each step. A curve alone says little, since
covering any part of a picture lowers the score. So the same curves are computed for control orders:
several random ones, and one from the centre of the picture outwards (centre-first).
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from torch import Tensor, nn

from ..engine.checks import check_inputs
from ..errors import SettingError
from ..methods.masked import Cover, covered_scores
from ..methods.scores import Question
from .settings import FaithfulnessSetting

Direction = Literal["deletion", "insertion"]
DIRECTIONS: tuple[Direction, ...] = ("deletion", "insertion")

_CLEAR = 2.0  # standard deviations of the random orders: nearer than that may be chance


@dataclass(frozen=True, eq=False)
class Curve:
    """A deletion or insertion curve.

    Attributes:
        shares: share of the blocks that are covered or revealed, 0..1, rising.
        scores: the score at these shares.
    """

    shares: np.ndarray
    scores: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve by the trapezoidal rule, in units of the score.

        Lower is better for deletion, higher for insertion.
        """
        return float(np.trapezoid(self.scores, self.shares))


Curves = dict[Direction, tuple[Curve, ...]]
"""By direction, one curve for each order."""


@dataclass(frozen=True)
class Faithfulness:
    """The curve of a map and those of the control orders.

    Attributes:
        direction: "deletion" or "insertion".
        curve: of the map.
        random: of the random orders.
        centre: of the centre-first order.
        ordered: whether the map orders the blocks at all, see `orders`.
    """

    direction: Direction
    curve: Curve
    random: tuple[Curve, ...]
    centre: Curve
    ordered: bool = True

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
        """Whether the map beats the mean random order by more than two standard deviations."""
        return self.ordered and self.advantage > _CLEAR * self.random_area[1]

    @property
    def beats_centre(self) -> bool:
        """Whether the map is better than the centre-first order."""
        return self._better(self.centre.area) > 0

    @property
    def advantage(self) -> float:
        """Difference of the area to the mean of the random orders; positive is better."""
        return self._better(self.random_area[0])

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if not self.ordered:
            return "not measurable, since the map does not order the blocks"
        if not self.better:
            return "no better than random orders"
        if not self.beats_centre:
            return "better than random orders, but not better than the centre-first order"
        return "better than random orders and than the centre-first order"

    def _better(self, area: float) -> float:
        sign = -1 if self.direction == "deletion" else 1
        return sign * (self.curve.area - area)


def orders(values: np.ndarray, setting: FaithfulnessSetting) -> bool:
    """Whether a map (H, W) orders the blocks: not if it has a single value, or there is one block.

    Then the order that `order_of` gives is that of the blocks' numbers.
    """
    several = bool(_blocks(values.shape, setting.block).any())
    return several and bool(values.min() < values.max())


def order_of(values: np.ndarray, setting: FaithfulnessSetting) -> np.ndarray:
    """The blocks of a map (H, W), the strongest first: int (blocks,)."""
    return np.argsort(-_means(values, _blocks(values.shape, setting.block)), kind="stable")


def control_orders(size: tuple[int, int], setting: FaithfulnessSetting) -> list[np.ndarray]:
    """The control orders of an input (H, W): centre-first, then the random ones."""
    blocks = _blocks(size, setting.block)
    generator = np.random.default_rng(setting.seed)
    count = int(blocks.max()) + 1
    randoms = (generator.permutation(count) for _ in range(setting.repeats))
    return [np.argsort(_distances(blocks), kind="stable"), *randoms]


def curve_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    orders: Sequence[np.ndarray],
    setting: FaithfulnessSetting,
    baseline: Cover = 0.0,
    directions: Sequence[Direction] = DIRECTIONS,
) -> Generator[int, None, Curves]:
    """Compute the curves of some orders, yielding after each batch how many passes it took.

    Args:
        module: float32 (N, C, H, W) -> logits (N, classes). Left as it was.
        inputs: float32 (1, C, H, W).
        question: the score that is recorded.
        orders: of the blocks, as `order_of` and `control_orders` give them.
        setting: blocks and points; its ``baseline`` is only the name of the one given.
        baseline: what covered pixels become.
        directions: which curves.

    Returns:
        For each direction one curve for each order.

    Raises:
        SettingError: a class is out of range, or an order is of an input of another size.
        ModelError: the scores are not finite.
    """
    check_inputs(inputs)
    blocks = _blocks(tuple(inputs.shape[2:]), setting.block)
    count = int(blocks.max()) + 1
    if any(len(order) != count for order in orders):
        raise SettingError(
            f"The input has {count} blocks, the map {len(orders[0])}: give the map of this input."
        )
    kept = _kept(count, setting)
    scores = yield from covered_scores(
        module,
        inputs,
        _masks(blocks, orders, kept, directions),
        question,
        baseline,
    )
    clean, covered = scores[:2]
    inner = iter(scores[2:].reshape(len(directions) * len(orders), -1))
    found: Curves = {}
    for direction in directions:
        first, last = (clean, covered) if direction == "deletion" else (covered, clean)
        found[direction] = tuple(
            Curve(kept / count, np.array([first, *next(inner), last])) for _ in orders
        )
    return found


def _masks(
    blocks: np.ndarray,
    orders: Sequence[np.ndarray],
    kept: np.ndarray,
    directions: Sequence[Direction],
) -> Iterator[np.ndarray]:
    """The masks: nothing and all, where every curve begins and ends, then those between."""
    yield np.zeros(blocks.shape, bool)
    yield np.ones(blocks.shape, bool)
    for direction in directions:
        for order in orders:
            place = np.empty(len(order), int)
            place[order] = np.arange(len(order))
            turns = place[blocks]
            for many in kept[1:-1]:
                yield turns < many if direction == "deletion" else turns >= many


def control_steps(
    module: nn.Module,
    inputs: Tensor,
    question: Question,
    setting: FaithfulnessSetting,
    baseline: Cover = 0.0,
) -> Generator[int, None, Curves]:
    """Compute the curves of the control orders: for each direction centre-first, then random.

    The reverse of a random order is a random order too. Its insertion curve is the deletion curve
    read backwards, so random orders take passes for one direction only.

    Args, yields and raises are those of `curve_steps`.
    """
    height, width = inputs.shape[2:]
    middle, *random = control_orders((height, width), setting)
    draw = partial(
        curve_steps,
        module,
        inputs,
        question,
        setting=setting,
        baseline=baseline,
    )
    centre = yield from draw([middle])
    covering = (yield from draw(random, directions=("deletion",)))["deletion"]
    revealing = tuple(Curve(1 - each.shares[::-1], each.scores[::-1]) for each in covering)
    return {
        "deletion": centre["deletion"] + covering,
        "insertion": centre["insertion"] + revealing,
    }


def curve_passes(size: tuple[int, int], setting: FaithfulnessSetting) -> tuple[int, int]:
    """How many passes the curves of a map take on an input (H, W), and those of its controls."""
    between = len(_kept(int(_blocks(size, setting.block).max()) + 1, setting)) - 2
    own = len(DIRECTIONS) * between + 2
    return own, own + setting.repeats * between + 2


def faithfulness(own: Curves, controls: Curves, ordered: bool = True) -> tuple[Faithfulness, ...]:
    """A map's curves with their controls, for each direction."""
    return tuple(
        Faithfulness(each, own[each][0], controls[each][1:], controls[each][0], ordered)
        for each in DIRECTIONS
    )


def combined(found: Sequence[Faithfulness]) -> float:
    """Half of what insertion has over deletion, the mean between their ends; higher is better.

    With ROAD as the baseline this is its combined score, (LeRF - MoRF) / 2 (Rong et al., ICML
    2022), since revealing the strongest blocks first is covering the weakest first, read backwards.
    A random order gives 0.

    Args:
        found: of deletion and insertion, with three points or more.
    """
    inner = {each.direction: float(each.curve.scores[1:-1].mean()) for each in found}
    return (inner["insertion"] - inner["deletion"]) / 2


def _kept(count: int, setting: FaithfulnessSetting) -> np.ndarray:
    """After how many of ``count`` blocks the score is computed, rising."""
    steps = np.linspace(0, count, min(setting.points, count + 1)).round().astype(int)
    return np.unique([steps, count - steps])  # the same from either end


def _blocks(shape: tuple[int, ...], side: int) -> np.ndarray:
    """The number of the block that each pixel belongs to, int (H, W)."""
    rows, columns = (np.arange(length) // side for length in shape)
    return rows[:, None] * (columns[-1] + 1) + columns


def _means(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    return np.bincount(blocks.ravel(), values.ravel()) / np.bincount(blocks.ravel())


def _distances(blocks: np.ndarray) -> np.ndarray:
    """Distance from the centre of the picture to that of each block, as a share of its sides."""
    height, width = blocks.shape
    down = np.repeat(np.linspace(-0.5, 0.5, height)[:, None], width, axis=1)
    across = np.repeat(np.linspace(-0.5, 0.5, width)[None], height, axis=0)
    return np.hypot(_means(down, blocks), _means(across, blocks))
