"""The dashboard, started for a measurement."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory, TemporaryFile

import psutil


@contextmanager
def server() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The dashboard on a free port: its address and process. What it logged is printed if it died.

    It has kept nothing of earlier runs.

    Raises:
        RuntimeError: it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard"]
    with TemporaryFile() as log, TemporaryDirectory() as cache:
        process = subprocess.Popen(
            [*command, "--server.headless", "true", "--server.port", str(port)],
            env={**os.environ, "WHERE_IT_LOOKED_CACHE": cache},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}", process
        finally:
            died = process.poll() is not None
            process.terminate()
            process.wait()
            if died:
                log.seek(0)
                print(log.read().decode(errors="replace")[-3000:])


def _wait(port: int) -> None:
    for _ in range(1500):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the dashboard did not start")


def megabytes(pid: int) -> float:
    """Memory that a process holds."""
    return psutil.Process(pid).memory_info().rss / 2**20


def held(pid: int) -> str:
    """Memory, threads and open files of a process, for a line of print."""
    process = psutil.Process(pid)
    with process.oneshot():
        return (
            f"{megabytes(pid):.0f} MB, {process.num_threads()} threads, {process.num_fds()} files"
        )
