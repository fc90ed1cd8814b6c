"""The page with a cluster: its maps come from there, and without one it says so and stands."""

import re
import sys

import psutil
import pytest

from dashboard.session import state
from tests.app import QUICK, ROOT, open_page
from tests.browser import open_page as open_in_browser
from tests.browser import serve
from tests.said import said

APP = ROOT / "dashboard" / "app.py"
ADDRESS = "?" + "&".join(f"{name}={value}" for name, value in QUICK.items())


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An explainer of its own, which no other test meets, and which finds no map on disk."""
    monkeypatch.setenv("WHERE_IT_LOOKED_CACHE", str(tmp_path))
    for shared in (state.explainer, state.judge, state.line):
        shared.clear()
    yield
    for shared in (state.explainer, state.judge, state.line):
        shared.clear()


@pytest.mark.usefixtures("fresh")
def test_without_ray_the_page_says_what_to_install(monkeypatch):
    monkeypatch.setenv(state.RAY_VARIABLE, "local")
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "core.workers.ray_workers", raising=False)
    page = open_page()
    assert not page.exception
    (sentence,) = said(page.error)
    assert "Ray is not installed" in sentence
    assert "requirements-cluster.txt" in sentence


@pytest.mark.usefixtures("fresh")
def test_a_cluster_that_is_not_there_is_said_in_every_panel_and_the_prediction_stands(monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed")
    monkeypatch.setenv(state.RAY_VARIABLE, "127.0.0.1:1")
    page = open_page()
    assert not page.exception
    text = "\n".join(element.proto.body for element in page.get("html"))
    assert "The model says king penguin" in text
    panels = re.findall(r'class="wil-panel failed".*?</section>', text, re.DOTALL)
    assert len(panels) == 3
    assert all("Ray cannot be reached at 127.0.0.1:1" in panel for panel in panels)


@pytest.mark.browser
def test_maps_come_from_the_cluster_and_it_ends_with_the_page(browser):
    pytest.importorskip("ray", reason="ray is not installed")
    with serve(APP, env={state.RAY_VARIABLE: "local"}) as url:
        server = next(
            each for each in psutil.Process().children() if url[-5:] in " ".join(each.cmdline())
        )
        with open_in_browser(browser, url + ADDRESS) as page:
            assert page.locator(".wil-evidence mark").is_visible()
            assert not page.get_by_text("cannot be").count()
        started = server.children(recursive=True)
        actors = [each for each in started if "ray::_Actor" in " ".join(each.cmdline())]
        assert max(each.cpu_times().user for each in actors) > 1
    _, alive = psutil.wait_procs(started, 30)
    assert not alive
