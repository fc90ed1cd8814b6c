"""What to try and what to compare, on the page without a browser."""

import re

import numpy as np
import pytest

from core.drawing.rendering import Display, colours, scale
from core.errors import ModelError, ResourceError
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import GradientSetting, SmoothSetting
from core.methods.scores import Question
from core.talks import study
from dashboard.explain import side_by_side
from dashboard.explain.tabs import TRIALS
from dashboard.session import state
from tests.app import KING_PENGUIN, html, open_page, overlay, panel, png
from tests.said import said


@pytest.mark.parametrize("trial", TRIALS)
def test_things_to_try(trial):
    page = open_page(tab="Try it", trial=trial)
    assert not page.exception
    if trial == "What flips it":
        assert re.search(r"\d+ windows? of 48 pixels, coloured by the class", html(page))
    if trial == "What is enough":
        for start in [button for button in page.button if button.label == "Start"]:
            start.click().run()  # on a slow machine the page asks first
        assert "of the picture, shown alone, is enough for" in html(page)
        assert "of the picture changes the answer to" in html(page)
        assert "Shown alone: king penguin" in html(page)
    if trial == "Window sizes":
        assert "Window 24/" in html(page)
        assert "Window 192/" in html(page)


def test_a_covered_picture_that_does_not_fit_is_one_sentence(monkeypatch):
    def full(*_):
        raise ResourceError("A pass does not fit into memory: close other programs.")

    monkeypatch.setattr(
        "dashboard.browser.components.brush", lambda *_, **__: bytes([255]) * (224 * 28)
    )
    monkeypatch.setattr("core.explaining.explainer.Explainer.covered", full)
    page = open_page(tab="Try it", trial="Cover it yourself")
    assert not page.exception
    assert said(page.error) == ["A pass does not fit into memory: close other programs."]
    assert overlay(page, "Occlusion small 48/48").any()


def test_the_picture_beside_a_map():
    page = open_page(tab="Compare", comparison="Picture and map")
    assert not page.exception
    assert page.segmented_control(key="compared").value == "Occlusion small"


def test_baselines_are_shown_as_pictures_above_the_maps_that_they_give():
    page = open_page(tab="Compare", comparison="Baselines", maps=["Occlusion large"])
    assert not page.exception
    assert "image/png" in panel(page, "Grey")
    for name in ("grey", "black", "white", "mean", "blur", "noise"):
        overlay(page, f"Occlusion 112/112, {name}")
        assert "Completeness: sum" in panel(page, f"Integrated Gradients, {name}")
    black, white = (overlay(page, f"Occlusion 112/112, {name}") for name in ("black", "white"))
    assert (black != white).any()


def test_the_study_shows_its_six_maps(monkeypatch):
    quick = SmoothSetting(GradientSetting("saliency"), "smoothgrad_sq", 2)
    monkeypatch.setattr(study, "SMOOTHING", quick)
    window = OcclusionSetting(112, 112)
    monkeypatch.setattr(study, "WINDOWS", {"penguin": (window, window), "swan": (window, window)})
    page = open_page(tab="Compare", comparison="The study", maps=["Saliency"])
    assert not page.exception
    panel(page, "Penguin: king penguin, 80 %")
    panel(page, "Swan: king penguin, 53 %")
    for name in study.WINDOWS:
        for title in ("Smoothed Integrated Gradients", "Occlusion small 112/112"):
            overlay(page, f"{title} · {name}")


def test_the_study_opens_its_pictures_with_its_windows(monkeypatch):
    monkeypatch.setattr(study, "SMOOTHING", GradientSetting("saliency"))
    windows = (OcclusionSetting(112, 96), OcclusionSetting(100, 80))
    monkeypatch.setattr(study, "WINDOWS", {"penguin": windows, "swan": windows})
    page = open_page(tab="Compare", comparison="The study", maps=["Occlusion small"])
    page.button(key="preset_penguin").click().run()
    assert not page.exception
    assert "The model says king penguin, 80 %." in html(page)
    overlay(page, "Occlusion small 112/96")
    assert page.query_params["large_stride"] == "80"


def test_two_pictures_side_by_side_on_one_scale():
    page = open_page(
        tab="Compare",
        comparison="Two side by side",
        other_picture="Penguin",
        maps=["Occlusion large"],
    )
    assert not page.exception
    mine, theirs = (panel(page, f"Occlusion large 112/112 · {row}") for row in (1, 2))
    scales = [re.search(r'class="ticks">(.*?)</div>', each).group(1) for each in (mine, theirs)]
    assert scales[0] == scales[1]
    explainer = state.explainer()
    classifier = explainer.classifier("efficientnet_lite0")
    values = [
        explainer.attribution(
            classifier,
            state.sample_picture(name),
            OcclusionSetting(112, 112),
            Question(KING_PENGUIN),
        ).values
        for name in ("swan", "penguin")
    ]
    display = Display()
    np.testing.assert_array_equal(
        overlay(page, "Occlusion large 112/112 · 2"),
        colours(values[1], display, scale(values, display)),
    )
    (button,) = page.get("download_button")
    assert button.proto.label == "Download both"


def test_two_side_by_side_begins_with_another_picture_and_keeps_it_for_another_model_or_baseline():
    page = open_page(tab="Compare", comparison="Two side by side", maps=["Occlusion large"])
    assert page.selectbox(key="other_picture").value == "penguin"
    panel(page, "king penguin, 80 %")
    page.selectbox(key="other_baseline").set_value("black").run()
    assert not page.exception
    assert page.selectbox(key="other_picture").value == "the same"
    assert "king penguin, 80 %" not in html(page)


def test_a_photo_of_one_s_own_is_the_other_picture():
    page = open_page(tab="Compare", comparison="Two side by side", maps=["Occlusion large"])
    page.selectbox(key="other_picture").set_value("own").run()
    assert not page.exception
    title = "Occlusion large 112/112 · 2"
    before = overlay(page, title)  # as long as there is none, the same picture
    page.file_uploader(key="other_upload").upload("red.png", png(), "image/png")
    page.run()
    assert not page.exception
    assert (overlay(page, title) != before).any()
    assert "The model says king penguin, 53 %." in html(page)
    page.file_uploader(key="other_upload").upload("text.png", b"no picture", "image/png")
    page.run()
    assert not page.exception
    assert said(page.error)[0].endswith(".")
    overlay(page, "Occlusion large 112/112")


def test_another_baseline_side_by_side():
    page = open_page(
        tab="Compare",
        comparison="Two side by side",
        other_baseline="black",
        maps=["Occlusion large"],
    )
    assert not page.exception
    assert "baseline grey" in panel(page, "Occlusion large 112/112 · 1")
    assert "baseline black" in panel(page, "Occlusion large 112/112 · 2")


def test_a_model_that_is_not_here_leaves_the_page_as_it_is(monkeypatch):
    def refused(*_):
        raise ModelError("Its weights are not available: choose another model.")

    monkeypatch.setattr(side_by_side.live, "run_download", refused)
    page = open_page(tab="Compare", comparison="Two side by side", maps=["Occlusion large"])
    page.selectbox(key="other_model").set_value("resnet18").run()
    assert not page.exception
    assert "Its weights are not available: choose another model." in said(page.error)
    overlay(page, "Occlusion large 112/112")
