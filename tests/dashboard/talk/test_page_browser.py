"""A talk in a real browser, on a projector's 1920 x 1080: by keys, by mouse, by address."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.browser import open_page, serve, settle
from tests.dashboard.talk.test_page import TALK

ROOT = Path(__file__).resolve().parents[3]
PROJECTOR = {"viewport": {"width": 1920, "height": 1080}}
SCENES = TALK[: TALK.index('[[scenes]]\nkind = "answer"\ntitle = "No label"')]  # seven
TITLES = [
    "What is this?",
    "And <i>this</i>?",
    "Where?",
    "Cover the beak",
    "Why?",
    "Trust?",
    "Yours",
]
PATIENCE = 240  # seconds; the machine may be busy
SHOTS = os.environ.get("SCREENSHOTS")  # a folder to leave pictures of all scenes in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server whose talk has been made ready by another process."""
    folder = tmp_path_factory.mktemp("talk")
    talk = folder / "mine.toml"
    talk.write_text(SCENES, "utf-8")
    env = {"WHERE_IT_LOOKED_CACHE": str(folder / "cache")}
    subprocess.run(
        [sys.executable, "-m", "core", "warm", "--talk", str(talk)],
        cwd=ROOT,
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )
    with serve(ROOT / "dashboard" / "app.py", "--", "--talk", str(talk), env=env) as address:
        yield f"{address}/?view=talk"


def arrived(page, number):
    """Wait until a scene is there and says all it has to say."""
    page.wait_for_function(
        """([title, number]) => document.querySelector(".wil-stage h1")?.innerText === title
            && new URLSearchParams(location.search).get("scene") === String(number)
            && !document.querySelector(".wil-stage .progress")?.innerText.trim()""",
        arg=[TITLES[number - 1], number],
        timeout=1000 * PATIENCE,
    )
    page.get_by_text(f"{number} / {len(TITLES)}").wait_for(
        timeout=1000 * PATIENCE
    )  # keys are heard


def says(page):
    return page.locator(".wil-stage .says .name").inner_text()


def paint_over_the_beak(page):
    canvas = page.locator(".st-key-talk_canvas canvas")
    canvas.wait_for(timeout=1000 * PATIENCE)
    area = canvas.bounding_box()
    page.mouse.move(area["x"] + 0.03 * area["width"], area["y"] + 0.84 * area["height"])
    page.mouse.down()
    for step in range(40):
        across, row = step % 10 / 10, step // 10
        across = across if row % 2 == 0 else 1 - across
        page.mouse.move(
            area["x"] + (0.03 + 0.18 * across) * area["width"],
            area["y"] + (0.84 + 0.035 * row) * area["height"],
        )
    page.mouse.up()


def test_through_all_scenes_by_keyboard(browser, url):
    with open_page(browser, f"{url}&scene=1", settled=False, **PROJECTOR) as page:
        arrived(page, 1)
        answer = page.locator(".says .name")
        height = answer.bounding_box()["y"]
        seconds = []
        for number, key in enumerate(
            ["ArrowRight", "PageDown", " ", "ArrowRight", "PageDown", "ArrowRight"], 2
        ):
            started = time.monotonic()
            page.keyboard.press(key)
            arrived(page, number)
            seconds.append(round(time.monotonic() - started, 2))
            settle(page, PATIENCE)
            on_a_projector(page)
            if number in (2, 4):  # the answer does not jump from scene to scene
                assert abs(answer.bounding_box()["y"] - height) < 1
            if TITLES[number - 1] == "Cover the beak":
                assert says(page) == "king penguin"
                before = page.locator(".says .name").bounding_box()
                paint_over_the_beak(page)
                page.locator(".says.flipped").wait_for(timeout=1000 * PATIENCE)
                assert says(page) != "king penguin"
                assert page.locator(".says .name").bounding_box()["y"] == before["y"]
            if SHOTS:
                page.screenshot(path=Path(SHOTS, f"{number}.png"))
        print(json.dumps({"seconds until a scene is there": seconds}))
        page.keyboard.press("ArrowRight")  # there is none after the last
        page.keyboard.press("PageUp")
        arrived(page, 6)
        page.keyboard.press("ArrowLeft")
        arrived(page, 5)


def on_a_projector(page):
    """The stage fills the screen, nothing of it is cut off, type is large, the rest is gone."""
    found = page.evaluate(
        """() => {
            const stage = document.querySelector(".wil-stage");
            const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 0;
            const box = stage.getBoundingClientRect();
            return {
                stage: [box.left, box.top, box.width, box.height],
                outside: [...stage.querySelectorAll("*")].filter((e) => {
                    const { left, top, right, bottom } = e.getBoundingClientRect();
                    return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
                }).length,
                title: parseFloat(getComputedStyle(stage.querySelector("h1")).fontSize),
                least: Math.min(...[...stage.querySelectorAll("*")]
                    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
                    .map((e) => parseFloat(getComputedStyle(e).fontSize))),
                chrome: ["stSidebar", "stHeader", "stToolbar"].flatMap((name) =>
                    [...document.querySelectorAll(`[data-testid="${name}"]`)]).filter(seen).length,
                scrolls: document.documentElement.scrollHeight > innerHeight,
            };
        }"""
    )
    assert found["stage"] == [0, 0, 1920, 1080]
    assert found["outside"] == 0
    assert found["title"] >= 70
    assert found["least"] >= 22
    assert found["chrome"] == 0
    assert not found["scrolls"]


def test_two_quick_presses_go_two_scenes_on_and_a_reload_stays(browser, url):
    with open_page(browser, f"{url}&scene=1", settled=False, **PROJECTOR) as page:
        arrived(page, 1)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        arrived(page, 3)
        page.reload()
        arrived(page, 3)


def test_right_after_painting_the_arrow_turns_the_page(browser, url):
    with open_page(browser, f"{url}&scene=4", settled=False, **PROJECTOR) as page:
        arrived(page, 4)
        paint_over_the_beak(page)
        page.locator(".says.flipped").wait_for(timeout=1000 * PATIENCE)
        page.keyboard.press("ArrowRight")
        arrived(page, 5)
        page.keyboard.press("ArrowLeft")
        arrived(page, 4)
        settle(page, PATIENCE)
        assert says(page) == "king penguin"  # nothing is painted when the scene begins again
        page.locator(".st-key-talk_canvas canvas").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowRight")  # moves the brush, for those who came by Tab
        page.wait_for_timeout(300)
        arrived(page, 4)
        page.keyboard.press("PageDown")  # a clicker is heard all the same
        arrived(page, 5)


def test_one_click_turns_the_page_too_in_a_small_window_and_in_the_light(browser, url):
    small = {"viewport": {"width": 1024, "height": 768}, "color_scheme": "light"}
    with open_page(browser, f"{url}&scene=6", settled=False, **small) as page:
        arrived(page, 6)
        dark = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        assert dark == "rgb(11, 14, 19)"
        page.get_by_role("button", name="Next scene").click()
        arrived(page, 7)
        assert page.get_by_role("button", name="Next scene").is_disabled()
        quiet = page.get_by_role("navigation").evaluate("e => getComputedStyle(e).opacity")
        assert float(quiet) >= 0.5  # a contrast of 5 on the stage
        page.get_by_role("button", name="Scene before").click()
        arrived(page, 6)
        width = page.locator(".wil-stage").evaluate("e => e.getBoundingClientRect().width")
        assert width == 1024


def test_a_photo_from_the_audience(browser, url):
    with open_page(browser, f"{url}&scene=7", settled=False, **PROJECTOR) as page:
        arrived(page, 7)
        photo = ROOT / "sample_images" / "red_panda.jpg"
        page.set_input_files("input[type=file]", str(photo))
        page.locator(".wil-stage .over").wait_for(timeout=1000 * PATIENCE)
        assert says(page) == "lesser panda"
        if SHOTS:
            page.screenshot(path=Path(SHOTS, "7_given.png"))
        page.keyboard.press("PageUp")
        arrived(page, 6)


def test_on_a_phone_all_can_be_read_and_nothing_lies_over_something_else(browser, url):
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}
    with open_page(browser, f"{url}&scene=1", settled=False, **phone) as page:
        for number in range(1, len(TITLES) + 1):
            arrived(page, number)
            settle(page, PATIENCE)
            if number == len(TITLES):
                page.get_by_text("Camera").click()
                take = page.get_by_role("button", name="Take Photo")
                take.wait_for(timeout=1000 * PATIENCE)
                ground = take.evaluate("e => getComputedStyle(e).backgroundColor")
                assert ground == "rgb(26, 32, 41)"  # under light words, in a light theme too
                page.get_by_text("File", exact=True).click()
                take.wait_for(state="detached")
                page.set_input_files("input[type=file]", ROOT / "sample_images" / "red_panda.jpg")
                page.locator(".wil-stage .over").wait_for(timeout=1000 * PATIENCE)
                arrived(page, number)
            found = page.evaluate(
                """() => {
                    const stage = document.querySelector(".wil-stage");
                    const texts = [...stage.querySelectorAll("*")].filter((e) =>
                        [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
                    const parts = [...texts, ...stage.querySelectorAll(".photo, .map"),
                        ...document.querySelectorAll(".st-key-talk_canvas, .st-key-talk_photo")]
                        .filter((e) => !texts.some((other) => other !== e && other.contains(e)));
                    const size = (e) => parseFloat(getComputedStyle(e).fontSize);
                    const boxes = parts.map((e) => e.getBoundingClientRect());
                    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
                        && a.top < b.bottom - 1 && b.top < a.bottom - 1;
                    return {
                        least: Math.min(...texts.map(size)),
                        outside: boxes.filter((box) => box.left < 0 || box.top < 0
                            || box.right > innerWidth || box.bottom > innerHeight).length,
                        meeting: boxes.filter((a, i) =>
                            boxes.slice(i + 1).some((b) => meet(a, b))).length,
                    };
                }"""
            )
            assert found["least"] >= 9, number
            assert found["outside"] == found["meeting"] == 0, (number, found)
            page.keyboard.press("PageDown")


def test_escape_leaves_the_talk_and_back_returns_to_the_scene(browser, url):
    with open_page(browser, f"{url}&scene=1", settled=False, **PROJECTOR) as page:
        arrived(page, 1)
        page.keyboard.press("ArrowRight")
        arrived(page, 2)
        page.evaluate("document.documentElement.requestFullscreen()")
        page.keyboard.press("Escape")  # is the full screen's; here it is left by other means
        page.wait_for_timeout(500)
        arrived(page, 2)
        page.evaluate("document.exitFullscreen()")
        page.keyboard.press("Escape")
        page.locator(".wil-headline").wait_for(timeout=1000 * PATIENCE)
        assert page.locator(".wil-stage").count() == 0
        assert "view" not in page.url
        page.go_back()
        arrived(page, 2)


SLOW = f"""
[pictures.swan]
file = {json.dumps(str(ROOT / "sample_images" / "swan.jpg"))}
[[scenes]]
kind = "brush"
title = "Brush"
picture = "swan"
[[scenes]]
kind = "maps"
title = "Maps"
pictures = ["swan"]
window = 30
stride = 3
[[scenes]]
kind = "photo"
title = "Photo"
[[scenes]]
kind = "contrast"
title = "Contrast"
picture = "swan"
against = "goose"
window = 31
stride = 3
[[scenes]]
kind = "brush"
title = "Brush again"
picture = "swan"
"""
# In each frame that the browser draws: titles, and what is there to be touched.
WATCH = """() => {
    window.seen = new Set();
    const look = () => {
        const shown = (selector) => [...document.querySelectorAll(selector)]
            .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }));
        window.seen.add(JSON.stringify([
            shown(".wil-stage").map((e) => e.querySelector("h1").innerText),
            shown(".st-key-talk_canvas").length,
            shown(".st-key-talk_photo").length,
        ]));
        requestAnimationFrame(look);
    };
    look();
}"""
TOUCHED = {"Brush": [1, 0], "Brush again": [1, 0], "Photo": [0, 1]}


def test_nothing_of_another_scene_is_there_while_one_computes(browser, tmp_path):
    talk = tmp_path / "slow.toml"
    talk.write_text(SLOW, "utf-8")
    with (
        serve(ROOT / "dashboard" / "app.py", "--", "--talk", str(talk)) as address,
        open_page(browser, f"{address}/?view=talk", settled=False, **PROJECTOR) as page,
    ):
        page.locator(".st-key-talk_canvas canvas").wait_for(timeout=1000 * PATIENCE)
        page.get_by_text("1 / 5").wait_for(timeout=1000 * PATIENCE)
        page.evaluate(WATCH)
        for keys, title in (
            ("R", "Maps"),
            ("R", "Photo"),
            ("R", "Contrast"),
            ("R", "Brush again"),
            ("L", "Contrast"),
            ("L", "Photo"),
            ("L", "Maps"),
            ("L", "Brush"),
            ("RR", "Photo"),
            ("RR", "Brush again"),
        ):
            for key in keys:
                page.keyboard.press({"L": "ArrowLeft", "R": "ArrowRight"}[key])
            page.wait_for_function(
                """([title, computes]) =>
                    document.querySelector(".wil-stage h1")?.innerText === title && (!computes
                        || document.querySelector(".wil-stage .progress")?.innerText.trim())""",
                arg=[title, title not in TOUCHED],
                timeout=1000 * PATIENCE,
            )
            if title in TOUCHED:
                settle(page, PATIENCE)
        seen = [json.loads(each) for each in page.evaluate("[...window.seen]")]
        assert {title for titles, *_ in seen for title in titles} >= {"Maps", "Contrast"}
        for titles, *touched in seen:
            assert len(titles) <= 1, seen
            assert not titles or touched == TOUCHED.get(titles[0], [0, 0]), seen
        page.evaluate("window.seen.clear()")
        paint_over_the_beak(page)
        page.get_by_text("It was king penguin").wait_for(timeout=1000 * PATIENCE)
        assert page.evaluate("[...window.seen]") == ['[["Brush again"],1,0]']
        settle(page, PATIENCE)
        page.get_by_role("button", name="Make ready").click()
        page.get_by_text("scene 2 of 5").wait_for(timeout=1000 * PATIENCE)
        assert page.get_by_role("button", name="Make ready").count() == 0


LONG = (
    "One hundred and twenty characters are as long as a title can be: "
    "this one has every single one of them, to the last one."
)
WIDE = 90 * "W"
LONG_TITLES = f"""
[pictures.swan]
file = {json.dumps(str(ROOT / "sample_images" / "swan.jpg"))}
label = "{LONG}"
[[scenes]]
kind = "answer"
title = "What does the model think that this photo of a bird shows?"
picture = "swan"
[[scenes]]
kind = "maps"
title = "{LONG}"
pictures = ["swan", "swan", "swan"]
window = 112
stride = 112
[[scenes]]
kind = "brush"
title = "{WIDE}"
picture = "swan"
[[scenes]]
kind = "contrast"
title = "{LONG}"
picture = "swan"
against = "soft-coated wheaten terrier"
absent = "{LONG[:-1]}"
window = 112
stride = 112
"""


@pytest.fixture(scope="module")
def long_titles(tmp_path_factory):
    assert len(LONG) == 120
    talk = tmp_path_factory.mktemp("long") / "long.toml"
    talk.write_text(LONG_TITLES, "utf-8")
    with serve(ROOT / "dashboard" / "app.py", "--", "--talk", str(talk)) as address:
        yield f"{address}/?view=talk"


@pytest.mark.parametrize("size", [(1440, 900), (1366, 768), (390, 844)], ids=str)
def test_a_long_title_covers_nothing_and_nothing_covers_it(browser, long_titles, size):
    viewport = dict(zip(("width", "height"), size, strict=True))
    with open_page(browser, f"{long_titles}&scene=1", settled=False, viewport=viewport) as page:
        for number in range(1, 5):
            page.get_by_text(f"{number} / 4").wait_for(timeout=1000 * PATIENCE)
            page.wait_for_function(
                """() => document.querySelector(".wil-stage h1") &&
                    !document.querySelector(".wil-stage .progress")?.innerText.trim()""",
                timeout=1000 * PATIENCE,
            )
            settle(page, PATIENCE)
            found = page.evaluate(
                """() => {
                    const stage = document.querySelector(".wil-stage");
                    const box = (each) => each.getBoundingClientRect();
                    const title = stage.querySelector("h1"), all = box(stage);
                    const words = document.createRange();
                    words.selectNodeContents(title);
                    const clipped = getComputedStyle(title).overflow === "hidden";
                    const end = Math.min(box(words).bottom, clipped ? box(title).bottom : Infinity);
                    const below = [...stage.querySelectorAll("img, .left, .right, .maps, .scale"),
                        ...document.querySelectorAll(".st-key-talk_canvas")].map(box);
                    return {
                        covered: below.filter((each) => each.top < end - 1).length,
                        outside: [...stage.querySelectorAll("*")].map(box).filter((each) =>
                            each.right > all.right + 1 || each.bottom > all.bottom + 1).length,
                    };
                }"""
            )
            assert found["covered"] == found["outside"] == 0, number
            if SHOTS:
                page.screenshot(path=Path(SHOTS, f"long_{size[0]}_{number}.png"))
            page.keyboard.press("ArrowRight")
