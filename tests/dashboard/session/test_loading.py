"""What is loaded beforehand, and that no page waits for ever where it cannot be."""

import logging
import subprocess
import sys
import threading

import pytest

from core.errors import ModelError
from core.models.registry import DEFAULT_MODEL
from core.talks.study import WINDOWS
from dashboard.__main__ import main as start
from dashboard.session import loading, state
from tests.browser import ROOT

EVENTS = ("_answer_there", "_awaited", "_answer_shown", "_why_there", "_all_there", "_ended")


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is loaded yet."""
    for name in EVENTS:
        monkeypatch.setattr(loading, name, threading.Event())
    monkeypatch.setattr(loading, "_begun", threading.Lock())
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("fresh")
def test_it_is_loaded_once(monkeypatch):
    called = []
    monkeypatch.setattr(loading, "_load", lambda: called.append(threading.current_thread()))
    loading.begin()
    loading.begin()
    for thread in called:
        thread.join()
    assert len(called) == 1
    assert called[0].daemon  # the server can be stopped meanwhile


@pytest.mark.usefixtures("fresh")
def test_what_goes_wrong_is_logged_and_nobody_waits_for_it(monkeypatch, caplog):
    def fail():
        raise ModelError("The weights are damaged.")

    monkeypatch.setattr(state, "explainer", fail)
    with caplog.at_level(logging.ERROR):
        loading._load()
    assert "The weights are damaged." in caplog.text
    assert sys.getswitchinterval() < 0.001  # the page is served beside it, and beside all maps
    loading.wait_for_answer()
    loading.wait_for_why()
    loading.wait_for_all()


@pytest.mark.usefixtures("fresh")
def test_what_a_stopped_server_no_longer_loads_is_not_logged(monkeypatch, caplog):
    def stop():
        loading.end()
        raise RuntimeError("cannot schedule new futures after shutdown")

    monkeypatch.setattr(state, "explainer", stop)
    loading._load()
    assert caplog.text == ""


def test_the_end_of_the_server_is_told(monkeypatch):
    monkeypatch.setattr(loading, "_ended", threading.Event())
    monkeypatch.setattr(loading, "begin", lambda: None)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr("streamlit.web.cli.main", lambda: sys.exit(0))
    with pytest.raises(SystemExit):
        start([])
    assert loading._ended.is_set()


@pytest.mark.usefixtures("fresh")
def test_the_answer_is_there_before_all_is(monkeypatch):
    monkeypatch.setattr(loading, "_MOST_SECONDS", 60.0)
    loading._awaited.set()  # a page waits: the rest is loaded once it has shown the answer
    thread = threading.Thread(target=loading._load)
    thread.start()
    loading.wait_for_answer()
    assert not loading._why_there.is_set()
    assert not loading._all_there.is_set()
    loading.wait_for_why()
    explainer = state.explainer()
    first = state.sample_picture(state.DEFAULT_SAMPLE)
    large = WINDOWS[state.DEFAULT_SAMPLE][1]
    assert explainer.survey(explainer.classifier(DEFAULT_MODEL), first, large).known.all()
    loading.wait_for_all()
    thread.join()


def test_the_first_answer_needs_little_besides_torch():
    code = (
        "import sys\nimport core.explaining.explainer\nfrom dashboard.session import state\n"
        "print(*{'captum', 'matplotlib', 'pyarrow', 'scipy', 'skimage', 'torchvision', "
        "'torch._dynamo'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
