"""The question, the baseline and the display, chosen on the page without a browser."""

import re

import pytest

from core.methods.cover_methods import OcclusionSetting
from dashboard.explain import controls
from dashboard.session import state
from tests.app import html, open_page, overlay, panel
from tests.said import said


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
    assert said(same.main.warning) == [
        "Target and contrast are the same class; explained without a contrast."
    ]


def test_a_class_whose_name_fits_several_is_said_and_each_of_them_offered():
    page = open_page(target="CARDIGAN")
    assert not page.exception
    assert '"CARDIGAN" names several classes' in said(page.warning)[0]
    assert page.button(key="target_offer_264").label == "Cardigan"
    assert page.button(key="target_offer_474").label == "cardigan"
    for name in ("Cardigan", "cardigan"):
        assert f"logit of {name}" in panel(open_page(target=name), "Occlusion small 48/48")


def test_when_the_explained_class_is_not_the_predicted_one_the_page_says_so():
    page = open_page(target="goose", maps=["Occlusion large"])
    assert "The maps explain goose</b>, not the predicted class king penguin" in html(page)


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


def test_fine_maps_are_drawn_as_sums_and_said_to_be():
    page = open_page(maps=["Integrated Gradients", "Occlusion large"])
    summed = overlay(page, "Integrated Gradients")
    assert "drawn as sums around each pixel" in panel(page, "Integrated Gradients")
    assert "drawn as" not in panel(page, "Occlusion large 112/112")
    page.toggle(key="summed").set_value(False).run()
    assert "drawn as" not in panel(page, "Integrated Gradients")
    assert (overlay(page, "Integrated Gradients") != summed).any()
