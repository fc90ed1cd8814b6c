"""What people read at a terminal: lines, tables, progress and the log. Nothing else prints.

Foreign text cannot act on the terminal: see `core.text`.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.text import columns, line


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

    Silent where stderr is not a terminal.
    """
    terminal = sys.stderr.isatty()

    def show(text: str) -> None:
        if terminal:
            print(f"\r\x1b[K{line(text)}", end="", file=sys.stderr, flush=True)

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
    """Let the log say foreign text safely, where nobody has set up another."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_VisibleFormatter())
