"""The page without a browser: the first one, samples, uploads, models, the address."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from core.drawing.rendering import Display, colours, scale
from core.errors import ModelError
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import registry
from dashboard.explain import side_by_side, tabs
from dashboard.explain.tabs import TABS
from dashboard.session import state
from tests.app import KING_PENGUIN, html, open_page, overlay, panel, png, upload
from tests.said import said


def test_the_first_page_tells_the_swans_story(page):
    assert not page.exception
    text = html(page)
    assert "The model says king penguin, 53 %." in text
    assert "A person would say mute swan; the model has no such class" in text
    for title in (
        "Photo",
        "What the model sees",
        "Integrated Gradients",
        "Occlusion small 48/48",
        "Occlusion large 112/112",
    ):
        assert 'alt="' in panel(page, title)
    assert "logit of king penguin · 10 steps" in panel(page, "Integrated Gradients")


def test_the_maps_are_those_of_core(page):
    explainer = state.explainer()
    classifier = explainer.classifier("efficientnet_lite0")
    made = explainer.attribution(
        classifier,
        state.sample_picture("swan"),
        OcclusionSetting(48, 48),
        Question(KING_PENGUIN),
    )
    display = Display()
    expected = colours(made.values, display, scale([made.values], display))
    np.testing.assert_array_equal(overlay(page, "Occlusion small 48/48"), expected)


def test_another_sample(page):
    page.button(key="sample_red_panda").click().run()
    assert not page.exception
    assert "The model says lesser panda, 89 %." in html(page)
    assert page.query_params["sample"] == "red_panda"


def test_an_upload_becomes_the_picture(page):
    upload(page, "red.png", png())
    assert not page.exception
    assert "300 × 260 pixels" in panel(page, "Photo")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.png", b"only text", "."),
        ("empty.png", b"", "."),
        ("half.png", png()[:60], "."),
    ],
)
def test_a_bad_upload_is_refused_and_the_page_keeps_what_it_had(page, name, data, says):
    before = panel(page, "Occlusion small 48/48")
    upload(page, name, data)
    assert not page.exception
    assert said(page.error)[0].endswith(says)
    assert "Traceback" not in said(page.error)[0]
    assert panel(page, "Occlusion small 48/48") == before
    # ... and the next action works.
    upload(page, "red.png", png())
    assert "300 × 260 pixels" in panel(page, "Photo")
    assert not page.error


def test_notes_on_an_upload_are_shown(page):
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), c) for c in ("red", "blue")]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    upload(page, "moving.gif", buffer.getvalue(), "image/gif")
    assert any("first" in sentence for sentence in said(page.caption))


def test_bad_values_in_the_address_fall_back():
    page = open_page(small_window="9999", sample="nobody", model="none", target="")
    assert not page.exception
    assert any('no sample "nobody"' in sentence for sentence in said(page.warning))
    assert any("'none' is no model's name" in sentence for sentence in said(page.error))
    assert 1 <= page.select_slider(key="small_window").value <= 224
    assert "The model says king penguin" in html(page)


def test_core_refuses_what_the_address_asks_for_and_the_other_maps_stand():
    page = open_page(small_window="20", small_stride="40")
    assert not page.exception
    assert "choose between 1 and 20" in panel(page, "Occlusion small 20/40")
    assert overlay(page, "Occlusion large 112/112").any()


def test_the_maps_that_were_chosen_and_no_others():
    page = open_page(maps=["Grad-CAM", "Saliency"], small_window="37", small_stride="37")
    assert not page.exception
    titles = re.findall(r'class="wil-panel[^"]*" data-panel="([^"]+)"', html(page))
    assert titles == ["Photo", "What the model sees", "Grad-CAM", "Saliency"]
    assert "weighted activation" in panel(page, "Grad-CAM")
    assert "logits per unit of input" in panel(page, "Saliency")
    assert not said(page.warning)
    flips = open_page(
        maps=["Saliency"], tab="Try it", trial="What flips it", small_window="37", small_stride="37"
    )
    assert "Add the map Occlusion small" in " ".join(said(flips.caption))


def test_a_map_says_how_far_it_adds_up(page):
    assert re.search(
        r"Completeness: sum [\d.−]+ of 8\.02 logits", panel(page, "Integrated Gradients")
    )
    assert "wil-meter" not in panel(page, "Occlusion small 48/48")


@pytest.mark.parametrize("tab", TABS)
def test_the_row_of_all_maps_is_there_whatever_is_open(tab):
    page = open_page(tab=tab)
    assert not page.exception
    assert overlay(page, "Occlusion small 48/48").any()


@pytest.mark.parametrize(
    ("part", "opened"),
    [
        ("Export", {"tab": "Export"}),
        ("Choose the crop", {"tab": "Try it", "trial": "Choose the crop"}),
        ("Baselines", {"tab": "Compare", "comparison": "Baselines"}),
        ("no such part", {}),
    ],
)
def test_only_a_part_that_is_there_is_opened(monkeypatch, part, opened):
    held = {}
    monkeypatch.setattr(tabs.st, "session_state", held)
    tabs.open_part(part)
    assert held == opened


def test_without_a_network_the_page_says_so_and_goes_on(page, monkeypatch, tmp_path):
    from dataclasses import replace

    gone = registry.records()["resnet18"]
    weights = replace(
        gone.weights, path=tmp_path / "x-00000000.pth", url="http://127.0.0.1:9/x.pth"
    )
    monkeypatch.setitem(registry.records(), "resnet18", replace(gone, weights=weights))
    page.selectbox(key="model").set_value("resnet18").run()
    assert not page.exception
    assert "could not be downloaded" in said(page.error)[0]
    assert "The page shows EfficientNet-Lite0." in said(page.error)[0]
    assert "The model says king penguin, 53 %." in html(page)
    assert overlay(page, "Occlusion small 48/48").any()


def test_another_model_is_searched_among_timms(monkeypatch):
    wanted = []

    def refused(name, _):
        if name.startswith("timm:"):
            wanted.append(name)
            raise ModelError("Its weights are not available: choose another model.")

    monkeypatch.setattr(side_by_side.live, "run_download", refused)
    page = open_page(maps=["Occlusion large"])
    assert not [box for box in page.selectbox if box.key == "timm_model"]  # timm is not loaded
    page.session_state["another_model"] = True
    page.run()
    search = page.selectbox(key="timm_model")
    assert "timm:resnet18.a1_in1k" in search.options
    search.set_value("timm:test_vit.r160_in1k").run()
    assert not page.exception
    assert wanted == ["timm:test_vit.r160_in1k"]
    assert "available: choose another model. The page shows EfficientNet-Lite0" in str(
        said(page.error)
    )


def test_a_name_of_the_hub_is_no_path():
    page = open_page(maps=["Occlusion large"])
    page.session_state["another_model"] = True
    page.run()
    page.text_input(key="hub_model").set_value(" ../secrets ").run()
    assert not page.exception
    assert "is no model's name" in str(said(page.error))
