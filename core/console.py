"""Tables and progress for people at a terminal."""

import contextlib
import errno
import io
import os
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
                print(f"There is no room for what is printed ({error.strerror}).", file=sys.stderr)
        for stream in streams:
            _let_go(stream)
        return 141 if isinstance(error, BrokenPipeError) else 2


def _let_go(stream: io.TextIOWrapper) -> None:
    """Python would write what is left once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
