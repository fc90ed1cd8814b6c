"""The first screen in a real browser: what is in sight, and that it can be pressed and read."""

import itertools
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser import open_page, serve, settle
from tests.dashboard.test_app_browser import PATIENCE, QUICK, ROOT

LAPTOP = {"width": 1366, "height": 768}
PICTURES = "[class*=st-key-sample_] button:visible"
PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url():
    with serve(ROOT / "dashboard" / "app.py") as address:
        yield address


def opened(browser, url, viewport=LAPTOP, **settings):
    address = f"{url}/?{urlencode({**QUICK, **settings})}"
    return open_page(browser, address, settled=False, viewport=viewport)


def ready(page):
    """Wait for the sentence of evidence, which marks a square, and for the run to end."""
    page.locator(".wil-evidence mark").wait_for(timeout=1000 * PATIENCE)
    settle(page, PATIENCE)


def box(page, selector):
    found = page.locator(selector).first.bounding_box()
    assert found is not None, f"{selector} is not to be seen"
    return found


def test_all_that_answers_and_all_that_tunes_is_in_sight_on_a_small_laptop(browser, url):
    with opened(browser, url) as page:
        ready(page)
        for part in (
            ".wil-headline",
            ".wil-evidence",
            ".wil-lead .wil-photo",
            ".wil-lead .ends",
            ".wil-top",
            ".wil-thumb",
            ".st-key-small_window",
            ".st-key-small_stride",
        ):
            place = box(page, part)
            assert place["y"] >= 0
            assert place["y"] + place["height"] <= LAPTOP["height"], part
        assert box(page, ".wil-panel")["y"] < LAPTOP["height"]
        first, second = (page.locator(".wil-lead").nth(n).bounding_box() for n in (0, 1))
        assert first["width"] == pytest.approx(second["width"], abs=1)
        assert page.locator(".wil-lead .wil-mark").count() == 2  # on the photo and on the map


def test_nothing_is_wider_than_a_phone_and_a_pick_hides_nothing(browser, url):
    with opened(browser, url, PHONE) as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        order = [".wil-headline", ".wil-lead", ".wil-lead .ends", ".wil-top", ".wil-thumb"]
        tops = [box(page, part)["y"] for part in [*order, ".st-key-small_window"]]
        assert tops == sorted(tops)
        pictures = page.locator(PICTURES)
        assert len({round(pictures.nth(n).bounding_box()["y"]) for n in range(5)}) == 1
        page.get_by_role("button", name="Gosling").click()
        page.locator(".wil-headline", has_text="kit fox").wait_for(timeout=1000 * PATIENCE)
        middle = "document.elementFromPoint(195, 420).closest('[data-testid=stSidebar]')"
        assert page.evaluate(middle) is None


def test_a_picture_of_the_gallery_is_a_button_all_over(browser, url):
    with opened(browser, url) as page:
        ready(page)
        pictures = page.locator(PICTURES)
        assert pictures.count() >= 7
        for number in range(pictures.count()):
            missed = pictures.nth(number).evaluate(
                """button => {
                    const { left, top, width, height } = button.getBoundingClientRect();
                    const shares = [0.1, 0.3, 0.5, 0.7, 0.9];
                    return shares.flatMap((x) => shares.map((y) => [x, y])).filter(([x, y]) => {
                        const at = [left + x * width, top + y * height];
                        return !button.contains(document.elementFromPoint(...at));
                    });
                }"""
            )
            assert missed == []
        page.get_by_role("button", name="Red panda").click()
        page.get_by_text("The model says lesser panda").wait_for(timeout=1000 * PATIENCE)


def test_a_press_on_a_thumbnail_shows_that_map_large_and_its_controls(browser, url):
    with opened(browser, url) as page:
        ready(page)
        large = page.locator(".wil-lead").nth(1)
        assert large.get_attribute("data-panel") == "Occlusion small 48/48"
        page.locator(".wil-thumb", has_text="Integrated Gradients").click()
        page.locator(".st-key-steps").wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        assert large.get_attribute("data-panel") == "Integrated Gradients"
        assert page.locator(".st-key-small_window").count() == 0
        pressed = page.locator(".wil-thumb[aria-pressed=true]")
        assert pressed.inner_text().strip() == "Integrated Gradients"
        assert "map=integrated_gradients" in page.url
        assert "small_window=48" in page.url  # kept, though its control is gone


def test_the_arrow_keys_read_a_map_aloud(browser, url):
    with opened(browser, url) as page:
        ready(page)
        spoken = page.locator(".st-key-inspect .spoken")
        page.locator(".st-key-small_stride_typed_0 input").focus()
        page.locator(".wil-panel .wil-photo[tabindex]").first.focus()
        page.keyboard.press("ArrowLeft")
        expect(spoken).to_contain_text("logits", timeout=1000 * PATIENCE)
        before = spoken.text_content()
        for _ in range(8):
            page.keyboard.press("ArrowDown")
        expect(spoken).not_to_have_text(before, timeout=1000 * PATIENCE)


def test_settings_open_and_close_the_sidebar(browser, url):
    with opened(browser, url) as page:
        ready(page)
        page.locator("[data-testid=stSidebar][data-collapsed=true]").wait_for(state="attached")
        page.get_by_role("button", name="Settings").click()
        page.locator("[data-testid=stSidebar][data-collapsed=false]").wait_for()
        page.locator("[data-testid=stSidebar] .st-key-model").wait_for()
        page.get_by_role("button", name="Settings").click()
        page.locator("[data-testid=stSidebar][data-collapsed=true]").wait_for(state="attached")


def test_a_word_and_enter_choose_the_class_that_it_fits(browser, url):
    with opened(browser, url) as page:
        ready(page)
        search = page.locator(".st-key-target input")
        search.click()
        search.press("Control+a")
        search.press_sequentially("swan", delay=20)
        search.press("Enter")
        page.get_by_text("The maps explain black swan").wait_for(timeout=1000 * PATIENCE)


def test_headings_do_not_jump_and_controls_have_names_of_their_own(browser, url):
    with opened(browser, url) as page:
        ready(page)
        levels = page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((e) => +e.tagName[1])"
        )
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        names = page.locator(".st-key-tuning input").evaluate_all(
            "inputs => inputs.map((input) => input.ariaLabel)"
        )
        assert len(names) == len(set(names)) == 4
        assert all("Occlusion small" in name for name in names)
