"""Regions of a visitor's own on the page: upload, names, the table, the way back, the bundle."""

import io
import re
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from core.bundle.verification import verify
from core.methods.cover_methods import SuperpixelSetting
from core.methods.scores import Question
from core.pictures.label_image import open_label_image
from dashboard.session import state
from tests.browser import open_page, serve, settle
from tests.bundles import manifest_of
from tests.dashboard.explain.test_export import APP, PATIENCE
from tests.said import said

MAP = "Superpixel ablation"
QUICK = {"maps": MAP, "map": "superpixels", "segments": "10", "judge": "false", "tab": "Export"}
KING_PENGUIN = 145


def labels(size):
    """A red and a blue square on black."""
    image = Image.new("RGB", size)
    image.paste((255, 0, 0), (100, 100, 300, 300))
    image.paste((0, 0, 255), (300, 100, 500, 300))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def opened():
    page = AppTest.from_file(APP, default_timeout=PATIENCE)
    for key, value in QUICK.items():
        page.query_params[key] = value
    return page.run()


def upload(page, name, data):
    page.get("file_uploader")[-1].upload(name, data, "application/octet-stream")
    page.run()
    assert not page.exception


def table(page):
    """The rows of the table as (region in HTML, share, worth); None without a table."""
    text = "\n".join(element.proto.body for element in page.get("html"))
    if 'class="wil-worths"' not in text:
        return None
    body = re.search(r"<tbody>(.*?)</tbody>", text).group(1)
    return re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", body)


def expected(size):
    """The rows for the swan, from the explainer."""
    explainer, swan = state.explainer(), state.sample_picture("swan")
    classifier = explainer.classifier("efficientnet_lite0")
    setting = SuperpixelSetting(regions=explainer.as_regions(open_label_image(labels(size), 9)))
    made = explainer.attribution(classifier, swan, setting, Question(KING_PENGUIN))
    worths = explainer.worths(classifier, swan, setting, made.values)
    assert worths[0].worth > worths[1].worth > 0
    return [
        (
            f'<i style="background:{each.key}"></i>{each.key}',
            f"{100 * each.share:.0f} %",
            f"{each.worth:.2f}",
        )
        for each in worths
    ]


def sliders(page):
    return {slider.key for slider in page.slider}


def test_regions_come_in_place_of_superpixels_for_their_photo_and_go_again():
    page = opened()
    address = dict(page.query_params)
    size = state.sample_picture("swan").image.size
    upload(page, "labels.png", labels((99, 99)))
    assert "has 0 regions" in said(page.error)[0]
    upload(page, "labels.png", labels((600, 600)))
    assert said(page.error) == [
        f"The label image is 600 × 600 pixels and the photo {size[0]} × {size[1]}: make both the "
        "same size."
    ]
    assert table(page) is None
    assert "segments" in sliders(page)
    upload(page, "labels.png", labels(size))
    assert not page.error
    assert "segments" not in sliders(page)
    assert table(page) == expected(size)
    upload(page, "names.csv", b"3,beak\n")
    assert "names none of the regions" in said(page.error)[0]
    upload(page, "names.csv", b"#ff0000,<b>beak\n")
    assert not page.error
    assert '<i style="background:#ff0000"></i>&lt;b&gt;beak' in {row[0] for row in table(page)}
    assert dict(page.query_params) == address
    page.button(key="sample_penguin").click().run()
    assert table(page) is None
    assert "segments" in sliders(page)
    page.button(key="sample_swan").click().run()
    assert len(table(page)) == 2
    page.button(key="own_regions_back").click().run()
    assert not page.exception
    assert table(page) is None
    assert "segments" in sliders(page)


@pytest.mark.browser
def test_the_table_fits_a_phone_and_the_bundle_holds_the_regions(browser, tmp_path):
    (tmp_path / "labels.png").write_bytes(labels(state.sample_picture("swan").image.size))
    name = "a long name of a region, which a phone has to wrap"
    (tmp_path / "names.csv").write_text(f'#ff0000,"{name}"\n', "utf-8")
    phone = {"width": 390, "height": 844}
    with (
        serve(APP) as url,
        open_page(
            browser,
            f"{url}/?{urlencode(QUICK)}",
            settled=False,
            accept_downloads=True,
            viewport=phone,
        ) as page,
    ):
        button = page.get_by_role("button", name="Download the bundle")
        button.wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        page.get_by_text("Your own regions").click()
        for place, file in (("own_regions", "labels.png"), ("own_names", "names.csv")):
            page.locator(f"[class*=st-key-{place}_] input[type=file]").set_input_files(
                tmp_path / file
            )
            page.get_by_text(name if file == "names.csv" else "#ff0000").wait_for(
                timeout=1000 * PATIENCE
            )
            settle(page, PATIENCE)
        expect(page.get_by_role("button", name="Back to superpixels")).to_be_visible()
        places = [each.bounding_box() for each in page.locator(".wil-worths td").all()]
        assert len(places) == 6
        for each in places:
            assert 0 <= each["x"] < each["x"] + each["width"] <= phone["width"]
        with page.expect_download(timeout=1000 * PATIENCE) as download:
            button.click()
        download.value.save_as(tmp_path / "bundle.zip")
    data = (tmp_path / "bundle.zip").read_bytes()
    (made,) = manifest_of(data)["exhibits"][0]["maps"]
    assert {each["name"] for each in made["regions"]} == {name, "#0000ff"}
    assert verify(data).different == []
