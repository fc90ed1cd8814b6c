"""What is asked of a folder of pictures, and the pieces in which it is done.

A folder is cut into parts of `PART` pictures, in the order of their paths, and a part into batches.
A part is done by itself and always in the same way, so that its results do not depend on where a
run was killed, or on which machine it fell to: the last bits of a float32 sum depend on what is
computed together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.baselines import PICTURE
from core.errors import SettingError
from core.folder import Entry
from core.methods import METHODS, options_of, with_options
from core.results import Row
from core.scores import ScoreKind
from core.settings import Setting, method_name, parameters
from core.work import METHOD_ALIASES

PART = 32
"""Pictures that are kept, or done again, together."""

BATCH = {"cpu": 4, "cuda": 32, "mps": 8}
"""Pictures in a forward pass. More of them do not fit into a CPU's caches, and take longer each."""

MOST_AT_ONCE = 1024
"""Of threads, workers and pictures in a forward pass; far more end the process, or do nothing."""

_NAMES = {method: alias for alias, method in METHOD_ALIASES.items()}

Target = Literal["predicted", "label", "contrast"]
Only = Literal["all", "wrong"]


@dataclass(frozen=True)
class Job:
    """What is asked of every picture of a folder.

    Attributes:
        address: the folder, for fsspec.
        model: name in the registry.
        device: "cpu", "cuda" or "mps".
        methods: settings by the name that the maps are to have; none for predictions alone.
        only: which pictures are explained.
        target: the class that is explained: the predicted one; the label; or the predicted one less
            the label, and where that is the same or there is none, less the second.
        score: the scale of what is explained.
        batch: pictures in a forward pass.
        threads: of torch, and as many that decode pictures.
    """

    address: str
    model: str
    device: str
    methods: tuple[tuple[str, Setting], ...] = ()
    only: Only = "all"
    target: Target = "predicted"
    score: ScoreKind = "logit"
    batch: int = BATCH["cpu"]
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that no machine is made for; a manifest may hold any.

        Raises:
            SettingError: there are too many, or none.
        """
        for name, number in (("batch", self.batch), ("threads", self.threads)):
            if not 1 <= number <= MOST_AT_ONCE:
                raise SettingError(
                    f"{name.capitalize()}: {number:,}; choose between 1 and {MOST_AT_ONCE:,}."
                )

    def settings(self) -> dict[str, Any]:
        """What results depend on, as JSON types."""
        return {
            "model": self.model,
            "device": self.device,
            "methods": {
                name: {"method": method_name(setting), **parameters(setting)}
                for name, setting in self.methods
            },
            "only": self.only,
            "target": self.target,
            "score": self.score,
            "part": PART,
            "batch": self.batch,
            "threads": self.threads,
        }


@dataclass(frozen=True)
class MadeMaps:
    """A file of maps: its name, relative to the results, and its content."""

    name: str
    data: bytes


@dataclass(frozen=True)
class MadeRow:
    """A row of the table, which belongs to a part."""

    part: int
    row: Row


def parts_of(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """The parts of a folder's pictures, in order."""
    return [entries[start : start + PART] for start in range(0, len(entries), PART)]


def methods_of(wanted: str, given: Mapping[str, Any]) -> tuple[tuple[str, Setting], ...]:
    """The chosen methods with their settings, by the names that the maps are to have.

    Args:
        wanted: their names, separated by commas.
        given: options by name; each goes to every method that has it.

    Raises:
        SettingError: there is no such method, or an option belongs to none of them.
    """
    if str(given.get("baseline", "")).startswith(f"{PICTURE}:"):
        raise SettingError("Another picture as baseline is not to be had here: choose another.")
    listed = [name.strip() for name in wanted.split(",") if name.strip()]
    names = list(dict.fromkeys(METHOD_ALIASES.get(name, name) for name in listed))
    for name in names:
        if name not in METHODS:
            choice = ", ".join([*METHOD_ALIASES, *METHODS])
            raise SettingError(f'There is no method "{name}": choose of {choice}.')
    if not names and given:
        raise SettingError(f"--{next(iter(given))} belongs to a method: give --methods too.")
    for option, value in given.items():
        if not any(option in options_of(name) for name in names):
            with_options(names[0], {option: value})  # says to which it belongs
    return tuple(
        (
            _NAMES.get(name, name),
            with_options(name, {k: v for k, v in given.items() if k in options_of(name)}),
        )
        for name in names
    )
