"""The components between the browser and the page: what each run is told, and what it is not."""

import base64
import re

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.browser import components
from tests.dashboard.browser.test_messages import ODD, SIZE


class Page:
    """The wrappers on a page of plain dictionaries: what the browser sent, what it is shown."""

    def __init__(self, monkeypatch):
        self.state, self.data = {}, {}
        monkeypatch.setattr(components.st, "session_state", self.state)
        for name in ("_CROP", "_BRUSH"):
            monkeypatch.setattr(components, name, lambda key, data: self.data.update({key: data}))

    def crop(self, box, photo="data:one"):
        return components.crop_box(photo, SIZE, box, key="crop", alt="A photo")

    def send_box(self, box, name):
        photo = self.data["crop"]["photo_id"]
        self.state["crop"] = {"box": {"box": list(box), "photo": photo, "id": name}}

    def brush(self, picture="data:one"):
        return components.brush(picture, (8, 8), key="brush", alt="A picture")

    def send_mask(self, mask, name):
        text = base64.b64encode(mask).decode()
        picture = self.data["brush"]["picture_id"]
        self.state["brush"] = {"mask": {"mask": text, "picture": picture, "id": name}}


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


WHOLE, MOVED, AGAIN = (80.0, 0.0, 560.0, 480.0), (0.0, 0.0, 99.0, 99.0), (5.0, 5.0, 99.0, 99.0)


def test_the_box_follows_user_and_caller(page):
    assert page.crop(WHOLE) is None
    page.send_box(MOVED, "m1")
    assert page.crop(WHOLE) == MOVED
    assert page.data["crop"]["box"] == list(MOVED)
    assert page.crop(MOVED) == MOVED  # the caller has stored it
    assert page.crop(WHOLE) is None  # the caller went back: old news
    assert page.data["crop"]["box"] == list(WHOLE)
    page.send_box(AGAIN, "m2")
    assert page.crop(WHOLE) == AGAIN


def test_a_box_on_the_photo_before_does_not_count(page):
    page.crop(WHOLE)
    page.send_box(MOVED, "m1")
    assert page.crop(WHOLE, "data:two") is None
    assert page.data["crop"]["box"] == list(WHOLE)


def test_the_mask_stays_until_the_picture_changes(page):
    mask = b"\x01" + bytes(7)
    assert page.brush() is None
    page.send_mask(mask, "m1")
    assert page.brush() == mask
    assert page.brush() == mask
    assert base64.b64decode(page.data["brush"]["mask"]) == mask
    assert page.brush("data:two") is None
    assert page.brush() is None  # back again: the component has cleared it too
    assert page.data["brush"]["mask"] == ""
    page.send_mask(mask, "m2")
    assert page.brush() == mask


@pytest.mark.parametrize("forged", ODD)
def test_forged_states_raise_nothing(page, forged):
    page.crop(WHOLE)
    page.brush()
    for state in (forged, {"box": forged, "mask": forged}):
        page.state.update(crop=state, brush=state)
        assert page.crop(WHOLE) is None
        assert page.brush() is None


def test_the_page_stands_once_the_browser_says_so(monkeypatch):
    told = []
    monkeypatch.setattr(components.st, "session_state", {})
    monkeypatch.setattr(components, "_LINKS", lambda **given: told.append(given))
    components.links(key="links", on_click=print)
    assert not components.page_stands()
    told[0]["on_stands_change"]()
    assert components.page_stands()
    components.links(key="links", on_click=print)
    assert [each["data"] for each in told] == [{"stands": False}, {"stands": True}]


def _script():
    from dashboard.browser.components import brush, compare, crop_box, inspect, links

    crop_box("data:,", (64, 64), (0, 0, 32, 32), key="crop", alt="")
    brush("data:,", (8, 8), key="brush", alt="")
    compare("data:,", "data:,", key="compare", alt="", label="map")
    inspect({}, key="inspect")
    links(key="links", on_click=print)


def test_they_mount():
    page = AppTest.from_function(_script).run()
    assert not page.exception


def test_the_files_ask_for_nothing_outside():
    files = [*components._FRONTEND.iterdir()]
    assert len(files) >= 16
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"https?:|@import|url\(|fetch\(|innerHTML", text), file.name
