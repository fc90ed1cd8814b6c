"""Back and Forward of a real browser, and what stays on the page while pictures come and go."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from PIL import Image

from tests.browser import eventually, open_page, serve, settle, underway
from tests.folders import png
from tests.tables import columns, data, put_digests, table

ROOT = Path(__file__).resolve().parents[3]
QUICK = {
    "small_window": 112,
    "small_stride": 112,
    "large_window": 112,
    "large_stride": 112,
    "steps": 10,
    "judge": "false",
    "maps": "Occlusion small",
}
SLOW = {**QUICK, "small_window": 30, "small_stride": 4}  # 2,500 windows
PATIENCE = 240  # seconds; the machine may be busy
SWAN, PANDA, PENGUIN = "king penguin, 53 %", "lesser panda, 89 %", "king penguin, 80 %"
ANSWER = re.compile("The model (says|is not sure)")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server that was told of results with sixty pictures, called "birds" in addresses."""
    top = tmp_path_factory.mktemp("history")
    made = columns(60, classes=3)
    made["path"] = [f"photo_{number:02d}.png" for number in range(60)]
    (top / "pictures").mkdir()
    for number, path in enumerate(made["path"]):
        (top / "pictures" / path).write_bytes(png(number))
    put_digests(made, top / "pictures")
    (top / "birds").mkdir()
    (top / "birds" / "results.parquet").write_bytes(data(table(made)))
    told = {"address": str(top / "pictures"), "model": "efficientnet_lite0"}
    (top / "birds" / "manifest.json").write_text(json.dumps(told))
    script = ROOT / "dashboard" / "app.py"
    with serve(script, "--", "--results", str(top / "birds")) as address:
        yield address


@pytest.fixture
def photos(tmp_path):
    """Files to upload: photos that are told apart by their sizes, and one that is damaged."""
    sizes = {"first": (320, 240), "second": (400, 300)}
    for name, size in sizes.items():
        Image.linear_gradient("L").convert("RGB").resize(size).save(tmp_path / f"{name}.png")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "first.png").read_bytes()[:100])
    return {path.stem: str(path) for path in tmp_path.glob("*.png")}


def address(url, settings=QUICK, **more):
    return f"{url}/?{urlencode({**settings, **more})}"


def says(page, words):
    """Wait until the page says this of its picture, and has nothing left to do."""
    page.locator(".wil-headline", has_text=words).wait_for(timeout=1000 * PATIENCE)
    settle(page, PATIENCE)


def has_photo(page, size):
    panel = page.locator('.wil-panel[data-panel="Photo"]')
    panel.get_by_text(f"{size} pixels").wait_for(timeout=1000 * PATIENCE)


def pick(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def upload(page, path):
    page.set_input_files("input[type=file]", path)


def asked(page):
    """What the address asks for."""
    return {key: each[-1] for key, each in parse_qs(urlsplit(page.url).query).items()}


def steps(page):
    return page.evaluate("history.length")


def slider(page, key="small_window"):
    return page.locator(f".st-key-{key} input[type=range]")


def chosen(page, key="small_window"):
    return slider(page, key).get_attribute("aria-valuetext")


def alerts(page):
    return page.locator("[data-testid=stAlert]").all_inner_texts()


def test_back_and_forward_lead_from_picture_to_picture(browser, url):
    with open_page(browser, address(url), settled=False) as page:
        says(page, SWAN)
        began = steps(page)
        pick(page, "Red panda")
        says(page, PANDA)
        pick(page, "Penguin")
        says(page, PENGUIN)
        assert steps(page) == began + 2
        for name, words in (("red_panda", PANDA), (None, SWAN)):
            page.go_back()
            says(page, words)
            assert asked(page).get("sample") == name
        page.go_forward()
        says(page, PANDA)
        assert asked(page)["sample"] == "red_panda"
        assert steps(page) == began + 2


def test_settings_are_no_steps_and_a_view_comes_back_as_it_was_left(browser, url):
    with open_page(
        browser, address(url, tab="Try it", trial="Choose the crop"), settled=False
    ) as page:
        says(page, SWAN)
        pick(page, "Kingfisher")
        page.wait_for_url(re.compile("sample=kingfisher"))
        settle(page, PATIENCE)
        whole = page.locator(".wil-headline").inner_text()
        began = steps(page)
        slider(page).press("ArrowLeft")  # which takes the stride along
        page.wait_for_url(re.compile("small_stride=108"))
        box = page.locator(".st-key-crop .box")
        box.focus()
        for _ in range(5):
            box.press("Shift+ArrowLeft")
        page.wait_for_url(re.compile("crop="))
        settle(page, PATIENCE)
        cropped = page.locator(".wil-headline").inner_text()
        assert cropped != whole
        page.locator(".wil-top button").nth(2).click()
        page.wait_for_url(re.compile("target="))
        page.get_by_role("tab", name="Compare").click()
        page.wait_for_url(re.compile("tab=Compare"))
        settle(page, PATIENCE)
        assert steps(page) == began
        left = asked(page)

        page.go_back()
        says(page, SWAN)
        first = asked(page)
        assert {"sample", "crop", "target"}.isdisjoint(first)
        assert first["small_window"] == chosen(page) == "112"
        assert first["small_stride"] == chosen(page, "small_stride") == "112"
        assert page.get_by_role("tab", name="Try it").get_attribute("aria-selected")

        page.go_forward()
        says(page, cropped)
        assert asked(page) == left
        eventually(page, chosen, "108")
        eventually(page, lambda page: chosen(page, "small_stride"), "108")
        assert steps(page) == began


def test_uploads_are_steps_too_while_the_session_has_them(browser, url, photos):
    with open_page(browser, address(url), settled=False) as page:
        says(page, SWAN)
        for name, size in (("first", "320 × 240"), ("second", "400 × 300")):
            upload(page, photos[name])
            has_photo(page, size)
            settle(page, PATIENCE)
        page.go_back()
        has_photo(page, "320 × 240")
        page.go_back()
        says(page, SWAN)
        page.go_forward()
        page.go_forward()
        has_photo(page, "400 × 300")
        settle(page, PATIENCE)
        page.reload()  # a session that has no such picture
        says(page, SWAN)
        settle(page, PATIENCE)  # the script ends with the address
        assert "was an upload" in alerts(page)[0]
        assert asked(page)["sample"] == "swan"
        page.go_back()
        page.get_by_text("was an upload").wait_for(timeout=1000 * PATIENCE)
        says(page, SWAN)
        assert asked(page)["sample"] == "swan"


def test_the_folder_page_is_a_step_there_and_back(browser, url):
    with open_page(browser, address(url), settled=False) as page:
        says(page, SWAN)
        began = steps(page)
        pick(page, "Folder")
        says(page, "The model is wrong")
        page.locator(".st-key-show input").click()
        page.get_by_role("option", name="Wrong", exact=True).click()
        page.wait_for_url(re.compile("show=Wrong"))
        settle(page, PATIENCE)
        filtered, cards = asked(page), page.locator(".wil-gallery .card").all_inner_texts()
        page.locator(".wil-gallery .card").first.press("Enter")
        page.wait_for_url(re.compile("picture=birds"))
        says(page, ANSWER)
        picture = asked(page)
        assert steps(page) == began + 2

        page.go_back()
        says(page, "The model is wrong")
        assert page.locator(".wil-gallery .card").all_inner_texts() == cards
        assert asked(page) == filtered
        page.go_back()
        says(page, SWAN)
        assert chosen(page) == "112"
        assert asked(page) == {key: str(value) for key, value in QUICK.items()}
        page.go_forward()
        page.go_forward()
        page.locator(".wil-panel").first.wait_for(timeout=1000 * PATIENCE)
        says(page, ANSWER)
        assert asked(page)["picture"] == picture["picture"]
        pick(page, "Red panda")
        says(page, PANDA)
        page.go_back()
        page.wait_for_url(re.compile("picture=birds"))
        page.get_by_role("button", name="Back to the folder").wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        assert "sample" not in asked(page)


def test_an_address_that_is_put_right_is_no_step(browser, url):
    with open_page(browser, "about:blank", settled=False) as page:
        page.goto(address(url, sample="nobody", crop="1,2,3"))
        page.wait_for_url(re.compile("sample=swan"))
        says(page, SWAN)
        assert steps(page) == 2
        assert "crop" not in asked(page)


def test_a_notice_can_be_dismissed(browser, url):
    with open_page(browser, address(url, sample="nobody", sign="nonsense")) as page:
        says(page, SWAN)
        both = alerts(page)
        assert len(both) == 2
        page.get_by_role("button", name="Dismiss").first.press("Enter")
        settle(page, PATIENCE)
        assert alerts(page) == both[1:]
        page.get_by_role("button", name="Dismiss").press("Enter")
        settle(page, PATIENCE)
        assert not alerts(page)
        slider(page).press("ArrowLeft")
        settle(page, PATIENCE)
        assert not alerts(page)


SIGHTINGS = """() => {
    window.seen = [];
    const look = () => {
        const panel = document.querySelector('.wil-panel[data-panel="Photo"]');
        const size = /[0-9]+ × [0-9]+ pixels/.exec(panel?.innerText ?? "")?.[0];
        if (size && seen.at(-1) !== size) seen.push(size);
    };
    look();
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


def test_one_upload_follows_another_and_a_damaged_one_changes_nothing(browser, url, photos):
    with open_page(browser, address(url), settled=False) as page:
        says(page, SWAN)
        upload(page, photos["first"])
        has_photo(page, "320 × 240")
        settle(page, PATIENCE)
        page.evaluate(SIGHTINGS)
        before = page.url

        upload(page, photos["damaged"])
        refused = page.locator("[data-testid=stAlert]", has_text="The page still shows your photo")
        refused.wait_for(timeout=1000 * PATIENCE)
        settle(page, PATIENCE)
        assert page.url == before
        upload(page, photos["second"])
        has_photo(page, "400 × 300")
        settle(page, PATIENCE)
        assert page.evaluate("seen") == ["320 × 240 pixels", "400 × 300 pixels"]
        assert not alerts(page)


def test_nothing_of_the_run_before_stands_beside_what_is_computed(browser, url, photos):
    with open_page(browser, address(url, SLOW), settled=False) as page:
        underway(page, "2,500", PATIENCE)
        assert page.locator(".wil-wrong").count() == 1
        pick(page, "Red panda")
        page.locator(".wil-headline", has_text=PANDA).wait_for(timeout=1000 * PATIENCE)
        upload(page, photos["damaged"])
        page.get_by_text("The page still shows").wait_for(timeout=1000 * PATIENCE)
        upload(page, photos["first"])
        has_photo(page, "320 × 240")
        underway(page, "2,500", PATIENCE)
        assert not alerts(page)
        for once in (".wil-headline", ".wil-evidence", ".wil-facts"):
            assert page.locator(once).count() == 1, once
        assert page.locator(".wil-wrong").count() == 0
        assert page.get_by_role("button", name="Folder", exact=True).count() == 1
        page.go_back()  # which does not wait for what is computed
        page.locator(".wil-headline", has_text=PANDA).wait_for(timeout=1000 * PATIENCE)
        assert asked(page)["sample"] == "red_panda"
