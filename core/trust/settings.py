"""Settings of the deletion and insertion curves."""

from dataclasses import dataclass

from ..errors import SettingError
from ..methods.baselines import OF_CURVES, check_baseline


@dataclass(frozen=True)
class FaithfulnessSetting:
    """Settings of deletion and insertion.

    Attributes:
        block: side of the blocks in pixels of the model's input.
        points: points of a curve, ends included.
        repeats: number of random orders.
        seed: of the random orders.
        baseline: what replaces covered blocks, a name that `core.methods.baselines` knows; ROAD
            too.
    """

    block: int = 14
    points: int = 13
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
        check_baseline(self.baseline, OF_CURVES)
