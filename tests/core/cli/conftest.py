"""Commands run in this process."""

import functools

import pytest

from core.__main__ import main
from core.models import classifiers


@pytest.fixture(scope="module")
def load_once():
    """Each command loads its model; the tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "load", functools.cache(classifiers.load))
        yield


@pytest.fixture
def run(capsys):
    """Runs a command on the CPU: gives exit code, lines of stdout, text of stderr."""

    def call(*arguments):
        cpu = () if arguments[0] == "models" else ("--device", "cpu")
        code = main([*map(str, arguments), *cpu])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call


@pytest.fixture
def run_without_device(capsys):
    """Runs a command that has no --device."""

    def call(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return call
