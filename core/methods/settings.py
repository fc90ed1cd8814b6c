"""What the settings of all attribution methods have in common.

Settings are frozen dataclasses that check themselves and can serve as keys. Those of each method
are beside its entry of the registry, as in `core.methods.cover_methods`. Windows, strides and sizes
are in pixels of the model's input. Baselines are names that `core.methods.baselines` knows.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from ..errors import SettingError
from ..text import file_word

Size = tuple[int, int]


@dataclass(frozen=True)
class Setting(ABC):
    """What the settings of all methods have in common.

    Attributes:
        fixed: the fields that decide which method it is, where a class serves several.
    """

    fixed: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What the method is called in files and on the command line."""

    def passes(self, _: Size) -> int:
        """Forward passes that a map takes, at most, for inputs of (height, width) pixels.

        Raises:
            SettingError: a window or stride is out of range for this size.
        """
        return 1

    def quick(self) -> "Setting":
        """The same method with few points, samples or patches; itself where it is quick anyway."""
        return self

    def with_baseline(self, baseline: str) -> Self:
        """The same method with another baseline; unchanged if it has none."""
        return replace(self, **{"baseline": baseline}) if hasattr(self, "baseline") else self

    @property
    def unused(self) -> frozenset[str]:
        """The fields that the method has no use for, where its class serves several."""
        return frozenset()

    @property
    def unwritten(self) -> frozenset[str]:
        """The fields that are no part of `parameters`."""
        return self.unused.union(self.fixed)

    @property
    def idle(self) -> dict[str, str]:
        """The options that another choice leaves without effect, and the option that chose so."""
        return {}


@dataclass(frozen=True)
class SurveySetting(Setting):
    """A method that covers parts of the picture and keeps the logits of every class."""


def check(what: str, value: int, low: int, high: int) -> None:
    """Refuse a number out of its range."""
    if not isinstance(value, int) or not low <= value <= high:
        raise SettingError(f"{what}: {value}; choose between {low} and {high}.")


def check_noise(stdev: float, seed: int) -> None:
    """Refuse noise out of its range."""
    if not 0 < stdev <= 100:
        raise SettingError(f"Standard deviation of the noise: {stdev}; choose above 0, up to 100.")
    check("Seed", seed, 0, 2**31 - 1)


def settle(setting: Setting) -> None:
    """Make options without effect the usual ones, so that equal maps have equal settings."""
    for name in setting.idle:
        object.__setattr__(setting, name, getattr(type(setting), name))


def parameters(setting: Setting) -> dict[str, Any]:
    """What shapes a map besides the method's name, as JSON types.

    Of a method within another one, that is its name and, last, its own parameters.
    """
    names = (each.name for each in fields(setting) if each.name not in setting.unwritten)
    found = {name: getattr(setting, name) for name in names}
    for name, value in [*found.items()]:
        if isinstance(value, Setting):
            found = {**found, name: value.name, **parameters(value)}
    return found


def short(setting: Setting) -> str:
    """The settings for file names, so that two maps of a picture do not overwrite each other."""
    found = parameters(setting)
    if found.get("baseline") == "grey":
        del found["baseline"]
    words = (
        name if value is True else str(value)
        for name, value in found.items()
        if value is not None and value is not False
    )
    return "-".join(map(file_word, words))


def baseline_of(setting: Setting) -> str:
    """The name of a method's baseline; of those that have none, the one that costs nothing."""
    return getattr(setting, "baseline", "grey")
