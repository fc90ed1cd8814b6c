"""Tables and progress for people at a terminal."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


def print_table(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], words: tuple[str, ...]
) -> None:
    """Print aligned columns: those named in ``words`` to the left, numbers to the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.ljust(width) if name in words else cell.rjust(width)
            for name, cell, width in zip(header, line, widths, strict=True)
        )
        print("  ".join(cells).rstrip())


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Gives a function that shows text on one line of the terminal, which is cleared at the end.

    Silent where stderr is not a terminal.
    """
    terminal = sys.stderr.isatty()

    def show(text: str) -> None:
        if terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")
