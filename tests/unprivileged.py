"""Running code as a user whom the rights of files bind: they do not bind root."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Imports come first: Python itself may lie where only root can read.
_AS_NOBODY = """
import os, sys
{imports}
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
{code}
"""

# What a command loads when it runs: this user may not read where packages are installed for root.
_IMPORTS = """
from core.__main__ import main
import core.cli.batch, core.cli.explain
import core.models.own_models
import efficientnet_lite_pytorch, pyarrow.compute, pyarrow.parquet
"""


@contextlib.contextmanager
def place():
    """A folder that every user may read, with one in it, ``own``, to write into."""
    folder = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    try:
        folder.chmod(0o755)
        (folder / "own").mkdir()
        (folder / "own").chmod(0o777)
        yield folder
    finally:
        for path, _, _ in os.walk(folder):
            Path(path).chmod(0o700)  # those of a test may keep it from being removed
        shutil.rmtree(folder)


def run(imports, code, *arguments, **env):
    """Runs code in a process of its own, as a user without rights; gives its output as text."""
    if os.name != "posix":
        pytest.skip("needs users and rights as Unix has them")
    return subprocess.run(
        [sys.executable, "-c", _AS_NOBODY.format(imports=imports, code=code), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **{key: str(env[key]) for key in env}},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def command(*arguments, **env):
    """Runs ``python -m core`` so."""
    return run(_IMPORTS, "sys.exit(main(sys.argv[1:]))", *arguments, **env)
