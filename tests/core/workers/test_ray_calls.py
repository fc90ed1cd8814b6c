"""Leaving a cluster while other threads call it, and drop what they have."""

import subprocess
import sys
import threading

import pytest

from tests.unprivileged import ROOT

pytest.importorskip("ray", reason="ray is not installed: pip install -r requirements-cluster.txt")

from ray.exceptions import RayError

from core.workers.ray_calls import Joined

SCRIPT = """
import os, threading, time
from functools import partial
os.environ["RAY_AUTH_TOKEN"] = "ab" * 32
from ray.exceptions import RayError, RayTaskError
from core.workers.ray_workers import RayWorkers

workers = RayWorkers("local")
joined = workers._join()
(actor, *_) = joined.workers.result(300)
errors, refused = [], []
while len(errors) < 300:
    try:
        joined.answer(partial(actor.advance.remote, 7), 60)
    except RayTaskError as error:
        errors.append(error)  # its traceback holds Ray's reference

def call():
    try:
        while True:
            joined.answer(actor.ready.remote, 60)
    except RayError as error:
        refused.append(str(error))

def drop():
    while errors and not joined.left.is_set():
        errors.pop()
        time.sleep(0.001)

threads = [threading.Thread(target=work) for work in (call, call, drop)]
for thread in threads:
    thread.start()
time.sleep(0.1)
workers.leave()
print("left")
for thread in threads:
    thread.join()
print(refused)
"""


def test_threads_that_call_and_drop_answers_do_not_end_with_the_cluster():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["left", "['it was left', 'it was left']"]


def test_it_is_left_once_the_calls_have_ended(monkeypatch):
    order, begun, go_on = [], threading.Event(), threading.Event()
    joined = Joined()
    monkeypatch.setattr("ray.shutdown", lambda: order.append("left"))

    def call():
        begun.set()
        go_on.wait()
        order.append("answered")

    calling = threading.Thread(target=joined.tell, args=(call,))
    leaving = threading.Thread(target=joined.leave)
    calling.start()
    begun.wait()
    leaving.start()
    leaving.join(0.05)
    assert leaving.is_alive()
    go_on.set()
    for thread in (calling, leaving):
        thread.join()
    assert order == ["answered", "left"]
    with pytest.raises(RayError, match="it was left"):
        joined.tell(call)
