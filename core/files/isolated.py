"""Runs parsers of untrusted bytes in separate processes with limits on time and memory.

Code in C that parses a damaged file may crash, go on for ever or ask for gigabytes, and no
``except`` helps against that. Here it takes down, or fills, nothing but its own process, which runs
`main`.

A parser is a function ``(file, *arguments) -> (told, write)``: it reads the file, and returns JSON
types and what writes the bytes of the result, if any, into the file that it is given. A `UserError`
that it raises is raised again by `run`.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from .. import errors

Parsed = tuple[Any, Callable[[IO[bytes]], object]]

# What the process runs: this module, found where it lies, whatever the packages above are called.
_ROOT = Path(__file__).resolve().parents[__name__.count(".")]
_BEGIN = """
import sys
from importlib import import_module
sys.path.insert(0, sys.argv[1])
import_module(sys.argv[2]).main(sys.argv[3], *map(int, sys.argv[4:]))
"""
_CLOCK = 10  # seconds of the clock for one of processor time
_PIECE = 1 << 20
_MAX_TOLD = 1 << 20  # bytes of what a parser tells, as JSON
# One arena and few threads: what each would reserve are addresses, which are what is limited.
_FRUGAL = {
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
# Their memory adds up, and more of them than there are cores end no sooner.
_turns = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))


@dataclass(frozen=True)
class Limits:
    """What a parser may take.

    Attributes:
        memory: bytes of address space, on Linux; about 100 MB of it are Python and its libraries.
        seconds: of processor time of all its threads; of the clock, ten times as many.
        output: bytes of its result.
    """

    memory: int
    seconds: int
    output: int = 0


class StoppedError(Exception):
    """A parser crashed, or did not end within its limits."""


def run(
    parser: str, source: bytes | IO[bytes], limits: Limits, *arguments: int
) -> tuple[Any, bytearray]:
    """Run a parser over untrusted bytes.

    Args:
        parser: ``module:function`` by its full name; the module should import little, for that is
            what this costs.
        source: the bytes, or an open file of the system's, which is read from where it stands.
        limits: what it may take.
        arguments: for the parser, besides the file.

    Returns:
        What the parser told, and the bytes that it wrote.

    Raises:
        UserError: the parser raised it.
        ResourceError: this machine cannot start another process now.
        StoppedError: it crashed, raised something else, or was over a limit.
    """
    # -P: the modules in the working directory are not to be found in place of others.
    command = [sys.executable, "-P", "-c", _BEGIN, str(_ROOT), __name__, parser]
    command += map(str, (limits.memory, limits.seconds, *arguments))
    with _turns, _started(command, source) as child:
        late = threading.Timer(_CLOCK * limits.seconds, child.kill)
        late.start()
        try:
            if isinstance(source, bytes):
                _send(child, source)
            line, written = _answer(child, limits.output)
            child.wait()
        finally:
            late.cancel()
            child.kill()
    if child.returncode:
        raise StoppedError(f"{parser} ended with {child.returncode}")
    answer = json.loads(line)
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["says"])
    return answer["told"], written


def _started(command: list[str], source: bytes | IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if isinstance(source, bytes) else source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_FRUGAL},
        )
    except OSError as error:  # no memory, or too many processes
        raise errors.ResourceError(
            f"This machine cannot start the process that opens files ({error.strerror}): try again "
            "later."
        ) from error


def _send(child: subprocess.Popen[bytes], data: bytes) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already
        child.stdin.write(data)
    with suppress(BrokenPipeError):
        child.stdin.close()


def _answer(child: subprocess.Popen[bytes], most: int) -> tuple[bytes, bytearray]:
    """The line in which a parser tells something, and what it wrote."""
    assert child.stdout is not None
    line, written = child.stdout.readline(_MAX_TOLD), bytearray()
    while piece := child.stdout.read(_PIECE):
        written += piece
        if len(written) > most:
            raise StoppedError(f"a parser wrote more than {most:,} bytes")
    return line, written


def allow(memory: int) -> None:
    """Set the bytes of address space that this process may have, on Linux.

    It can be set again, higher or lower, up to what `run` was given.
    """
    if sys.platform == "linux":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (min(memory, most), most))


def _limit(memory: int, seconds: int) -> None:
    with suppress(ImportError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with suppress(OSError):  # Linux: when memory is short, this process goes before the server
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(parser: str, memory: int, seconds: int, *arguments: int) -> None:
    """Run a parser over standard input; its answer goes to standard output. Ends the process."""
    _limit(memory, seconds)
    module, _, function = parser.partition(":")
    out = sys.stdout.buffer
    try:
        told, write = getattr(import_module(module), function)(sys.stdin.buffer, *arguments)
    except errors.UserError as error:
        out.write(json.dumps({"error": type(error).__name__, "says": str(error)}).encode() + b"\n")
    else:
        out.write(json.dumps({"told": told}).encode() + b"\n")
        write(out)
    out.flush()
    os._exit(0)  # to take all modules down in order takes 10 ms
