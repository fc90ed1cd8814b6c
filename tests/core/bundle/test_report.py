"""The report opens anywhere: in a browser without a network, wide or narrow, light or dark."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from core.bundle.archive import bundle
from core.drawing.rendering import Display
from core.methods.cover_methods import OcclusionSetting
from core.methods.scores import Question
from core.models import registry
from tests.bundles import MAPS, classifier, contents, exhibit, explainer, swan_bundle
from tests.own import CLASSES, DESCRIPTION, make, state

ADDRESS = "http://127.0.0.1:8501/?sample=swan&x=%22%3E"


def text_of(data):
    return contents(data)["report.html"].decode()


def named(**options):
    maps = {"Occlusion": MAPS["Occlusion 112/80"]}
    return bundle(explainer(), [exhibit(maps=maps, **options)], Display(), address=ADDRESS)


def test_nothing_in_it_leads_outside():
    html = text_of(swan_bundle())
    assert "default-src 'none'" in html
    for attribute in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert attribute.startswith("data:"), attribute
    assert all(found.startswith("data:") for found in re.findall(r"url\(([^)]*)\)", html))
    assert not re.search(r"@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", html)


def test_it_links_to_the_page_it_was_given():
    html = text_of(named())
    assert 'href="http://127.0.0.1:8501/?sample=swan&amp;x=%22%3E"' in html
    assert "not part of the address" not in html


def test_what_a_person_named_stays_text():
    html = text_of(named(name='<script>alert("x")</script>.jpg'))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


@pytest.fixture
def report(tmp_path):
    place = tmp_path / "report.html"
    place.write_text(text_of(swan_bundle()), "utf-8")
    return place


def opened(browser, place, **options):
    """The report in a browser without a network, and all that it asked for or complained of."""
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:80]}"))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(Path(place).as_uri())
    return page, asked, complaints


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "light"), (390, "dark"), (320, "light")]
)
def test_in_a_browser_without_a_network(browser, report, width, scheme):
    page, asked, complaints = opened(
        browser, report, viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    try:
        assert "king penguin, 53" in page.locator("h1").inner_text()
        assert page.locator(".box.map").count() == len(MAPS)
        for image in page.locator("img").all():
            assert image.evaluate("image => image.complete && image.naturalWidth") == 224
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text("@inproceedings{zeiler2014visualizing").is_visible()
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert len([url for url in asked if url.startswith("file:")]) == 1
        assert complaints == []
        sizes = page.evaluate("[...document.querySelectorAll('p, td, .ticks')].map(each => "
                              "parseFloat(getComputedStyle(each).fontSize))")  # fmt: skip
        assert min(sizes) >= 12
    finally:
        page.context.close()


NAMES = ("x" * 200, "a class whose name goes on, word after word, " * 4, "www.evil.example")


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """A report of a model whose classes, and of a photo whose file, have long names."""
    folder = tmp_path_factory.mktemp("long")
    text = DESCRIPTION.replace(json.dumps(CLASSES), json.dumps([each.strip() for each in NAMES]))
    make(folder, text=text, weights=state(classes=3))
    registry.use_folder(folder)
    try:
        maps = {
            f"Occlusion of {target}": (OcclusionSetting(32, 32), Question(target, 2 - target))
            for target in (0, 2)
        }
        shown = exhibit(
            classifier=explainer().classifier("pond", "cpu"), maps=maps, name=f"{'y' * 200}.jpg"
        )
        data = bundle(explainer(), [shown], Display(), address=f"{ADDRESS}{'z' * 500}")
    finally:
        registry.use_folder(None)
    place = folder / "report.html"
    place.write_text(text_of(data), "utf-8")
    return place


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 1366, 390, 320])
def test_long_names_make_it_no_wider_than_the_window(browser, long_names, width):
    page, _, complaints = opened(browser, long_names, viewport={"width": width, "height": 844})
    try:
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in ("h1", ".top span", ".panel", "td"):
            for each in page.locator(part).all():
                assert each.evaluate("each => each.getBoundingClientRect().right") <= width
        assert page.locator("a").count() == 1  # to the page; a name makes none
        assert complaints == []
    finally:
        page.context.close()


@pytest.mark.browser
def test_all_maps_are_read_at_one_place(browser, report):
    page, _, complaints = opened(browser, report, viewport={"width": 1280, "height": 900})
    try:
        box = page.locator(".box.map").first
        size = box.bounding_box()["width"]
        box.hover(position={"x": 30.5 / 224 * size, "y": 180.5 / 224 * size})
        shown = page.locator(".value").all_inner_texts()
        for text, (setting, question) in zip(shown, MAPS.values(), strict=True):
            made = explainer().attribution(classifier(), exhibit().picture, setting, question)
            value = float(np.asarray(made.values)[180, 30])
            assert text.startswith("row 180, column 30: ")
            number = float(text.split(": ")[1].split(" ")[0].replace("−", "-"))
            assert number == pytest.approx(value, rel=0.06, abs=1e-5)
        assert "· covered: " in shown[0]
        box.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+ArrowLeft")
        assert page.locator(".value").first.inner_text().startswith("row 181, column 20: ")
        page.get_by_label("picture in colour").check()
        assert box.locator(".colour").evaluate("each => getComputedStyle(each).opacity") == "1"
        page.get_by_label("Strength of the maps").fill("0")
        assert box.locator("img").evaluate("each => getComputedStyle(each).opacity") == "0"
        assert complaints == []
    finally:
        page.context.close()


@pytest.mark.browser
def test_a_finger_reads_a_map(browser, report):
    page, _, _ = opened(
        browser, report, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    try:
        page.locator(".box.map").nth(1).tap()
        text = page.locator(".value").nth(2).inner_text()
        assert re.match(r"row 11[0-3], column 11[0-3]: ", text)  # the middle, to a pixel or two
    finally:
        page.context.close()
