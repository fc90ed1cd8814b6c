"""What `make run` hands on, and what it refuses."""

import os
import re
import shutil
import subprocess

import pytest

from tests.unprivileged import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def make_run(tmp_path):
    """Runs `make run` with something in place of Python that prints what it is given."""
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)

    def call(*arguments):
        # -o: what is installed is left as it is.
        return subprocess.run(
            ["make", "run", "-o", ".venv/run.stamp", f"BIN={tmp_path}", *arguments],
            cwd=ROOT,
            env={key: value for key, value in os.environ.items() if "MAKE" not in key},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.mark.parametrize("port", ["1", "9000", "65535"])
def test_a_port_is_handed_on(make_run, port):
    done = make_run(f"PORT={port}")
    assert done.returncode == 0
    assert f"-m dashboard --server.port {port} --" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("port", ["99999", "65536", "0", "-1", "abc", "", "80 81", "9" * 30])
def test_what_is_no_port_is_one_sentence(make_run, port):
    done = make_run(f"PORT={port}")
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, of_make = done.stderr.splitlines()
    assert sentence == f'PORT is "{port}": give a number from 1 to 65535, as in make run PORT=9000.'
    assert of_make.startswith("make: ***")


def make(*arguments):
    done = subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if "MAKE" not in key},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_make_lists_every_target_and_variable_each_with_its_line():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    variables = re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE)
    printed = make()
    listed = re.findall(r"^  (\w+) +\S", printed, re.MULTILINE)
    assert listed == [*targets.split(), *variables]
    assert "(8501)" in printed
    assert make("help") == printed
