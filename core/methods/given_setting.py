"""The setting of a map that was made elsewhere: by Captum, pytorch-grad-cam or another program.

What such a map means is not in its numbers: whether it has evidence against the class, and what its
values count. So both are asked for, and nothing is guessed.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from ..errors import SettingError
from ..text import line, plain
from .baselines import check_baseline
from .settings import Setting, Size

GIVEN = "given"
"""In place of a method's name, in settings, records and files."""
SCORE_UNIT, NO_UNIT = "score", "none"
GivenSign = Literal["signed", "positive", "unsigned"]
SIGN_WORDS: dict[GivenSign, str] = {
    "signed": "below zero is evidence against",
    "positive": "only evidence for",
    "unsigned": "only how strong, for or against",
}
GIVEN_SIGNS: tuple[GivenSign, ...] = get_args(GivenSign)
MapOf = Literal["input", "photo", "grid"]
MAP_OF: tuple[MapOf, ...] = get_args(MapOf)
_LONGEST_TITLE, _LONGEST_UNIT = 60, 40


@dataclass(frozen=True)
class GivenFor:
    """What a map was said to explain: the score of a model.

    Attributes:
        model: its name in the registry.
        target, contrast, kind: as in `core.methods.scores.Question`.
        region: the part of the photo that the model saw, as in `core.pictures.picture.Picture`.
    """

    model: str
    target: int
    contrast: int | None
    kind: str
    region: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class GivenSetting(Setting):
    """A map made elsewhere, and what was said of it.

    Attributes:
        values: the name under which an explainer has it at hand, see `Explainer.as_given`.
        sign: whether values are for and against the class, only for it, or only sizes.
        unit: "score" for the units of the explained score, "none", or a name of one's own.
        title: what the map is called.
        map_of: what the array covers: the model's input, the photo, or as a coarse grid the input;
            None to tell input and photo by the size.
        adds_up: whether the values are said to sum to the change of the score from the baseline.
        order_only: whether only the order of the values is known, as of a PNG.
        baseline: of that change, and of the squares that infidelity covers.
        given_for: what the map explains; None for whatever is asked.
    """

    fixed: ClassVar[tuple[str, ...]] = ("given_for",)

    values: str
    sign: GivenSign
    unit: str
    title: str = "Map made elsewhere"
    map_of: MapOf | None = None
    adds_up: bool = False
    order_only: bool = False
    baseline: str = "grey"
    given_for: GivenFor | None = None

    def __post_init__(self) -> None:
        """Check what was said.

        Raises:
            SettingError: something is not said, or contradicts something else.
        """
        check_baseline(self.baseline)
        if self.map_of is not None and self.map_of not in MAP_OF:
            raise SettingError(
                f"The map is said to be of {plain(str(self.map_of))}: choose input, photo or grid."
            )
        for name, text, longest in (
            ("title", self.title, _LONGEST_TITLE),
            ("unit", self.unit, _LONGEST_UNIT),
        ):
            if not text.strip() or len(text) > longest or text != line(text):
                raise SettingError(
                    f"The {name} of the map is {plain(text) or 'empty'}: give 1 to {longest} "
                    "visible characters."
                )
        if self.order_only and self.sign == "signed":
            raise SettingError(
                "A PNG does not say where zero is, so its values cannot be signed: say that they "
                "are positive or unsigned, or give the array as .npy."
            )
        if self.order_only and (self.adds_up or self.unit != NO_UNIT):
            raise SettingError(
                f"A PNG has no scale, so its values have no unit and no sum: give the unit "
                f"{NO_UNIT}, or the array as .npy."
            )
        if self.adds_up and (self.sign != "signed" or self.unit != SCORE_UNIT):
            raise SettingError(
                "Only signed values in units of the score can sum to a change of the score: say "
                f"that the map is signed and its unit {SCORE_UNIT}, or leave the sum out."
            )
        if self.adds_up and self.map_of in ("photo", "grid"):
            raise SettingError(
                f"A map of the {self.map_of} is resampled, which changes the sum of its values: "
                "give the map of the model's input, or leave the sum out."
            )

    @property
    def name(self) -> str:
        """As in `Setting`."""
        return GIVEN

    def passes(self, _: Size) -> int:
        """As in `Setting`: of picture and baseline, where the sum of the values is checked."""
        return 2 if self.adds_up else 0


def check_said(sign: str | None, unit: str | None, written: str = " with --{}") -> GivenSign:
    """The sign, where sign and unit of a map have been said.

    Args:
        sign: what was said of the sign, if anything.
        unit: likewise of the unit.
        written: how to say it, with ``{}`` for its name; empty where that is in sight.

    Raises:
        SettingError: one is missing, or there is no such sign.
    """
    if sign not in GIVEN_SIGNS:
        choices = ", ".join(f"{name} ({words})" for name, words in SIGN_WORDS.items())
        what = f"Say what the map's sign means{written.format('sign')}"
        if sign is not None:
            what = f"There is no sign {plain(str(sign))} of a map: choose one"
        raise SettingError(f"{what}: {choices}.")
    if unit is None:
        raise SettingError(
            f"Say what the map's values count{written.format('unit')}: {SCORE_UNIT} (the units of "
            f"the explained score), {NO_UNIT}, or a name such as weighted activation."
        )
    return next(each for each in GIVEN_SIGNS if each == sign)
