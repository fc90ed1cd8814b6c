"""The page's tab Export: a bundle that is what the page shows, and a link that opens it again."""

import io
import re
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from core.bundle.verification import verify
from tests.browser import open_page, serve, settle
from tests.bundles import PENGUIN, contents, manifest_of
from tests.said import said

ROOT = Path(__file__).resolve().parents[3]
APP = str(ROOT / "dashboard" / "app.py")
QUICK = {
    "small_window": "48",
    "small_stride": "48",
    "large_window": "112",
    "large_stride": "112",
    "maps": "Occlusion large",
    "tab": "Export",
}
PATIENCE = 240  # seconds; the machine may be busy


def opened(**settings):
    page = AppTest.from_file(APP, default_timeout=PATIENCE)
    for key, value in {**QUICK, **settings}.items():
        page.query_params[key] = value
    return page.run()


def link(page):
    return parse_qs(urlsplit(page.code[0].value).query)


def captions(page):
    return said(page.caption)


def test_the_link_holds_the_view_and_not_the_tab():
    page = opened(sample="kingfisher", crop="200,100,700,600", target="bee eater")
    assert not page.exception
    found = link(page)
    assert found["sample"] == ["kingfisher"]
    assert found["target"] == ["bee eater"]
    assert found["crop"] == ["200,100,700,600"]
    assert "tab" not in found
    assert any("opens this picture" in text for text in captions(page))


def test_the_crop_of_the_address_is_what_the_model_sees():
    page = opened(sample="kingfisher", crop="200,100,700,600")
    assert tuple(page.session_state["region"]) == (200, 100, 700, 600)
    page.button(key="sample_swan").click().run()
    assert "crop" not in link(page)


@pytest.mark.parametrize(
    "crop", ["", "1,2,3", "a,b,c,d", "0,0,10,9999", "nan,0,10,10", "0,0,5,5", "1,2,3,4,5"]
)
def test_a_crop_that_is_none_is_told(crop):
    page = opened(crop=crop)
    assert not page.exception
    assert page.session_state["region"] is None
    assert any("asks for a crop" in sentence for sentence in said(page.warning))


def test_of_an_upload_the_link_says_that_it_is_not_part():
    page = opened()
    page.file_uploader(key="uploader").upload("mine.jpg", PENGUIN.read_bytes(), "image/jpeg").run()
    assert not page.exception
    assert link(page)["sample"][0].startswith("upload-")
    assert any("photo is not part of the link" in text for text in captions(page))


def test_without_a_map_there_is_nothing_to_download():
    page = opened(small_window="20", small_stride="40", maps="Occlusion small")
    assert not page.exception
    assert any("no map to download" in text for text in captions(page))
    assert not page.get("download_button")


@pytest.mark.browser
def test_the_bundle_is_what_the_page_shows(browser, tmp_path):
    query = urlencode({**QUICK, "sample": "kingfisher", "crop": "200,100,700,600"})
    with (
        serve(APP) as url,
        open_page(browser, f"{url}/?{query}", settled=False, accept_downloads=True) as page,
    ):
        button = page.get_by_role("button", name="Download the bundle")
        button.wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        with page.expect_download(timeout=1000 * PATIENCE) as download:
            button.click()
        assert download.value.suggested_filename == "kingfisher-efficientnet_lite0.zip"
        place = tmp_path / "bundle.zip"
        download.value.save_as(place)
        headline = page.locator(".wil-headline").inner_text()
        address = page.locator(".stCode").inner_text()
    data = place.read_bytes()
    assert zipfile.is_zipfile(io.BytesIO(data))
    manifest = manifest_of(data)
    (shown,) = manifest["exhibits"]
    assert shown["picture"]["region"] == [200, 100, 700, 600]
    assert shown["top"][0]["name"] in headline
    assert [made["title"] for made in shown["maps"]] == ["Occlusion large 112/112"]
    assert manifest["address"] == address.strip()
    report = contents(data)["report.html"].decode()
    assert re.search(r'href="http://127\.0\.0\.1:\d+/\?[^"]*sample=kingfisher', report)
    verdict = verify(data)
    assert verdict.different == []
