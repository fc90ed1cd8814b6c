"""Commands run in this process."""

import functools
import math

import pytest

from core.__main__ import main
from core.cli import console
from core.models import classifiers


@pytest.fixture(scope="module")
def load_once():
    """Each command loads its model; the tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "load", functools.cache(classifiers.load))
        yield


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command on the CPU: gives exit code, lines of stdout, text of stderr."""
    monkeypatch.setattr(console, "EVERY", math.inf)  # no line of progress where a machine is slow

    def call(*arguments):
        cpu = () if arguments[0] == "models" else ("--device", "cpu")
        code = main([*map(str, arguments), *cpu])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


@pytest.fixture
def run_without_device(capsys, monkeypatch):
    """Runs a command that has no --device."""
    monkeypatch.setattr(console, "EVERY", math.inf)

    def call(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call
