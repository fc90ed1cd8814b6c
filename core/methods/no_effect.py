"""What was asked for and has no effect on a map, in sentences; loads no torch."""

from collections.abc import Collection

from .method import Method, Part


def of_question(method: Method, asked: Collection[Part], written: str = "--{}") -> list[str]:
    """The parts of a question that a method does not depend on: one sentence, or none.

    Args:
        method: of the map.
        asked: the parts that were given.
        written: how a part is written where it comes from, as for `registry.with_options`.
    """
    idle = [written.format(part) for part in asked if part not in method.asks]
    if not idle:
        return []
    several = len(idle) > 1
    words = f"{', '.join(idle[:-1])} and {idle[-1]}" if several else idle[0]
    verb, them = ("have", "them") if several else ("has", "it")
    return [f"{words} {verb} no effect on {method.title}, whose map does not depend on {them}."]
