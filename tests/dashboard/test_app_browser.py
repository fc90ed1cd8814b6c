"""The page in a real browser: what a person sees, does, and changes their mind about."""

import base64
import io
import json
import re
import time
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from tests.browser import open_page, serve, settle, underway

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "small_window": 48,
    "small_stride": 48,
    "large_window": 112,
    "large_stride": 112,
    "steps": 10,
    "judge": "false",
}
PATIENCE = 240  # seconds; the machine may be busy

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url():
    with serve(ROOT / "dashboard" / "app.py") as address:
        yield address


def address(url, **settings):
    return f"{url}/?{urlencode({**QUICK, **settings})}"


def overlay(page, title):
    """The address of a map's picture, once there is one."""
    image = page.locator(f'.wil-panel[data-panel="{title}"] img.map')
    image.wait_for(state="attached", timeout=1000 * PATIENCE)  # its tab may be closed
    return image.get_attribute("src")


def caption(page, title):
    return page.locator(f'.wil-panel[data-panel="{title}"] .wil-caption').inner_text()


def headline(page):
    return page.locator(".wil-headline").inner_text()


def slider(page, key):
    return page.locator(f".st-key-{key} input[type=range]")


def choose(page, key, text):
    """Search in a select box as a person does: click, type, take the first that is offered."""
    box = page.locator(f".st-key-{key} input")
    box.click()
    box.press("Control+a")
    box.press_sequentially(text, delay=20)
    page.get_by_role("option").first.click()


def finished(page, title):
    """Wait until a map is finished: its caption says how many passes it took."""
    page.wait_for_function(
        """title => {
            const caption = document.querySelector(
                `.wil-panel[data-panel="${title}"] .wil-caption`)
            return caption && /( passes, [0-9.]+ s|known before)( · |$)/.test(caption.innerText)
        }""",
        arg=title,
        timeout=1000 * PATIENCE,
    )
    settle(page, PATIENCE)


def test_open_upload_move_a_slider_switch_the_target(browser, url, tmp_path):
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((320, 240)).save(photo)
    with open_page(browser, address(url), settled=False) as page:
        finished(page, "Occlusion small 48/48")
        assert headline(page) == "The model says king penguin, 53 %."
        swan = overlay(page, "Occlusion small 48/48")

        page.set_input_files("input[type=file]", str(photo))
        page.get_by_text("320 × 240 pixels").first.wait_for(timeout=1000 * PATIENCE)
        finished(page, "Occlusion small 48/48")
        uploaded = overlay(page, "Occlusion small 48/48")
        assert uploaded != swan

        slider(page, "small_window").press("ArrowRight")
        finished(page, "Occlusion small 50/48")
        assert overlay(page, "Occlusion small 50/48") != uploaded

        before = overlay(page, "Occlusion small 50/48")
        choose(page, "target", "goose")
        page.get_by_text("logit of goose").first.wait_for(timeout=1000 * PATIENCE)
        finished(page, "Occlusion small 50/48")
        assert overlay(page, "Occlusion small 50/48") != before


def test_a_bad_upload_leaves_the_page_as_it_was(browser, url, tmp_path):
    bad = tmp_path / "text.png"
    bad.write_text("not a picture")
    with open_page(browser, address(url), settled=False) as page:
        finished(page, "Occlusion small 48/48")
        before = overlay(page, "Occlusion small 48/48")
        page.set_input_files("input[type=file]", str(bad))
        alert = page.locator("[data-testid=stAlert]")
        alert.wait_for(timeout=1000 * PATIENCE)
        assert "Traceback" not in alert.inner_text()
        settle(page, PATIENCE)
        assert overlay(page, "Occlusion small 48/48") == before


def test_what_the_browser_refuses_is_said_and_can_be_taken_away(browser, url, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    with open_page(browser, address(url, maps="Occlusion large")) as page:
        settle(page)
        page.set_input_files("input[type=file]", str(notes))
        said = page.get_by_role("alert").filter(has_text="text/plain files are not allowed.")
        said.wait_for()
        assert said.bounding_box()["width"] > 100  # to be seen, not for screen readers alone
        remove = page.get_by_role("button", name="Remove notes.txt")
        assert remove.bounding_box()["width"] < 40  # a cross, not another "+ your photo"
        remove.click()
        said.wait_for(state="detached")


def test_maps_form_before_they_are_finished(browser, url):
    with open_page(
        browser, address(url, sample="penguin", small_window=24, small_stride=8), settled=False
    ) as page:
        page.wait_for_function(
            """() => {
                const caption = document.querySelector(
                    '.wil-panel[data-panel="Occlusion small 24/8"] .wil-caption')
                return caption && /[0-9,]+ of [0-9,]+ passes/.test(caption.innerText)
            }""",
            timeout=1000 * PATIENCE,
        )
        early = overlay(page, "Occlusion small 24/8")
        assert page.locator("[data-testid=stProgress]").is_visible()
        finished(page, "Occlusion small 24/8")
        assert overlay(page, "Occlusion small 24/8") != early
        assert page.locator("[data-testid=stProgress]").count() == 0


def test_a_slider_moved_while_computing_cancels_and_the_new_map_is_cores(browser, url):
    with open_page(
        browser, address(url, sample="gosling", small_window=30, small_stride=4), settled=False
    ) as page:
        underway(page, "2,500", PATIENCE)
        slider(page, "small_stride").focus()
        seen = []
        for _ in range(100):  # from 4 to 30: the last one counts
            seen.append(int(slider(page, "small_stride").get_attribute("aria-valuetext")))
            if seen[-1] == 30:
                break
            page.keyboard.press("ArrowRight")  # on a busy machine one may get lost
        assert seen == sorted(seen)  # it never jumps back
        finished(page, "Occlusion small 30/30")
        shown = overlay(page, "Occlusion small 30/30")
    # Batches of other sizes round otherwise, so that a value may fall on the next colour.
    difference = _pixels(shown) - _pixels(_drawn_by_core("gosling", 30, 30))
    assert np.abs(difference).max() <= 4


def test_the_nearest_class_is_one_click_away(browser, url):
    with open_page(browser, address(url), settled=False) as page:
        choose(page, "target", "mute swan")
        page.get_by_role("button", name="black swan").click(timeout=1000 * PATIENCE)
        page.get_by_text("logit of black swan").first.wait_for(timeout=1000 * PATIENCE)


def test_a_press_on_a_class_of_the_answer_explains_it(browser, url):
    with open_page(browser, address(url), settled=False) as page:
        finished(page, "Occlusion small 48/48")
        page.locator(".wil-top").get_by_role("button", name="goose").click()
        page.get_by_text("logit of goose").first.wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        assert "known before" in caption(page, "Occlusion small 48/48")
        assert "target=goose" in page.url


def test_stop_keeps_what_is_there_and_continue_goes_on(browser, url):
    # So many windows that no machine is through with them before the click.
    with open_page(
        browser, address(url, sample="spoonbills", small_window=30, small_stride=4), settled=False
    ) as page:
        underway(page, "2,500", PATIENCE)
        known = passes_of(page, "[0-9,]+ of 2,500 passes")
        page.get_by_role("button", name="Stop", exact=True).click(timeout=1000 * PATIENCE)
        page.get_by_text("nothing that was computed is lost").wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        stopped = passes_of(page, "stopped at [0-9,]+ of 2,500 passes")
        assert stopped >= known
        page.get_by_role("button", name="Continue", exact=True).click()
        assert passes_of(page, "(?<!stopped at [0-9,]*)[0-9,]+ of 2,500 passes") > stopped


def passes_of(page, words):
    """The number of passes in the caption of a map, once it says these words."""
    found = page.wait_for_function(
        """words => {
            const caption = document.querySelector(
                '.wil-panel[data-panel="Occlusion small 30/4"] .wil-caption')
            return caption && RegExp(words).exec(caption.innerText)?.[0]
        }""",
        arg=words,
        timeout=1000 * PATIENCE,
    ).json_value()
    return int(re.search("([0-9,]+) of", found)[1].replace(",", ""))


def test_the_address_opens_the_same_view_elsewhere(browser, url):
    with open_page(browser, address(url, sample="penguin", sign="positive"), settled=False) as page:
        finished(page, "Occlusion small 48/48")
        choose(page, "target", "goose")
        page.get_by_text("logit of goose").first.wait_for(timeout=1000 * PATIENCE)
        finished(page, "Occlusion small 48/48")
        copied = page.url
        here = overlay(page, "Occlusion small 48/48")
    assert "goose" in copied
    with open_page(browser, copied, settled=False) as page:
        finished(page, "Occlusion small 48/48")
        assert overlay(page, "Occlusion small 48/48") == here
        assert "logit of goose" in caption(page, "Occlusion small 48/48")


def test_the_crop_decides(browser, url):
    with open_page(
        browser,
        address(url, sample="kingfisher", tab="Try it", trial="Choose the crop"),
        settled=False,
    ) as page:
        finished(page, "Occlusion small 48/48")
        before = headline(page), overlay(page, "Occlusion small 48/48")
        box = page.locator(".st-key-crop .box")
        box.focus()
        for _ in range(5):
            box.press("Shift+ArrowLeft")
        page.wait_for_function(
            "before => document.querySelector('.wil-headline').innerText !== before",
            arg=before[0],
            timeout=1000 * PATIENCE,
        )
        finished(page, "Occlusion small 48/48")
        assert overlay(page, "Occlusion small 48/48") != before[1]
        page.get_by_role("button", name="The model's own crop").click()
        page.wait_for_function(
            "before => document.querySelector('.wil-headline').innerText === before",
            arg=before[0],
            timeout=1000 * PATIENCE,
        )
        settle(page, PATIENCE)
        assert headline(page) == before[0]


def test_cover_it_yourself(browser, url):
    with open_page(
        browser, address(url, tab="Try it", trial="Cover it yourself"), settled=False
    ) as page:
        finished(page, "Occlusion small 48/48")
        canvas = page.locator(".st-key-brush canvas")
        canvas.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
        area = canvas.bounding_box()
        x, y = area["x"] + 0.15 * area["width"], area["y"] + 0.85 * area["height"]
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(12):
            page.mouse.move(x + 6 * step, y + 5 * (step % 3))
        page.mouse.up()
        after = page.get_by_text(re.compile("^king penguin: "))
        after.wait_for(timeout=1000 * PATIENCE)
        assert after.inner_text() != "king penguin: 53 %"


def test_compare_slider(browser, url):
    with open_page(
        browser, address(url, tab="Compare", comparison="Picture and map"), settled=False
    ) as page:
        finished(page, "Occlusion small 48/48")
        divider = page.locator(".st-key-compare input[type=range]")
        divider.wait_for(timeout=1000 * PATIENCE)
        before = page.locator(".st-key-compare .above").evaluate(
            "e => getComputedStyle(e).clipPath"
        )
        divider.press("Home")
        after = page.locator(".st-key-compare .above").evaluate("e => getComputedStyle(e).clipPath")
        assert before != after


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({}, "Occlusion small 48/48"),
        ({"whole_photo": "true"}, "Occlusion small 48/48"),
        ({"tab": "Try it", "trial": "Window sizes"}, "Window 96/48"),
    ],
)
def test_the_pointer_reads_the_map(browser, url, settings, title):
    with open_page(browser, address(url, **settings), settled=False) as page:
        finished(page, title)
        map_ = page.locator(f'.wil-panel[data-panel="{title}"] img.map')
        tip = page.locator(".st-key-inspect .tip")
        for step in range(80):  # what the pointer is told arrives a moment after the map
            # Measured anew each time: the page may draw its panels once more.
            width, height = map_.evaluate("e => [e.clientWidth, e.clientHeight]")
            map_.hover(position={"x": width * 0.1 + step, "y": height * 0.9}, force=True)
            page.wait_for_timeout(250)
            if "logits" in tip.inner_text():
                break
        assert "logits" in tip.inner_text()
        assert "covered:" in tip.inner_text()


def test_predictions_stay_quick_while_another_computes(browser, url):
    heavy = address(url, sample="swan_family", small_window=30, small_stride=4)
    with open_page(browser, address(url), settled=False) as light:
        finished(light, "Occlusion small 48/48")
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        try:
            busy = context.new_page()
            busy.goto(heavy)
            underway(busy, "2,500", PATIENCE)
            started = time.monotonic()
            light.get_by_role("button", name="Red panda").click()
            light.get_by_text("The model says lesser panda").wait_for(timeout=1000 * PATIENCE)
            waited = time.monotonic() - started
            light.get_by_text("1 computation before yours").wait_for(timeout=1000 * PATIENCE)
            print(json.dumps({"prediction beside a survey, seconds": round(waited, 2)}))
        finally:
            context.close()  # the tab is closed: its survey stops and the line moves on
        finished(light, "Occlusion small 48/48")


def test_a_badge_opens_its_evidence(browser, url):
    judged = address(url, maps="Occlusion large", judge="true")
    with open_page(browser, judged, settled=False) as page:
        panel = page.locator('.wil-panel[data-panel="Occlusion large 112/112"]')
        line = panel.locator("summary")
        line.get_by_text(re.compile("^[0-4] of 4 checks passed:$")).wait_for(
            timeout=1000 * PATIENCE
        )
        settle(page, PATIENCE)
        line.focus()
        page.keyboard.press("Enter")
        badge = panel.locator(".wil-badges button")
        badge.nth(2).focus()
        page.keyboard.press("Enter")
        page.get_by_text("mean rank correlation").wait_for(timeout=1000 * PATIENCE)
        page.locator('.wil-panel[data-panel="All layers random"]').wait_for()
        assert "tab=Trust" in page.url


def _pixels(address):
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def _drawn_by_core(sample, window, stride):
    from core.drawing.rendering import Display, data_uri, indexed, scale
    from core.explaining.explainer import Explainer, OcclusionSetting
    from core.methods.scores import Question
    from core.pictures.picture import picture_from_file
    from core.pictures.samples import samples

    explainer = Explainer()
    classifier = explainer.classifier("efficientnet_lite0")
    picture = picture_from_file(samples()[sample].path)
    top = classifier.predict(picture.image, top=1)[0]
    made = explainer.attribution(
        classifier, picture, OcclusionSetting(window, stride), Question(top.index)
    )
    display = Display()
    return data_uri(indexed(made.values, display, scale([made.values], display)))
