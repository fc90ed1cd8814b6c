"""Terminal output: lines, tables, progress and the log. No other module prints.

Foreign text cannot act on the terminal: see `core.text`.
"""

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from ..text import columns, line

EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""

LOG_VARIABLE = "WHERE_IT_LOOKED_LOG"
_ABOVE = __name__.removesuffix("core.cli.console")  # of the installed package, "where_it_looked."


def say(text: object, *, aside: bool = False) -> None:
    """Print one line; ``aside``, on stderr: what is no result, and why there is none."""
    print(line(str(text)), file=sys.stderr if aside else sys.stdout)


def print_table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], words: tuple[str, ...]
) -> None:
    """Print aligned columns: those named in ``words`` to the left, numbers to the right."""
    lines = [[line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(columns, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        aligned = []
        for name, cell, width in zip(header, cells, widths, strict=True):
            blank = " " * (width - columns(cell))
            aligned.append(cell + blank if name in words else blank + cell)
        print("  ".join(aligned).rstrip())


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Gives a function that shows text on one line of the terminal, which is cleared at the end.

    Where stderr is no terminal, as in the log of a server, it prints a line every `EVERY` seconds.
    """
    terminal = sys.stderr.isatty()
    printed = monotonic()

    def show(text: str) -> None:
        nonlocal printed
        if terminal:
            print(f"\r\x1b[K{line(text)}", end="", file=sys.stderr, flush=True)
        elif text and monotonic() - printed >= EVERY:
            printed = monotonic()
            print(line(text), file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")


class _VisibleFormatter(logging.Formatter):
    """One line for each message, and one for each line of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """What is written for a record."""
        lines = [record.getMessage()]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(map(line, lines))


def make_log_visible() -> None:
    """Let the log say foreign text safely, where nobody has set up another.

    With `LOG_VARIABLE` in the environment, it also says what was refused, with the traceback.
    The hub's own library would tell of each try to reach it: the command says once how it ended.
    """
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_VisibleFormatter())
        if os.environ.get(LOG_VARIABLE):
            logging.lastResort.setLevel(logging.INFO)
            for room in ("core", "dashboard"):
                logging.getLogger(f"{_ABOVE}{room}").setLevel(logging.INFO)


def as_process(command: Callable[[], int]) -> int:
    """Run a command whose output may go anywhere; the exit code of the process.

    A character that the output cannot hold is escaped. Where nobody reads any more, as after
    ``| head``, the command ends without a word, with the code that shells have for that, 141; where
    there is no room, with a sentence and code 2.
    """
    streams = [each for each in (sys.stdout, sys.stderr) if isinstance(each, io.TextIOWrapper)]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return command()
        finally:
            for stream in streams:
                stream.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and error.errno != errno.ENOSPC:
            raise
        if not isinstance(error, BrokenPipeError):
            with contextlib.suppress(OSError):
                say(f"There is no room for what is printed ({error.strerror}).", aside=True)
        for stream in streams:
            _let_go(stream)
        return 141 if isinstance(error, BrokenPipeError) else 2


def _let_go(stream: io.TextIOWrapper) -> None:
    """Python would write what is left once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
