"""How torch's threads wait for one another, as OpenMP itself says when it is loaded."""

import os
import subprocess
import sys

import pytest

from tests.core.folders.test_batch import ROOT


def spins(start, **given):
    """The setting that GNU's OpenMP begins with."""
    ours = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        (sys.executable, "-c", start),
        cwd=ROOT,
        env={**clean, "OMP_DISPLAY_ENV": "verbose", **given},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
    if not lines:
        pytest.skip("torch was built with another OpenMP than GNU's")
    return lines[0].split("'")[1]


@pytest.mark.parametrize(
    "start",
    ["import core.models.classifiers", "import dashboard.session.state", "import core.folders.job"],
)
def test_they_wait_in_a_loop_for_a_moment_only(start):
    assert spins(start) == "1500"


def test_what_the_environment_says_counts():
    assert spins("import core.models.classifiers", GOMP_SPINCOUNT="70") == "70"
    assert spins("import core.models.classifiers", OMP_WAIT_POLICY="passive") == "0"
