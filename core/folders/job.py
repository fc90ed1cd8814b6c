"""`Job`: what to compute for a folder of pictures, and its division into parts.

A folder is cut into parts of `PART` pictures, in the order of their paths, and a part into batches.
A part is done by itself and always in the same way, so that its results do not depend on where a
run was killed, or on which machine it fell to: the last bits of a float32 sum depend on what is
computed together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..errors import SettingError
from ..methods.cover_methods import PatchSetting
from ..methods.given_setting import GivenSetting
from ..methods.options import options_of, with_options
from ..methods.registry import METHOD_ALIASES, METHODS
from ..methods.scores import Question, ScoreKind
from ..methods.settings import Setting, parameters
from ..models.heads import SOFTMAX, Head
from ..text import did_you_mean, plain
from ..trust.settings import FaithfulnessSetting

if TYPE_CHECKING:  # what can be asked is known without Arrow
    from .given_maps import MapFolder
    from .listing import Entry
    from .results import Row

PART = 32
"""Pictures that are kept, or done again, together."""

BATCH = {"cpu": 4, "cuda": 32, "mps": 8}
"""Pictures in a forward pass. More of them do not fit into a CPU's caches, and take longer each."""

MOST_AT_ONCE = 1024
"""Of threads, workers and pictures in a forward pass; far more end the process, or do nothing."""

_NAMES = {method: alias for alias, method in METHOD_ALIASES.items()}

_OUTPUTS = {"binary": "one logit", "sigmoid": "independent labels", "value": "values"}

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
            the label, and where that is the same or there is none, less the second. Of independent
            labels: each that holds, and where none does the most probable; or each that is
            expected. Values are all explained.
        score: the scale of what is explained.
        batch: pictures in a forward pass.
        threads: of torch, and as many that decode pictures.
        regions: folder of label images, likewise, in place of superpixels; empty for superpixels.
        masks: folder of masks of the objects, likewise, that maps are compared with; empty for
            none.
        given: folder of maps made elsewhere, of a method that stands for them; None without one.
        trust: how the maps are judged; None if they are not.
        other: the file of another picture that is the baseline, read once; its digest is in the
            settings of the methods. Empty where none is.
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
    regions: str = ""
    masks: str = ""
    given: "MapFolder | None" = None
    trust: FaithfulnessSetting | None = None
    other: bytes = field(default=b"", repr=False)

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

    def check(self, head: Head) -> "Job":
        """Return self if it can be asked of a model with such outputs.

        Raises:
            SettingError: it has no such score or target, or no answer of it is wrong.
        """
        Question(0, None, self.score, head).check(1)
        if self.target == "contrast" and head.kind != "softmax":
            raise SettingError(
                "--target contrast is for a model of several classes that exclude one another, "
                f"and {self.model} has {_OUTPUTS[head.kind]}: choose another target."
            )
        if head.kind == "value":
            for option, value in (("only", self.only), ("target", self.target)):
                if value in ("wrong", "label"):
                    raise SettingError(
                        f"--{option} {value} is for models of classes or labels, and {self.model} "
                        "gives values, none of which is right or wrong: leave it out."
                    )
        return self

    def settings(self, head: Head = SOFTMAX) -> dict[str, Any]:
        """What results depend on, as JSON types."""
        return {
            "model": self.model,
            "device": self.device,
            "methods": {
                name: {"method": setting.name, **self._parameters(setting)}
                for name, setting in self.methods
            },
            "only": self.only,
            "target": self.target,
            "score": self.score,
            "part": PART,
            "batch": self.batch,
            "threads": self.threads,
            **({"regions": self.regions} if self.regions else {}),
            **({"masks": self.masks} if self.masks else {}),
            **({} if self.given is None else {"maps": asdict(self.given)}),
            **({} if self.trust is None else {"trust": asdict(self.trust)}),
            # Of exclusive classes, the model's name says it all.
            **({} if head.exclusive else {"head": asdict(head)}),
        }

    def by_regions(self, setting: Setting) -> bool:
        """Whether a method covers the regions of label images."""
        return bool(self.regions) and isinstance(setting, PatchSetting)

    def _parameters(self, setting: Setting) -> dict[str, Any]:
        unused = {"segments"} if self.by_regions(setting) else set()
        if isinstance(setting, GivenSetting):
            unused = {"values", "order_only"}  # of each picture its own
        return {key: value for key, value in parameters(setting).items() if key not in unused}


@dataclass(frozen=True)
class MadeMaps:
    """A file of maps: its name, relative to the results, and its content."""

    name: str
    data: bytes


@dataclass(frozen=True)
class MadeRow:
    """A row of the table, which belongs to a part."""

    part: int
    row: "Row"


def parts_of(entries: Sequence["Entry"]) -> list[Sequence["Entry"]]:
    """The parts of a folder's pictures, in order."""
    return [entries[start : start + PART] for start in range(0, len(entries), PART)]


def methods_of(
    wanted: str, given: Mapping[str, Any], elsewhere: Collection[str] = ()
) -> tuple[tuple[str, Setting], ...]:
    """The chosen methods with their settings, by the names that the maps are to have.

    Args:
        wanted: their names, separated by commas.
        given: options by name; each goes to every method that has it.
        elsewhere: options that need no method, since maps made elsewhere have them.

    Raises:
        SettingError: there is no such method, or an option belongs to none of them.
    """
    listed = [name.strip() for name in wanted.split(",") if name.strip()]
    names = list(dict.fromkeys(METHOD_ALIASES.get(name, name) for name in listed))
    for name in names:
        if name not in METHODS:
            choice = [*METHOD_ALIASES, *METHODS]
            raise SettingError(
                f'There is no method "{plain(name)}"{did_you_mean(name, choice)}: choose from '
                f"{', '.join(choice)}."
            )
    of_methods = {name: value for name, value in given.items() if name not in elsewhere}
    if not names and of_methods:
        raise SettingError(f"--{next(iter(of_methods))} belongs to a method: give --methods too.")
    for option, value in of_methods.items():
        if not any(option in options_of(name) for name in names):
            with_options(names[0], {option: value})  # says to which it belongs
    return tuple(
        (
            _NAMES.get(name, name),
            with_options(name, {k: v for k, v in given.items() if k in options_of(name)}),
        )
        for name in names
    )
