"""What goes wrong around the page: one sentence, nothing lost, and the next action works."""

import errno
import http.server
import re
import threading
from dataclasses import replace

import pytest
import torch
from torch import nn

from core.engine import incremental
from core.explaining.explainer import Explainer
from core.files.disk_cache import DiskCache
from core.models import registry, weights
from dashboard.session import state
from tests.app import html, open_page, overlay, panel
from tests.said import said

SMALL, LARGE = "Occlusion small 48/48", "Occlusion large 112/112"
GOES_ON = "The page shows EfficientNet-Lite0."


@pytest.fixture
def shown():
    """A page with everything on it."""
    page = open_page()
    for title in (SMALL, LARGE, "Integrated Gradients"):
        overlay(page, title)
    return page


def stands(page):
    """Nothing raised, and what was on the page is still there."""
    assert not page.exception
    assert "Traceback" not in html(page)
    assert "The model says king penguin, 53 %." in html(page)
    assert overlay(page, SMALL).any()
    assert overlay(page, LARGE).any()


def next_action_works(page):
    """Another window is surveyed."""
    page.select_slider(key="small_window").set_value(50).run()
    assert not page.exception
    assert overlay(page, "Occlusion small 50/48").any()


def test_no_memory_in_the_middle_of_a_survey(shown, monkeypatch):
    batches = []

    def scarce(self, *arguments):
        batches.append(self)
        if len(batches) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return scores(self, *arguments)

    scores = incremental.KeptActivations.rescore
    monkeypatch.setattr(incremental.KeptActivations, "rescore", scarce)
    shown.select_slider(key="small_window").set_value(52).run()
    assert len(batches) > 1
    assert "memory: choose a smaller model" in panel(shown, "Occlusion small 52/48")
    assert overlay(shown, LARGE).any()
    monkeypatch.undo()
    shown.select_slider(key="small_window").set_value(48).run()
    stands(shown)
    next_action_works(shown)


@pytest.fixture
def resnet18(monkeypatch, tmp_path):
    """Lets ResNet-18's weights come from elsewhere; its record and the file's bytes."""
    torch.manual_seed(0)
    path = tmp_path / "made.pth"
    torch.save(registry.records()["resnet18"].architecture().state_dict(), path)

    def place(**changes):
        known = registry.records()["resnet18"]
        changes.setdefault("sha256_prefix", "")
        file = replace(known.weights, **{"path": tmp_path / "resnet18.pth", **changes})
        monkeypatch.setitem(registry.records(), "resnet18", replace(known, weights=file))
        return file

    explainer = Explainer()  # the cached one would still have the model of the test before
    monkeypatch.setattr(state, "explainer", lambda: explainer)
    return place, path.read_bytes()


def choose_resnet18(page):
    page.selectbox(key="model").set_value("resnet18").run()


def test_weights_that_were_cut_off(shown, resnet18):
    place, content = resnet18
    file = place(sha256_prefix="5c106cde")
    file.path.write_bytes(content[: len(content) // 2])
    choose_resnet18(shown)
    assert "are damaged or were replaced" in said(shown.error)[0]
    assert GOES_ON in said(shown.error)[0]
    stands(shown)
    next_action_works(shown)


class Cut(http.server.BaseHTTPRequestHandler):
    """A server that is lost in the middle of a download."""

    whole = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.whole)))
        self.end_headers()
        share = 2 if self.path == "/cut" else 1
        self.wfile.write(self.whole[: len(self.whole) // share])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_the_network_is_lost_in_the_middle_of_a_download_and_comes_back(
    shown, resnet18, server, monkeypatch
):
    place, content = resnet18
    monkeypatch.setattr(Cut, "whole", content)
    file = place(url=f"{server}/cut")
    choose_resnet18(shown)
    assert "could not be downloaded (the connection was lost half way)" in said(shown.error)[0]
    assert GOES_ON in said(shown.error)[0]
    assert not file.present
    stands(shown)
    place(url=f"{server}/whole")
    next(button for button in shown.button if button.label == "Try again").click().run()
    assert not shown.exception
    assert not shown.error
    assert "ResNet-18 on cpu" in html(shown)


def test_the_disk_is_full_where_weights_go(shown, resnet18, server, monkeypatch):
    place, content = resnet18
    monkeypatch.setattr(Cut, "whole", content)
    place(url=f"{server}/whole")

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights.tempfile, "TemporaryDirectory", full)
    choose_resnet18(shown)
    assert "could not be downloaded (no space left on device)" in said(shown.error)[0]
    stands(shown)
    next_action_works(shown)


def test_the_disk_is_full_under_the_cache(monkeypatch, tmp_path, caplog):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    explainer = Explainer(disk=DiskCache(tmp_path / "cache"))
    monkeypatch.setattr(state, "explainer", lambda: explainer)
    monkeypatch.setattr("core.files.disk_cache.tempfile.NamedTemporaryFile", full)
    page = open_page()
    stands(page)
    assert not page.error
    assert "nothing is kept in the cache" in caplog.text
    next_action_works(page)


class Sick(nn.Module):
    """A network whose scores are no numbers, everywhere or only with a dark corner."""

    def __init__(self, module, everywhere):
        super().__init__()
        self.module, self.everywhere = module, everywhere

    def forward(self, inputs):
        logits = self.module(inputs)
        sick = (inputs[:, :, :8, :8] == 0).flatten(1).all(1) | self.everywhere
        return torch.where(sick[:, None], torch.nan, logits)


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_model_that_returns_no_numbers(shown, monkeypatch, everywhere):
    healthy = state.explainer().classifier("efficientnet_lite0")
    sick = replace(healthy, module=Sick(healthy.module, everywhere).eval(), weights_sha256="f" * 64)
    explainer = Explainer()
    monkeypatch.setattr(explainer, "classifier", lambda *_: sick)
    with monkeypatch.context() as patch:
        patch.setattr(state, "explainer", lambda: explainer)
        shown.run()
        assert not shown.exception
        if everywhere:
            assert "scores that are not finite numbers" in said(shown.error)[0]
        else:  # windows over that corner; what covers none of it is unharmed
            assert "The model says king penguin, 53 %." in html(shown)
            assert re.search("not finite", panel(shown, SMALL))
    shown.run()
    stands(shown)
    next_action_works(shown)


ABSURD = ["nan", "-1", "9" * 400, "<script>", "../../etc\x00"]


@pytest.mark.parametrize("value", ABSURD)
def test_an_address_of_the_wrong_types(value):
    keys = ("sample", "model", "device", "target", "contrast", "score", "large_window", "steps")
    keys += ("large_stride", "baseline", "maps", "crop", "tab", "opacity", "outliers", "sign")
    keys += ("colour_map", "judged", "evidence", "same_scale", "whole_photo", "other_picture")
    page = open_page(**dict.fromkeys(keys, value))
    assert not page.exception
    assert "The model says king penguin, 53 %." in html(page)
    assert overlay(page, SMALL).any()
