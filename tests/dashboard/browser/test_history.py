"""The picture of the page, as the address and the uploader change, without a browser."""

import io
import re

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.browser import history
from dashboard.session import state
from tests.browser import ROOT
from tests.dashboard.folder.test_page import QUICK as LARGE_WINDOWS
from tests.said import said

QUICK = {**LARGE_WINDOWS, "maps": "Saliency"}


@pytest.fixture
def page():
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    test.query_params.update(QUICK)
    return test.run()


@pytest.fixture
def go(page, monkeypatch):
    """Goes to an address of the browser's history."""

    def call(**query):
        for key in ("sample", "picture", "crop"):
            page.query_params.pop(key, None)
        page.query_params.update(query)
        with monkeypatch.context() as patch:
            patch.setattr(history, "went", lambda: True)
            page.run()
        assert not page.exception

    return call


def png(size):
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(page, name, data):
    page.file_uploader(key="uploader").upload(name, data, "image/png")
    page.run()
    assert not page.exception


def photo(page):
    """What the page says of its photo."""
    text = "\n".join(each.proto.body for each in page.get("html"))
    return re.search(r'data-panel="Photo".*?(\d+ × \d+) pixels', text, re.DOTALL)[1]


def test_the_history_leads_back_to_uploads_that_the_session_has(page, go):
    swan = photo(page)
    upload(page, "first.png", png((320, 240)))
    first = page.query_params["sample"]
    upload(page, "second.png", png((400, 300)))
    assert page.query_params["sample"] != first
    assert photo(page) == "400 × 300"
    go(sample=first)
    assert photo(page) == "320 × 240"
    assert page.query_params["sample"] == first
    go()
    assert photo(page) == swan
    assert not page.warning


def test_an_upload_says_nothing_of_itself_in_the_address(page):
    upload(page, "secret.png", png((320, 240)))
    assert re.fullmatch("upload-[0-9a-f]{8}", page.query_params["sample"])


def test_old_uploads_go(page, go):
    sizes = [(320 + number, 240) for number in range(state._UPLOADS_KEPT + 1)]
    asked = []
    for size in sizes:
        upload(page, "one.png", png(size))
        asked.append(page.query_params["sample"])
    go(sample=asked[1])
    assert photo(page) == "321 × 240"
    go(sample=asked[0])
    assert photo(page) == "321 × 240"
    assert page.query_params["sample"] == asked[1]
    (sentence,) = said(page.warning)
    assert "was an upload" in sentence
    assert sentence.endswith(" The page shows your photo.")


@pytest.mark.parametrize(
    "query",
    [
        *({"sample": name} for name in ("nobody", "", "upload", "folder", "upload-00000000", "😀")),
        *({"picture": name} for name in ("birds/a.png", "../../etc/passwd", "/", "")),
    ],
)
def test_what_the_history_asks_for_in_vain_changes_nothing(page, go, query):
    page.button(key="sample_red_panda").click().run()
    before = photo(page)
    go(**query)
    assert photo(page) == before
    assert page.query_params["sample"] == "red_panda"
    assert "picture" not in page.query_params
    assert "The page shows Red panda" in said(page.warning)[0]


def test_the_history_brings_crops_back(page, go):
    go(sample="kingfisher", crop="200,100,700,600")
    assert page.session_state["region"] == (200, 100, 700, 600)
    assert page.query_params["crop"] == "200,100,700,600"
    go(sample="kingfisher")
    assert page.session_state["region"] is None
    go(sample="kingfisher", crop="1,2,3")
    assert page.session_state["region"] is None
    assert "crop" not in page.query_params


def test_a_browser_that_has_not_heard_of_the_picture_does_not_undo_it(page):
    page.button(key="sample_red_panda").click().run()
    before = photo(page)
    page.query_params["sample"] = "swan"
    page.run()
    assert photo(page) == before
    assert page.query_params["sample"] == "red_panda"


def test_a_refused_upload_leaves_the_upload_before(page):
    good = png((320, 240))
    upload(page, "good.png", good)
    asked = page.query_params["sample"]
    upload(page, "bad.png", good[:60])
    assert photo(page) == "320 × 240"
    assert page.query_params["sample"] == asked
    (sentence,) = said(page.error)
    assert sentence.endswith(" The page still shows your photo.")
    kept = page.session_state["upload"]
    assert (kept.name, kept.data) == ("good.png", good)  # which a bundle would hold


def test_a_file_taken_off_the_list_stays_on_the_page(page):
    upload(page, "good.png", png((320, 240)))
    upload(page, "bad.png", b"no picture")
    page.file_uploader(key="uploader").clear().run()
    assert photo(page) == "320 × 240"
    assert not page.error


def test_notices_are_dismissed_one_by_one():
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    page.query_params.update({**QUICK, "sample": "nobody", "sign": "nonsense"})
    page.run()
    _, second = said(page.warning)
    page.button(key="dismiss_0").click().run()
    assert said(page.warning) == [second]
    page.button(key="dismiss_0").click().run()
    assert not page.warning
    page.button(key="sample_red_panda").click().run()
    assert not page.warning
