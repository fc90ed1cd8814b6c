"""A map made elsewhere on the page: upload, what has to be said, the panel, the way back."""

import io

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.methods.given_setting import GIVEN
from core.pictures.preprocessing import Box
from core.pictures.samples import samples
from tests.dashboard.explain.test_export import APP, PATIENCE, QUICK
from tests.said import said

LARGE = "Occlusion large 112/112"


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def opened():
    page = AppTest.from_file(APP, default_timeout=PATIENCE)
    for key, value in {**QUICK, "judge": "false"}.items():
        page.query_params[key] = value
    return page.run()


def upload(page, name, data):
    (place,) = (each for each in page.get("file_uploader") if "PNG of greys" in each.proto.label)
    place.upload(name, data, "application/octet-stream")
    page.run()
    assert not page.exception


def asked(kind, what):
    """The control that asks something of the map."""
    (found,) = (each for each in kind if str(each.key).startswith(f"own_map_{what}_"))
    return found


def press(page, key):
    page.button(key=key).click().run()
    assert not page.exception


def panels(page):
    """What the panels of the row say, by title."""
    text = "\n".join(element.proto.body for element in page.get("html"))
    return {
        part.split('"', 1)[0]: part
        for part in text.split("wil-panel")[1:]
        for part in [part.partition('data-panel="')[2]]
        if part
    }


def test_a_map_is_shown_once_its_sign_and_unit_are_said():
    page = opened()
    address = dict(page.query_params)
    upload(page, "mine.npy", npy(np.full((9, 9), np.nan)))
    assert said(page.error)[0].startswith("81 of the map's 81 values are not finite")
    assert LARGE in panels(page)
    assert not [each for each in page.selectbox if str(each.key).startswith("own_map_channels")]
    press(page, "own_map_drop")
    assert not page.error

    values = np.random.default_rng(0).normal(size=(3, 224, 224))
    upload(page, "mine.npy", npy(values))
    assert not page.error  # it is asked, and nothing is wrong
    assert any("The map has 3 channels: say how they become one" in t for t in said(page.caption))
    asked(page.selectbox, "channels").select("sum").run()
    assert not page.error
    press(page, "own_map_take")
    assert said(page.error)[0].startswith("Say what the map's sign means: signed (below zero")
    asked(page.radio, "sign").set_value("positive").run()
    press(page, "own_map_take")
    assert said(page.error)[0].startswith("Say what the map's values count: score")
    asked(page.selectbox, "unit").select("score").run()
    press(page, "own_map_take")
    assert "values are below zero, and it was said to be positive" in said(page.error)[0]
    asked(page.radio, "sign").set_value("signed").run()
    press(page, "own_map_take")
    assert not page.error
    assert page.session_state["map"] == GIVEN
    found = panels(page)
    assert "made elsewhere, signed" in found["mine"]
    assert "logits" in found["mine"]
    assert any("Without the map made elsewhere" in words for words in said(page.caption))

    # Asked about another class, it does not pretend.
    page.query_params["target"] = "goose"
    page.selectbox(key="target").set_value("goose").run()
    assert "This map was given for the logit of king penguin" in panels(page)["mine"]
    page.button(key="sample_penguin").click().run()
    assert "mine" not in panels(page)
    page.selectbox(key="target").set_value("predicted class").run()
    page.button(key="sample_swan").click().run()
    assert "made elsewhere, signed" in panels(page)["mine"]
    press(page, "own_map_drop")
    assert set(panels(page)) >= {LARGE}
    assert "mine" not in panels(page)
    assert not [each for each in page.query_params if "own" in each]
    assert address.keys() <= page.query_params.keys()


def test_a_png_is_not_asked_for_a_unit():
    page = opened()
    buffer = io.BytesIO()
    Image.fromarray(np.arange(49, dtype=np.uint8).reshape(7, 7)).save(buffer, "PNG")
    upload(page, "heat.png", buffer.getvalue())
    assert any("holds 49 greys and no scale" in words for words in said(page.caption))
    assert not [each for each in page.selectbox if str(each.key).startswith("own_map_unit")]
    asked(page.radio, "sign").set_value("positive").run()
    press(page, "own_map_take")
    assert "or say that it is a grid over the input" in said(page.error)[0]
    asked(page.selectbox, "covers").select("grid").run()
    press(page, "own_map_take")
    assert not page.error
    assert "of known order alone" in panels(page)["heat"]


def test_what_was_said_of_one_map_is_not_said_of_another():
    page = opened()
    channels = npy(np.random.default_rng(0).random((3, 224, 224)))
    upload(page, "one.npy", channels)
    asked(page.selectbox, "channels").select("sum").run()
    asked(page.radio, "sign").set_value("positive").run()
    page.button(key="sample_penguin").click().run()
    upload(page, "two.npy", channels)
    assert asked(page.selectbox, "channels").value is None
    asked(page.selectbox, "channels").select("sum").run()
    assert not page.error
    assert asked(page.radio, "sign").value is None


def test_a_map_of_the_input_belongs_to_its_crop_and_one_of_the_photo_to_all():
    page = opened()
    with Image.open(samples()["swan"].path) as photo:
        width, height = photo.size
    page.selectbox(key="target").set_value("king penguin").run()  # whatever the crop shows
    random = np.random.default_rng(0)
    part = Box(0, 0, 300, 300)
    for name, shape, found in (
        ("input", (224, 224), "This map was given for another part of the photo: choose that crop"),
        ("photo", (height, width), "made elsewhere, signed"),
    ):
        page.session_state["region"] = None
        upload(page, f"{name}.npy", npy(random.normal(size=shape).astype(np.float32)))
        asked(page.radio, "sign").set_value("signed").run()
        asked(page.selectbox, "unit").select("none").run()
        press(page, "own_map_take")
        assert "made elsewhere, signed" in panels(page)[name]
        page.session_state["region"] = part
        page.run()
        assert found in panels(page)[name]
        press(page, "own_map_drop")
