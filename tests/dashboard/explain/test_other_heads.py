"""Models on the page whose outputs are no classes, in the words of their heads."""

import pytest

from core.models import registry
from tests import own
from tests.app import html, open_page
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
