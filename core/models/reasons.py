"""Why another library refused, in one line of what it said."""

from ..text import plain

_LONGEST = 160
_INTERPRETER = "The following operation failed in the TorchScript interpreter."


def reason_of(error: BaseException) -> str:
    """The line of an error's message that says what was wrong, safe to be shown.

    That is the first, except of TorchScript, which prints a traceback of its own before it.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return plain(lines[-1 if lines[0].startswith(_INTERPRETER) else 0], _LONGEST)
