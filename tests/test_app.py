"""The page's flows without a browser: samples, uploads, sliders, targets, display, the address."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import study
from core.errors import ModelError, ResourceError
from core.explainer import Explainer
from core.rendering import Display, colours, scale
from core.scores import Question
from core.settings import GradientSetting, OcclusionSetting, SmoothSetting
from dashboard import controls, evidence, pairs, state, tabs
from dashboard.kept import KEPT
from dashboard.methods import LARGE, TITLES
from dashboard.tabs import TABS, TRIALS
from dashboard.tuning import _cost
from dashboard.view import Scene
from tests.said import said

ROOT = Path(__file__).resolve().parent.parent
KING_PENGUIN, GOOSE = 145, 99

# Few, large windows and few steps: what is tested here is the page, not the patience.
QUICK = {
    "small_window": "48",
    "small_stride": "48",
    "large_window": "112",
    "large_stride": "112",
    "steps": "10",
    "judge": "false",
}


@pytest.fixture
def page():
    """The page with quick settings, run once."""
    return open_page()


def open_page(**query):
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    for key, value in {**QUICK, **query}.items():
        test.query_params[key] = value
    return test.run()


def html(page):
    """All HTML on the page, in one string."""
    return "\n".join(element.proto.body for element in page.get("html"))


def panel(page, title):
    """The part of the page that shows one panel."""
    found = re.search(
        rf'<section class="wil-panel[^"]*" data-panel="{re.escape(title)}".*?</section>',
        html(page),
        re.DOTALL,
    )
    assert found, f"there is no panel {title}"
    return found.group()


def overlay(page, title):
    """The map of a panel as RGBA pixels."""
    address = re.search(r'class="map" src="data:image/png;base64,([^"]+)"', panel(page, title))
    assert address, f"{title} has no map"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.group(1)))).convert("RGBA"))


def upload(page, name, data, mime="image/png"):
    page.get("file_uploader")[0].upload(name, data, mime)
    return page.run()


def png(colour=(200, 30, 30), size=(300, 260)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


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


def test_target_contrast_and_score(page):
    page.selectbox(key="target").set_value("goose").run()
    assert "logit of goose" in panel(page, "Occlusion small 48/48")
    page.selectbox(key="contrast").set_value("king penguin").run()
    assert "logit of goose minus king penguin" in panel(page, "Occlusion small 48/48")
    page.selectbox(key="score").set_value("probability").run()
    assert "probability of goose minus king penguin" in panel(page, "Occlusion small 48/48")
    assert "points" in panel(page, "Occlusion small 48/48")
    assert not page.exception


def test_another_target_costs_no_pass(page):
    explainer = state.explainer()
    survey = explainer.survey(
        explainer.classifier("efficientnet_lite0"),
        state.sample_picture("swan"),
        OcclusionSetting(48, 48),
    )
    passes = survey.forward_passes
    page.selectbox(key="target").set_value("goose").run()
    assert "logit of goose" in panel(page, "Occlusion small 48/48")
    assert survey.forward_passes == passes


def test_a_class_that_is_not_there_is_said_and_the_nearest_offered():
    page = open_page(target="mute swan")
    assert not page.exception
    assert 'no class "mute swan"' in said(page.warning)[0]
    assert page.button(key="target_offer_100").label == "black swan"
    # Without such a class the predicted one is explained.
    assert "logit of king penguin" in panel(page, "Occlusion small 48/48")


def test_a_kind_with_one_member_is_that_one():
    page = open_page(target="swan", contrast="penguin")
    assert not page.exception
    assert not said(page.warning)
    assert "logit of black swan minus king penguin" in panel(page, "Occlusion small 48/48")


def test_a_second_class_that_cannot_be_had_is_said_where_it_is_seen():
    page = open_page(contrast="mute swan", maps=["Occlusion large"])
    assert 'no class "mute swan"' in said(page.main.warning)[0]
    assert "logit of king penguin" in panel(page, "Occlusion large 112/112")
    same = open_page(contrast="king penguin", maps=["Occlusion large"])
    assert said(same.main.warning) == ["Both are the same class; explained against nothing."]


def test_a_class_whose_name_fits_several_is_said_and_each_of_them_offered():
    page = open_page(target="CARDIGAN")
    assert not page.exception
    assert '"CARDIGAN" names several classes' in said(page.warning)[0]
    assert page.button(key="target_offer_264").label == "Cardigan"
    assert page.button(key="target_offer_474").label == "cardigan"
    for name in ("Cardigan", "cardigan"):
        assert f"logit of {name}" in panel(open_page(target=name), "Occlusion small 48/48")


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


def test_display_changes_colours_only(page):
    title = "Occlusion small 48/48"
    before = overlay(page, title)
    page.slider(key="opacity").set_value(0.4).run()
    after = overlay(page, title)
    assert after[..., 3].max() < before[..., 3].max()
    page.selectbox(key="sign").set_value("positive").run()
    assert "−" not in re.search('class="ticks".*?</div>', panel(page, title)).group()
    page.toggle(key="same_scale").set_value(True).run()
    ticks = {
        re.search('class="ticks".*?</div>', panel(page, t)).group()
        for t in (title, "Occlusion large 112/112", "Integrated Gradients")
    }
    assert len(ticks) == 1
    page.toggle(key="whole_photo").set_value(True).run()
    assert 'class="wil-crop"' in panel(page, title)
    assert not page.exception


def test_bad_values_in_the_address_fall_back():
    page = open_page(small_window="9999", sample="nobody", model="none", target="")
    assert not page.exception
    assert any('no sample "nobody"' in sentence for sentence in said(page.warning))
    assert any("asks for model 'none'" in sentence for sentence in said(page.warning))
    assert 1 <= page.select_slider(key="small_window").value <= 224
    assert "The model says king penguin" in html(page)


def test_core_refuses_what_the_address_asks_for_and_the_other_maps_stand():
    page = open_page(small_window="20", small_stride="40")
    assert not page.exception
    assert "choose between 1 and 20" in panel(page, "Occlusion small 20/40")
    assert overlay(page, "Occlusion large 112/112").any()


@pytest.mark.parametrize("tab", TABS)
def test_the_row_of_all_maps_is_there_whatever_is_open(tab):
    page = open_page(tab=tab)
    assert not page.exception
    assert overlay(page, "Occlusion small 48/48").any()


@pytest.mark.parametrize("trial", TRIALS)
def test_things_to_try(trial):
    page = open_page(tab="Try it", trial=trial)
    assert not page.exception
    if trial == "What flips it":
        assert re.search(r"\d+ windows? of 48 pixels, coloured by the class", html(page))
    if trial == "Window sizes":
        assert "Window 24/" in html(page)
        assert "Window 192/" in html(page)


def test_the_picture_beside_a_map():
    page = open_page(tab="Compare", comparison="Picture and map")
    assert not page.exception
    assert page.segmented_control(key="compared").value == "Occlusion small"


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

    from core import models

    gone = models.registry()["resnet18"]
    weights = replace(
        gone.weights, path=tmp_path / "x-00000000.pth", url="http://127.0.0.1:9/x.pth"
    )
    monkeypatch.setitem(models.registry(), "resnet18", replace(gone, weights=weights))
    page.selectbox(key="model").set_value("resnet18").run()
    assert not page.exception
    assert "could not be downloaded" in said(page.error)[0]
    assert "The page shows EfficientNet-Lite0." in said(page.error)[0]
    assert "The model says king penguin, 53 %." in html(page)
    assert overlay(page, "Occlusion small 48/48").any()


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


def test_a_covered_picture_that_does_not_fit_is_one_sentence(monkeypatch):
    def full(*_):
        raise ResourceError("A pass does not fit into memory: close other programs.")

    monkeypatch.setattr("dashboard.components.brush", lambda *_, **__: bytes([255]) * (224 * 28))
    monkeypatch.setattr("core.explainer.Explainer.covered", full)
    page = open_page(tab="Try it", trial="Cover it yourself")
    assert not page.exception
    assert said(page.error) == ["A pass does not fit into memory: close other programs."]
    assert overlay(page, "Occlusion small 48/48").any()


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
    assert "Choose the map Occlusion small" in " ".join(said(flips.caption))


def test_a_map_says_how_far_it_adds_up(page):
    assert re.search(r"Adds up to [\d.−]+ of 8\.02 logits", panel(page, "Integrated Gradients"))
    assert "wil-meter" not in panel(page, "Occlusion small 48/48")


def test_methods_bring_their_own_settings():
    page = open_page(maps=["SmoothGrad", "Superpixel ablation"], samples="2", segments="10")
    assert not page.exception
    assert "Saliency on 2 noisy copies, noise 0.3, seed 0" in panel(page, "SmoothGrad")
    assert re.search(r"\d+ patches", panel(page, "Superpixel ablation"))
    assert {"samples", "stdev"} <= {widget.key for widget in page.slider}
    page.session_state["map"] = "superpixels"  # as its thumbnail does
    page.run()
    assert [widget.key for widget in page.slider if widget.key in KEPT] == ["segments"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"baseline": "blur", "sigma": "3"}, "picture blurred with sigma 3"),
        ({"baseline": "noise", "noise_seed": "7"}, "uniform noise, seed 7"),
        ({"baseline": "another picture", "other": "Penguin"}, "another picture"),
    ],
)
def test_the_baseline_is_chosen_and_named(query, words):
    page = open_page(maps=["Occlusion large"], **query)
    assert not page.exception
    assert not said(page.warning)
    assert f"baseline {words}" in panel(page, "Occlusion large 112/112")


def test_baselines_are_shown_as_pictures_above_the_maps_that_they_give():
    page = open_page(tab="Compare", comparison="Baselines", maps=["Occlusion large"])
    assert not page.exception
    assert "image/png" in panel(page, "Grey")
    for name in ("grey", "black", "white", "mean", "blur", "noise"):
        overlay(page, f"Occlusion 112/112, {name}")
        assert "Adds up to" in panel(page, f"Integrated Gradients, {name}")
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


def test_how_far_to_trust_a_map():
    page = open_page(judge="true", tab="Trust", maps=["Occlusion large"])
    assert not page.exception
    shown = panel(page, "Occlusion large 112/112")
    measures = re.findall(r"data-link=\"\[&quot;.*?&quot;, &quot;(\w+)&quot;\]", shown)
    assert measures == ["curves", "sums", "weights", "noise"]
    assert re.search(r"(covering|revealing) [+−][\d.]+", shown)
    assert len(page.get("plotly_chart")) == 2
    assert "Covering the strongest blocks first: mean probability" in captions(page)

    page.segmented_control(key="evidence").set_value("weights").run()
    assert "All layers random" in html(page)
    assert "mean rank correlation" in captions(page)
    page.segmented_control(key="evidence").set_value("noise").run()
    assert "With noise, 3" in html(page)
    assert "sensitivity-max" in captions(page)
    page.segmented_control(key="evidence").set_value("sums").run()
    assert len(page.get("plotly_chart")) == 1
    assert "squares of random sizes covered" in captions(page)

    page.segmented_control(key="evidence").set_value("curves").run()
    page.selectbox(key="judged_with").set_value("black").run()
    assert evidence.how().baseline == "blur"  # of another session
    assert page.session_state["how"].baseline == "black"
    assert not page.exception


def test_a_judgement_that_cannot_be_made_is_said_and_not_tried_again(monkeypatch):
    tried = []

    def refused(*_):
        tried.append(1)
        raise ResourceError("This judgement does not fit into memory: choose a smaller model.")
        yield

    monkeypatch.setattr(state.judge(), "known", lambda *_: None)
    monkeypatch.setattr(state.judge(), "steps", refused)
    page = open_page(judge="true", tab="Trust", maps=["Saliency"])
    assert not page.exception
    assert said(page.error) == ["This judgement does not fit into memory: choose a smaller model."]
    overlay(page, "Saliency")
    page.run()
    assert len(tried) == 1


def captions(page):
    return " ".join(said(page.caption))


def test_maps_are_not_judged_where_that_is_turned_off(page):
    assert "wil-badges" not in panel(page, "Occlusion large 112/112")


def test_how_far_maps_agree():
    page = open_page(tab="Trust", evidence="Agreement", small_window="60")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 4
    for window in ("60/48", "45/45", "75/48", "60/60"):
        overlay(page, window)


@pytest.mark.parametrize(
    ("words", "opened"),
    [
        (["Saliency", "weights"], True),
        (["Saliency", "no such measure"], False),
        (["no such map", "weights"], False),
    ],
)
def test_only_a_badge_that_is_there_opens_its_evidence(monkeypatch, words, opened):
    kept = {}
    monkeypatch.setattr(evidence.st, "session_state", kept)
    evidence.open_evidence({"Saliency": GradientSetting("saliency")}, "trust", *words)
    assert kept == ({"judged": "Saliency", "evidence": "weights", "tab": "trust"} if opened else {})


@pytest.mark.parametrize(
    ("index", "chosen"),
    [
        ("99", "goose"),
        ("134", "crane bird"),
        ("1000", None),
        ("-1", None),
        ("goose", None),
        ("9" * 5000, None),
    ],
)
def test_only_a_class_of_the_model_can_be_made_the_target(monkeypatch, index, chosen):
    kept = {}
    monkeypatch.setattr(controls.st, "session_state", kept)
    controls.explain_class(state.explainer().classifier("efficientnet_lite0"), index)
    assert kept == ({"target": chosen} if chosen else {})


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
        raise ModelError("Its weights cannot be had: choose another model.")

    monkeypatch.setattr(pairs.live, "run_download", refused)
    page = open_page(tab="Compare", comparison="Two side by side", maps=["Occlusion large"])
    page.selectbox(key="other_model").set_value("resnet18").run()
    assert not page.exception
    assert "Its weights cannot be had: choose another model." in said(page.error)
    overlay(page, "Occlusion large 112/112")


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


def test_a_press_on_a_thumbnail_shows_that_map_large_with_its_settings():
    page = open_page(maps=["Occlusion small", "Integrated Gradients", "Grad-CAM"])
    assert page.select_slider(key="small_window").value == 48
    page.session_state["map"] = "grad_cam"  # as the thumbnail does
    page.run()
    assert not page.exception
    assert 'wil-lead done" data-panel="Grad-CAM"' in html(page)
    assert [each.key for each in page.select_slider] == []
    assert page.selectbox(key="layer").value == page.selectbox(key="layer").options[-1]
    page.session_state["map"] = "occlusion_small"
    page.run()
    assert page.select_slider(key="small_window").value == 48
    assert page.query_params["small_window"] == "48"


def test_a_number_that_is_typed_moves_the_slider():
    page = open_page()
    page.number_input(key="small_window_typed_0").set_value(61).run()
    assert not page.exception
    assert page.select_slider(key="small_window").value == 61
    overlay(page, "Occlusion small 61/48")


def test_fine_maps_are_drawn_as_sums_and_said_to_be():
    page = open_page(maps=["Integrated Gradients", "Occlusion large"])
    summed = overlay(page, "Integrated Gradients")
    assert "drawn as sums around each pixel" in panel(page, "Integrated Gradients")
    assert "drawn as" not in panel(page, "Occlusion large 112/112")
    page.toggle(key="summed").set_value(False).run()
    assert "drawn as" not in panel(page, "Integrated Gradients")
    assert (overlay(page, "Integrated Gradients") != summed).any()


def test_what_takes_more_than_a_minute_asks_first(monkeypatch):
    monkeypatch.setattr("dashboard.live._LONG_SECONDS", 0.0)
    open_page(maps=["Occlusion large"], large_window="112", large_stride="109")  # its pace is known
    page = open_page(maps=["Occlusion large"], large_window="110", large_stride="110")
    assert "Occlusion large 110/110: 9 passes" in captions(page)
    assert 'class="map"' not in panel(page, "Occlusion large 110/110")
    page.button(key="start_maps").click().run()
    assert not page.exception
    assert overlay(page, "Occlusion large 110/110").any()


def test_when_the_explained_class_is_not_the_predicted_one_the_page_says_so():
    page = open_page(target="goose", maps=["Occlusion large"])
    assert "The maps explain goose</b>, not the predicted king penguin" in html(page)
