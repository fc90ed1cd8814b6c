"""Models on the page whose outputs are no classes, in the words of their heads."""

import re

import pytest

from core.models import registry
from dashboard.explain.evidence import SECTIONS
from dashboard.explain.tabs import COMPARISONS, CROP, SIZES, TABS
from tests import own
from tests.app import html, open_page, words
from tests.said import said

VALUES = own.DESCRIPTION.replace("Pond birds", "Ages").replace(
    own.DESCRIPTION.splitlines()[2], 'classes = ["age", "weight"]\nhead = "value"\nunit = "years"'
)


@pytest.fixture
def values(tmp_path, monkeypatch):
    own.make(tmp_path, "ages", VALUES, own.state(classes=2))
    monkeypatch.setenv(registry.FOLDER_VARIABLE, str(tmp_path))
    yield
    registry.use_folder(None)


@pytest.mark.usefixtures("values")
def test_the_target_of_a_model_of_values_is_a_value():
    page = open_page(model="Ages", maps="Occlusion small")
    assert not page.exception
    target = page.selectbox(key="target")
    assert (target.options, target.value) == (["first value", "age", "weight"], "first value")
    target.set_value("weight").run()
    assert "The maps explain weight</b>, not the first value age." in html(page)
    assert "Press a value to explain it" in html(page)
    target.set_value("first value").run()
    page.selectbox(key="model").set_value("efficientnet_lite0").run()
    assert page.selectbox(key="target").value == "predicted class"
    assert not any("first value" in sentence for sentence in said(page.warning))
    assert not page.exception


VALUE_PLACES = (
    *({"tab": tab} for tab in TABS),
    *({"tab": "Try it", "trial": part} for part in (CROP, SIZES)),
    *({"tab": "Compare", "comparison": part} for part in COMPARISONS[1:]),
    *({"tab": "Trust", "evidence": part, "judge": "true"} for part in SECTIONS),
)


@pytest.mark.usefixtures("values")
@pytest.mark.parametrize("place", VALUE_PLACES, ids=lambda place: " ".join(place.values()))
def test_the_page_of_a_model_of_values_says_nothing_of_classes(place):
    page = open_page(model="Ages", maps="Occlusion small", **place)
    assert not page.exception
    wrong = r"(?i).{0,40}(?:logit|probab|flip|threshold|softmax|\bclass(?:es)?\b).{0,40}"
    read = words(page)
    assert "first value" in read
    assert re.findall(wrong, read) == []
