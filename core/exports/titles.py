"""What people call the methods of a run."""

from ..methods.given_setting import GIVEN, GivenSetting
from ..methods.registry import METHOD_ALIASES, METHODS
from ..text import plain


def method_title(name: str) -> str:
    """The title of a method, by the name that a run gave it."""
    if name == GIVEN:
        return GivenSetting.title
    method = METHODS.get(METHOD_ALIASES.get(name, name))
    return plain(name) if method is None else method.title
