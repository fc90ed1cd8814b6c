"""How far to trust a map: badges and their evidence, on the page without a browser."""

import re

import pytest

from core.errors import ResourceError
from core.methods.gradient_methods import GradientSetting
from dashboard.explain import evidence
from dashboard.session import live, state
from tests.app import captions, html, open_page, overlay, panel, words
from tests.said import said


def test_how_far_to_trust_a_map():
    page = open_page(judge="true", tab="Trust", maps=["Occlusion large"])
    assert not page.exception
    shown = panel(page, "Occlusion large 112/112")
    measures = re.findall(r"data-link=\"\[&quot;.*?&quot;, &quot;(\w+)&quot;\]", shown)
    assert measures == ["curves", "sums", "weights", "noise"]
    assert re.search(r"(deletion|insertion) [+−][\d.]+", shown)
    assert len(page.get("plotly_chart")) == 2
    assert "Deletion, strongest blocks covered first: mean probability" in captions(page)

    page.segmented_control(key="evidence").set_value("weights").run()
    assert "All layers random" in html(page)
    assert "mean rank correlation" in captions(page)
    page.segmented_control(key="evidence").set_value("noise").run()
    assert "With noise, 3" in html(page)
    assert "sensitivity-max" in captions(page)
    page.segmented_control(key="evidence").set_value("sums").run()
    assert len(page.get("plotly_chart")) == 1
    assert "covered squares of random sizes" in captions(page)

    page.segmented_control(key="evidence").set_value("curves").run()
    page.selectbox(key="judged_with").set_value("black").run()
    assert evidence.how().baseline == "blur"  # of another session
    assert page.session_state["reveal"] == "black"
    assert page.selectbox(key="reveal").value == "black"
    assert not page.exception


def test_road_is_a_choice_of_the_badges_and_not_of_the_maps(monkeypatch):
    monkeypatch.setattr("dashboard.explain.evidence._BLOCKS", (7, 14, 28, 112))
    page = open_page(judge="true", tab="Trust", maps=["Saliency"])
    page.selectbox(key="judged_block").set_value(112)
    page.selectbox(key="reveal").set_value("road").run()
    assert not page.exception
    assert page.selectbox(key="judged_with").value == "road"
    assert re.search(r"(deletion|insertion) [+−][\d.]+ \(ROAD\)", panel(page, "Saliency"))
    assert "Its combined score, half of insertion minus deletion" in captions(page)
    assert "road" not in page.selectbox(key="baseline").options
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


def test_maps_are_not_judged_where_that_is_turned_off(page):
    assert "wil-badges" not in panel(page, "Occlusion large 112/112")


def test_a_map_that_is_left_at_a_part_is_not_judged(monkeypatch):
    monkeypatch.setattr(live, "_projected", lambda *_: 1e9)  # what takes long asks first
    page = open_page(judge="true", maps=["Occlusion small"], small_window="15", small_stride="8")
    assert not page.exception
    assert "of 784 passes" in panel(page, "Occlusion small 15/8")
    assert any(sentence.endswith("Start?") for sentence in said(page.caption))
    assert "How far to trust" not in words(page)


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


@pytest.mark.parametrize("title", ["Random weights", "Weight randomisation"])
def test_former_titles_in_an_address_still_open_their_evidence(title):
    page = open_page(tab="Trust", evidence=title, maps=["Occlusion large"])
    assert page.segmented_control(key="evidence").value == "weights"
