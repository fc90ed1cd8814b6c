"""The command line as a process, whatever its output is: a pipe, a narrow terminal, a full disk."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")
# A command that says little, then much, without what takes seconds to load.
TALKS = """
import sys
from core.cli.console import as_process
def command():
    print("60 × 50", flush=True)
    for _ in range({lines}):
        print("x" * 100)
    {end}
sys.exit(as_process(command))
"""


def call(code, **options):
    options = {"stdout": subprocess.PIPE, **options}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    ("lines", "end"), [(0, "return 0"), (9999, "return 0"), (9, "sys.exit(3)")]
)
def test_nobody_reads_what_is_printed(lines, end):
    code = TALKS.format(lines=lines, end=end)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        found = call(code, stdout=closed)
    assert (found.returncode, found.stderr) == (141, b"")
    assert call(code).returncode == (3 if "3" in end else 0)


@pytest.mark.parametrize(
    ("arguments", "closed"),
    [
        (["models"], ["stdout"]),
        (["models"], ["stdout", "stderr"]),
        (["--help"], ["stdout"]),
        (["predict", "gone.jpg"], ["stderr"]),
        (["nonsense"], ["stderr"]),
    ],
)
def test_the_command_line_into_a_closed_pipe(arguments, closed):
    reader, writer = os.pipe()
    os.close(reader)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(writer, "wb") as nobody:
        found = subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=env,
            check=False,
            **{
                **dict.fromkeys(("stdout", "stderr"), subprocess.PIPE),
                **dict.fromkeys(closed, nobody),
            },
        )
    assert found.returncode == 141
    assert not found.stdout
    assert not found.stderr


def test_what_the_output_cannot_hold_is_escaped():
    code = TALKS.format(lines=0, end="print('\\udcff', file=sys.stderr); return 0")
    found = call(code, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (found.returncode, found.stdout, found.stderr) == (0, b"60 \\xd7 50\n", b"\\udcff\n")
    found = call(code.replace("×", "\\udcff"), env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert (found.returncode, found.stdout) == (0, b"60 \\udcff 50\n")


def is_full_device():
    known = FULL.stat() if FULL.exists() else None
    return known is not None and stat.S_ISCHR(known.st_mode) and known.st_rdev == os.makedev(1, 7)


@pytest.mark.skipif(not is_full_device(), reason="/dev/full is not Linux's full device")
@pytest.mark.parametrize("lines", [0, 9999])
def test_there_is_no_room_for_what_is_printed(lines):
    with FULL.open("wb") as full:
        found = call(TALKS.format(lines=lines, end="return 0"), stdout=full)
    sentence = b"There is no room for what is printed (No space left on device).\n"
    assert (found.returncode, found.stderr) == (2, sentence)


def test_other_errors_are_not_hidden():
    found = call(TALKS.format(lines=0, end="raise PermissionError(13, 'no')"))
    assert (found.returncode, found.stdout) == (1, "60 × 50\n".encode())
    assert b"PermissionError" in found.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell as Unix has it")
def test_without_any_output():
    command = f"{sys.executable} -c 'import sys; from core.cli.console import as_process; "
    command += "sys.exit(as_process(lambda: print(1) or 4))' >&-"
    found = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (4, b"")
