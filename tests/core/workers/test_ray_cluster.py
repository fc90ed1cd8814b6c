"""A cluster that was started on its own, with a token, as an operator does it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.core.folders.test_batch import ROOT
from tests.folders import all_but_seconds, fill

pytest.importorskip("ray", reason="ray is not installed: pip install -r requirements-cluster.txt")

GIVEN = ("--device", "cpu", "--threads", "1", "--methods", "saliency")
TOKEN_MODE = {"RAY_AUTH_MODE": "token"}
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture(scope="module")
def place():
    """A folder with a short name: those of sockets may have a hundred characters."""
    made = Path(tempfile.mkdtemp(prefix="ray"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def token(place):
    path = place / "token"
    path.write_text("ab" * 32)
    return {**TOKEN_MODE, "RAY_AUTH_TOKEN_PATH": str(path)}


def environment(place, more):
    """Ray's settings of this machine's user have no say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(place), **more}


@pytest.fixture(scope="module")
def address(place, token):
    """A head node with two CPUs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = (
        *("--head", f"--port={port}", "--num-cpus=2", "--node-ip-address=127.0.0.1", "--block"),
        *("--include-dashboard=false", "--object-store-memory=100000000"),
        *(f"--temp-dir={place / 't'}", "--disable-usage-stats"),
    )
    with (place / "log").open("wb") as log:
        head = subprocess.Popen(
            (str(RAY), "start", *options),
            env=environment(place, token),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 120
        while b"Ray runtime started" not in (place / "log").read_bytes():
            assert head.poll() is None, (place / "log").read_text()
            assert time.monotonic() < end, (place / "log").read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        head.send_signal(signal.SIGTERM)  # with --block it takes its processes along
        head.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("in"), [f"goose/{n}.png" for n in range(3)])


def run(place, folder, out, more, *options):
    """The command in a process of its own."""
    command = ("-m", "core", "batch", str(folder), "--out", str(out))
    return python(place, more, *command, *GIVEN, *options)


def python(place, more, *arguments):
    """Python in a process of its own, which knows nothing of other clusters."""
    return subprocess.run(
        (sys.executable, *arguments),
        cwd=ROOT,
        env=environment(place, more),
        capture_output=True,
        timeout=240,
        check=False,
    )


def test_a_batch_on_a_cluster_gives_what_one_process_gives(place, address, token, folder, tmp_path):
    there = run(place, folder, tmp_path / "there", token, "--ray", address)
    assert there.returncode == 0, there.stderr.decode()
    assert run(place, folder, tmp_path / "here", {}).returncode == 0
    assert all_but_seconds(tmp_path / "there") == all_but_seconds(tmp_path / "here")


@pytest.mark.parametrize(
    "wrong", [TOKEN_MODE, {**TOKEN_MODE, "RAY_AUTH_TOKEN": "cd" * 32}], ids=["none", "wrong"]
)
def test_without_the_token_one_sentence_says_so(place, address, folder, tmp_path, wrong):
    refused = run(place, folder, tmp_path / "out", wrong, "--ray", address)
    assert refused.returncode == 2
    assert b"token" in refused.stderr
    assert b"ray get-auth-token" in refused.stderr
    assert b"Traceback" not in refused.stderr


MAP = """
import numpy, sys
from core.explaining.explainer import Explainer
from core.engine.remembered import memory
from core.models.registry import DEFAULT_MODEL
from core.pictures.picture import picture_from_file
from core.workers.ray_workers import RayWorkers
from core.pictures.samples import samples
from core.methods.scores import Question
from core.methods.cover_methods import OcclusionSetting

workers = RayWorkers(sys.argv[1])
swan, asked = picture_from_file(samples()["swan"].path), (OcclusionSetting(60, 50), Question(145))
for explainer in (Explainer(workers=workers), Explainer()):
    made = explainer.attribution(explainer.classifier(DEFAULT_MODEL, "cpu"), swan, *asked)
    print(numpy.abs(made.values).sum())
    memory.forget()
workers.leave()
"""


def test_the_pages_workers_are_on_a_cluster_too(place, address, token):
    done = python(place, token, "-c", MAP, address)
    assert done.returncode == 0, done.stderr.decode()
    there, here = map(float, done.stdout.split())
    assert there == pytest.approx(here, rel=1e-5) != 0
