"""The settings of each method on the page without a browser, and what they cost."""

import re

import numpy as np
import pytest

from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.text import markdown
from dashboard.drawing.view import Scene
from dashboard.explain.kept import KEPT
from dashboard.explain.methods import LARGE, TITLES
from dashboard.explain.tuning import _cost
from dashboard.session import state
from tests.app import KING_PENGUIN, captions, html, open_page, overlay, panel
from tests.said import said


def test_a_slider_changes_its_map_and_no_other(page):
    before = {t: overlay(page, t) for t in ("Integrated Gradients", "Occlusion large 112/112")}
    page.select_slider(key="small_window").set_value(64).run()
    assert not page.exception
    assert overlay(page, "Occlusion small 64/48").any()
    for title, pixels in before.items():
        np.testing.assert_array_equal(overlay(page, title), pixels)


def test_a_window_smaller_than_its_stride_takes_the_stride_along(page):
    page.select_slider(key="small_window").set_value(40).run()
    assert page.select_slider(key="small_stride").value == 40
    assert overlay(page, "Occlusion small 40/40").any()


def test_a_number_that_is_typed_moves_the_slider():
    page = open_page()
    page.number_input(key="small_window_typed_0").set_value(61).run()
    assert not page.exception
    assert page.select_slider(key="small_window").value == 61
    overlay(page, "Occlusion small 61/48")


def outlines(page, title):
    """(left, top, width, height) of the rectangles on a panel, in percent, by kind."""
    found = re.findall(
        r'class="wil-(crop|window)" style="left:(.*?)%;top:(.*?)%;width:(.*?)%;height:(.*?)%"',
        panel(page, title),
    )
    return [(kind, tuple(map(float, place))) for kind, *place in found]


def test_the_windows_lie_in_the_crop_to_scale():
    page = open_page(sample="kingfisher")
    (kind, crop), *windows = outlines(page, "Photo")
    assert kind == "crop"
    on_input = outlines(page, "What the model sees")
    assert len(windows) == len(on_input) == 2
    for (_, place), (_, seen), pixels in zip(windows, on_input, (48, 112), strict=True):
        share = pixels / 224
        assert seen == pytest.approx((50 * (1 - share),) * 2 + (100 * share,) * 2, abs=0.01)
        assert place[2:] == pytest.approx((crop[2] * share, crop[3] * share), abs=0.02)
        middles = [[p[i] + p[i + 2] / 2 for i in (0, 1)] for p in (place, crop)]
        assert middles[0] == pytest.approx(middles[1], abs=0.02)


def test_the_large_windows_say_why_while_the_small_ones_are_not_there():
    page = open_page(maps=TITLES[LARGE], small_window="44", small_stride="45")
    assert marked(page) == (50.0, 50.0)  # in percent of the picture
    # The small one lies at the lower edge, beyond which it reaches: 32 of its 48 rows are seen.
    assert marked(open_page()) == pytest.approx((100 * 48 / 224, 100 * 32 / 224), abs=0.01)


def marked(page):
    """Width and height of the window that is marked on the large map, in percent."""
    lead = re.findall(r'class="wil-lead.*?</section>', html(page), re.DOTALL)[-1]
    place = re.search(r'class="wil-mark" style="[^"]*width:([\d.]+)%;height:([\d.]+)%', lead)
    return tuple(map(float, place.groups()))


def test_beside_the_windows_stands_what_they_still_cost(page):
    assert "25 windows, all known" in said(page.caption)
    page.session_state["map"] = "occlusion_large"  # as its thumbnail does
    assert "4 windows, all known" in said(page.run().caption)


def test_the_cost_of_windows_before_they_are_known():
    explainer = Explainer()
    scene = Scene(state.sample_picture("swan"), explainer.classifier("efficientnet_lite0", "cpu"))
    question = Question(KING_PENGUIN)

    def cost(window, stride):
        return _cost(explainer, scene, OcclusionSetting(window, stride), question)

    assert cost(48, 48) == "25 windows, one pass each"
    assert cost(20, 40) == ""  # the panel says why
    explainer.attribution(scene.classifier, scene.picture, OcclusionSetting(112, 112), question)
    assert cost(112, 112) == "4 windows, all known"
    assert re.fullmatch(r"9 windows, about [0-9]+ s", cost(100, 100))  # measured at a like size
    assert cost(48, 48) == "25 windows, one pass each"  # which says nothing of half the size
    assert re.fullmatch(r"9 windows, 4 known, about [0-9]+ s", cost(112, 56))


def test_what_takes_more_than_a_minute_asks_first(monkeypatch):
    monkeypatch.setattr("dashboard.session.live._LONG_SECONDS", 0.0)
    open_page(maps=["Occlusion large"], large_window="112", large_stride="109")  # its pace is known
    page = open_page(maps=["Occlusion large"], large_window="110", large_stride="110")
    assert "Occlusion large 110/110: 9 passes" in captions(page)
    assert 'class="map"' not in panel(page, "Occlusion large 110/110")
    page.button(key="start_maps").click().run()
    assert not page.exception
    assert overlay(page, "Occlusion large 110/110").any()


def test_a_press_on_a_thumbnail_shows_that_map_large_with_its_settings():
    page = open_page(maps=["Occlusion small", "Integrated Gradients", "Grad-CAM"])
    assert page.select_slider(key="small_window").value == 48
    page.session_state["map"] = "grad_cam"  # as the thumbnail does
    page.run()
    assert not page.exception
    assert 'wil-lead done" data-panel="Grad-CAM"' in html(page)
    assert [each.key for each in page.select_slider] == []
    *layers, fused = page.selectbox(key="layer").options
    assert (page.selectbox(key="layer").value, fused) == (layers[-1], "all")
    page.session_state["map"] = "occlusion_small"
    page.run()
    assert page.select_slider(key="small_window").value == 48
    assert page.query_params["small_window"] == "48"


def test_methods_bring_their_own_settings():
    page = open_page(maps=["SmoothGrad", "Superpixel ablation"], samples="2", segments="10")
    assert not page.exception
    assert "Saliency on 2 noisy copies, noise 0.3, seed 0" in panel(page, "SmoothGrad")
    assert re.search(r"\d+ patches", panel(page, "Superpixel ablation"))
    assert {"samples", "stdev"} <= {widget.key for widget in page.slider}
    page.session_state["map"] = "superpixels"  # as its thumbnail does
    page.run()
    assert [widget.key for widget in page.slider if widget.key in KEPT] == ["segments"]


def test_cams_have_a_layer_and_evidence_against():
    page = open_page(maps=["LayerCAM", "Ablation-CAM", "Eigen-CAM"], map="layer_cam")
    assert "evidence against" not in panel(page, "LayerCAM")
    page.selectbox(key="layer").set_value("all").run()
    page.toggle(key="signed").set_value(True).run()
    assert not page.exception
    assert (page.query_params["layer"], page.query_params["signed"]) == ("all", "True")
    for words in ("last layer of each size, fused, signed", "evidence against", "no unit"):
        assert words in panel(page, "LayerCAM")
    assert "evidence against" in panel(page, "Ablation-CAM")
    page.session_state["map"] = "ablation_cam"
    page.run()
    assert "all" not in page.selectbox(key="channel_layer").options
    page.session_state["map"] = "eigen_cam"
    page.run()
    assert [each.key for each in page.toggle if each.key == "signed"] == []
    assert "the same for every class" in panel(page, "Eigen-CAM")


def test_lrp_shows_the_numbers_of_its_rule():
    page = open_page(maps=["LRP"], rule="epsilon_gamma_box", gamma="0.5", epsilon="1e-4", map="lrp")
    assert not page.exception
    words = "rule epsilon_gamma_box, epsilon 0.0001, gamma 0.5"
    assert words in panel(page, "LRP")
    keys = {"rule", "epsilon", "gamma"}

    def drawn():
        widgets = (*page.selectbox, *page.select_slider, *page.slider)
        return {widget.key for widget in widgets if widget.key in keys}

    assert drawn() == keys
    page.selectbox(key="rule").set_value("attn").run()
    assert drawn() == keys
    assert "rule attn, gamma 0.5" in panel(page, "LRP")
    # It has no attention, so no layer has the rule.
    assert "epsilon 0.0001: no effect, by rule attn of this network" in panel(page, "LRP")
    page.selectbox(key="rule").set_value("epsilon").run()
    assert not page.exception
    assert drawn() == {"rule", "epsilon"}  # the gamma of the other rules is kept, and of no use
    assert "rule epsilon, epsilon 0.0001" in panel(page, "LRP")
    assert "gamma" not in panel(page, "LRP")
    page.selectbox(key="rule").set_value("auto").run()
    assert drawn() == keys
    assert "gamma 0.5: no effect, by rule epsilon_plus_flat" in panel(page, "LRP")


def test_black_box_methods_bring_their_own_settings():
    page = open_page(maps=["RISE", "LIME"], masks="100", cells="4", coalitions="100", seed="3")
    assert not page.exception
    assert "100 masks, 4 × 4 cells, seed 3" in panel(page, "RISE")
    assert re.search(r"standard error 0\.\d+ logits in the median, at most", panel(page, "RISE"))
    assert re.search(r"100 coalitions of \d+ patches, seed 3", panel(page, "LIME"))
    assert [widget.key for widget in page.slider if widget.key in KEPT] == ["masks", "cells"]
    page.session_state["map"] = "lime"  # as its thumbnail does
    page.run()
    found = [widget.key for widget in page.slider if widget.key in KEPT]
    assert found == ["segments", "coalitions"]
    assert [widget.key for widget in page.number_input if widget.key in KEPT] == ["seed"]


def test_maps_of_attention_have_their_settings_and_say_why_there_are_none():
    page = open_page(maps=["Attention rollout", "LeGrad"], fusion="max", start="2")
    assert not page.exception
    reason = "since it has no attention."
    offered = page.checkbox(key="show_gradient_rollout")
    assert offered.disabled
    assert offered.help == markdown(f"Not for this model, {reason}")
    assert page.selectbox(key="fusion").value == "max"
    page.session_state["map"] = "legrad"  # as its thumbnail does
    page.run()
    assert page.number_input(key="start").value == 2
    assert f"LeGrad is not available for this model, {reason}" in html(page) + str(said(page.error))
