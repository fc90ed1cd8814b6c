"""A map that was made elsewhere, from the arguments."""

import argparse

from ..errors import ChannelsError, SettingError
from ..explaining.explainer import Explainer
from ..methods.given_setting import NO_UNIT, GivenSetting, check_said
from ..pictures.given_file import read_given_map
from ..text import as_text, line
from .console import say

_LONGEST_TITLE = 60
_OPTIONS = ("sign", "unit", "channels", "map_of", "adds_up", "title")


def check_said_of(arguments: argparse.Namespace, given: object, option: str) -> None:
    """Refuse what is said of a map made elsewhere where there is none.

    Raises:
        SettingError: something is.
    """
    said = [name for name in _OPTIONS if getattr(arguments, name, None) not in (None, False)]
    if given is None and said:
        name = said[0].replace("_", "-")
        raise SettingError(
            f"--{name} is about a map made elsewhere: give {option} too, or leave it out."
        )


def given_of(arguments: argparse.Namespace, explainer: Explainer) -> GivenSetting | None:
    """The map of ``--map``, with what was said of it; None without one.

    Raises:
        SettingError: sign or unit are not said, or something is said of a map that is not there.
        MapError: the map cannot be used.
    """
    check_said_of(arguments, arguments.map, "--map FILE")
    if arguments.map is None:
        return None
    try:
        given = read_given_map(arguments.map, arguments.channels)
    except ChannelsError as error:
        raise ChannelsError(f"{error} That is said with --channels.") from error
    unit = arguments.unit
    if unit is None and given.order_only:
        unit = NO_UNIT  # it can have no other
    sign = check_said(arguments.sign, unit)
    for note in given.notes:
        say(note, aside=True)
    baseline = explainer.baseline_named(getattr(arguments, "baseline", "grey"))
    title = arguments.title
    if title is None:
        title = line(as_text(arguments.map.stem), _LONGEST_TITLE)
    return GivenSetting(
        values=explainer.as_given(given),
        sign=sign,
        unit=unit,
        title=title,
        map_of=arguments.map_of,
        adds_up=arguments.adds_up,
        order_only=given.order_only,
        baseline=baseline,
    )
