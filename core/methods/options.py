"""The options of methods: their names and words, and settings with some of them changed.

It loads no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import SettingError
from ..text import quoted
from .cover_methods import REGIONS
from .given_setting import GIVEN
from .gradient_methods import ENOUGH, SmoothSetting
from .lrp_method import LRP_RULES
from .registry import METHODS
from .settings import Setting

CHOOSERS = ("rule", REGIONS)
"""Options that can leave others without effect; see `Setting.idle`."""


@dataclass(frozen=True)
class Option:
    """A field of settings that can be chosen.

    Attributes:
        name: of the field.
        kinds: types of its values; bool for a switch.
        help: what it is for.
        words: a value in a caption, in place of "{}".
    """

    name: str
    kinds: tuple[type, ...]
    help: str
    words: str

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.kinds == (int, str):
            return f"a whole number, or {ENOUGH}"
        return _ALLOWED[self.kinds[-1]]

    def read(self, text: str) -> Any:
        """A value from the text of a command line.

        Raises:
            ValueError: it is of none of the types.
        """
        if text == ENOUGH and str in self.kinds:
            return text
        return (float if float in self.kinds else self.kinds[0])(text)


_ALLOWED: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "the name of it, as text",
    bool: "true or false",
}
_SWITCH, _WHOLE, _NUMBER, _NAME = (bool,), (int,), (int, float), (str,)

OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("window", _WHOLE, "side of the occlusion window in pixels (15)", "window {}"),
        Option("stride", _WHOLE, "stride of the occlusion window in pixels (8)", "stride {}"),
        Option(
            "steps",
            (int, str),
            f"points on the path of integrated gradients, or {ENOUGH} ({ENOUGH})",
            "{} steps",
        ),
        Option(
            "samples",
            _WHOLE,
            "noisy copies of smoothed methods, samples of gradient_shap, or coalitions of "
            "kernel_shap and lime",
            "{} samples",
        ),
        Option(
            "stdev",
            _NUMBER,
            "standard deviation of the noise, in units of the model's normalised input",
            "noise {:g}",
        ),
        Option("masks", _WHOLE, "random masks of rise (2000)", "{} masks"),
        Option("cells", _WHOLE, "cells of a mask of rise along each side (7)", "{0} × {0} cells"),
        Option("seed", _WHOLE, "seed of what is random (0)", "seed {}"),
        Option("segments", _WHOLE, "approximate number of superpixels", "{} superpixels"),
        Option(
            "regions",
            _NAME,
            "label image in place of superpixels: a PNG of the photo's size, each value or colour "
            "a region, black or transparent for none",
            "own regions",
        ),
        Option(
            "layer",
            _NAME,
            "layer of a CAM, or several with commas between, or all (the last one with a map)",
            "layer {}",
        ),
        Option("signed", _SWITCH, "show evidence against the score in a CAM too", "signed"),
        Option(
            "fusion", _NAME, "heads in attention_rollout: mean, max or min (mean)", "{} of heads"
        ),
        Option("start", _WHOLE, "first layer of legrad (1)", "from layer {} on"),
        Option(
            "rule",
            _NAME,
            f"rules of lrp: {', '.join(LRP_RULES)} (auto)",
            "rule {}",
        ),
        Option("epsilon", _NUMBER, "of the epsilon rule of lrp (1e-6)", "epsilon {:g}"),
        Option("gamma", _NUMBER, "of the gamma rule of lrp (0.25)", "gamma {:g}"),
        Option(
            "blocks",
            _WHOLE,
            "finest blocks along a side, of enough and counterfactual (16)",
            "{0} × {0} blocks",
        ),
        Option(
            "answers",
            _WHOLE,
            "disjoint regions to search for, of enough and counterfactual (1)",
            "regions: at most {}",
        ),
        Option(
            "keep",
            _NUMBER,
            "share of its probability that the answer of enough keeps (0.9)",
            "keeping {:g} of the probability",
        ),
        Option(
            "baseline",
            _NAME,
            "what replaces covered pixels, or where the path begins",
            "baseline {}",
        ),
    )
}


def with_options(name: str, options: Mapping[str, Any], written: str = "--{}") -> Setting:
    """A method's own setting with some of its fields changed.

    ``steps`` reaches into a smoothed method, and so does ``baseline``.

    Args:
        name: key of `METHODS`.
        options: by name.
        written: how an option is written where it comes from, for the sentences: ``--{}`` at a
            command line, ``{}=`` in a call.

    Raises:
        SettingError: an option does not belong to the method, or is out of range.
    """
    setting = METHODS[name].setting
    for option, value in options.items():
        how = written.format(option)
        if option in _changeable(setting):
            _check_type(how, value, getattr(setting, option))
            setting = replace(setting, **{option: value})
        elif isinstance(setting, SmoothSetting) and option in _changeable(setting.method):
            if value != ENOUGH:  # which a smoothed method refuses, and says why
                _check_type(how, value, getattr(setting.method, option))
            setting = replace(setting, method=replace(setting.method, **{option: value}))
        else:
            ours = [key for key in METHODS if option in options_of(key)]
            if not ours:
                own = ", ".join(written.format(each) for each in sorted(options_of(name)))
                raise SettingError(f"There is no option {how}: {name} has {own or 'none'}.")
            raise SettingError(
                f"{how} does not belong to {name}, but to {', '.join(ours)}: leave it out, or "
                "choose another method."
            )
    _check_effect(setting, options, written)
    return setting


def of_use(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some options that belong to a method and that the others leave an effect.

    Args:
        name: key of `METHODS`.
        options: by name, as controls have them that are there for every method.

    Raises:
        SettingError: one that decides which others have an effect is out of range.
    """
    own = {key: value for key, value in options.items() if key in options_of(name)}
    chosen = with_options(name, {key: own[key] for key in CHOOSERS if key in own})
    return {key: value for key, value in own.items() if key not in chosen.idle}


def _check_effect(setting: Setting, options: Mapping[str, Any], written: str) -> None:
    """Refuse an option that another one leaves without effect."""
    for option, chooser in setting.idle.items():
        if option not in options:
            continue
        how, other = written.format(option), written.format(chooser)
        if chooser == REGIONS:
            raise SettingError(f"{how} is of no use where {other} is given: leave one out.")
        takes = ", ".join(rule for rule, numbers in LRP_RULES.items() if option in numbers)
        raise SettingError(
            f"{how} is of no use where {other} is {getattr(setting, chooser)}: leave it out, or "
            f"choose one of {takes}."
        )


def _check_type(how: str, value: object, usual: object) -> None:
    """Accept a value of a type that an option can have."""
    if not alike(value, usual):
        words = {int: "a whole number", float: "a number", str: "a name", bool: "true or false"}
        wanted = words.get(type(usual))
        if usual == ENOUGH:
            wanted = f'a whole number or "{ENOUGH}"'
        raise SettingError(
            f"{how} is {quoted(value)}: give {wanted or 'the name of a layer, or None'}."
        )


def options_of(name: str) -> set[str]:
    """What can be changed of a method, those of the method that it smooths included."""
    if name == GIVEN:
        return set()
    setting = METHODS[name].setting
    inner = _changeable(setting.method) if isinstance(setting, SmoothSetting) else set()
    return _changeable(setting) | inner


def _changeable(setting: Setting) -> set[str]:
    """The fields of a setting that do not decide which method it is."""
    return {field.name for field in fields(setting)} - set(setting.fixed) - setting.unused


def alike(value: object, usual: object) -> bool:
    """Whether a value is of a type that a setting can have, going by what it usually is."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(usual, bool)
    if isinstance(usual, float):
        return isinstance(value, int | float)
    if usual is None:
        return value is None or isinstance(value, str)
    if usual == ENOUGH or isinstance(usual, int):
        return isinstance(value, int) or (value == ENOUGH and usual == ENOUGH)
    return isinstance(value, str)
