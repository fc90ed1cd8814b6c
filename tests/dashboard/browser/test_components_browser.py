"""The components in a real browser: what the hand does arrives in Python, and nothing else does."""

import re

import numpy as np
import pytest

from core.drawing.sentences import number
from tests.browser import ROOT, eventually, open_page, serve, settle

pytestmark = pytest.mark.browser

PAGE = """
import base64, io
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from dashboard.browser.components import brush, compare, crop_box, inspect
from dashboard.drawing.panels import Panel, panels_html

st.set_page_config(layout="wide")
st.html(Path("dashboard/explain/style.css"))
state = st.session_state


def address(colour, size):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def encoded(values, dtype):
    return base64.b64encode(np.asarray(values, dtype).tobytes()).decode()


def say(name, value):
    st.html(f'<p id="{name}">{value}</p>')


def back():
    state["box"] = (160.0, 80.0, 480.0, 400.0)


state["runs"] = state.get("runs", 0) + 1
state.setdefault("box", (160.0, 80.0, 480.0, 400.0))
colour = st.radio("Photo", ["olive", "teal"], horizontal=True)
st.button("Original crop", on_click=back)
hovering = st.toggle("Hover", True)
left, middle, right = st.columns(3)
with left:
    photo = address(colour, (640, 480))
    moved = crop_box(photo, (640, 480), state["box"], key="crop", alt="A plain photo")
    if moved is not None:
        state["box"] = moved
    say("moved", moved)
with middle:
    mask = brush(address(colour, (100, 100)), (100, 100), key="brush", alt="A plain picture")
    bits = np.zeros(10_000) if mask is None else np.unpackbits(np.frombuffer(mask, np.uint8))
    rows, columns = np.nonzero(bits.reshape(100, 100))
    say("count", None if mask is None else len(rows))
    say("centre", "" if mask is None else f"{rows.mean():.1f},{columns.mean():.1f}")
with right:
    red = address("red", (640, 480))
    compare(photo, red, key="compare", alt="A plain photo", label="Occlusion")
titles = ["Photo", "What the model sees", "Occlusion", "Integrated Gradients"]
panels = [Panel(t, t, picture=address(colour, (64, 64)), size=(64, 64)) for t in titles]
part = [0.25, 0.5, 0.5, 0.25] if st.toggle("A part of the photo") else None
say("ran", state["runs"])
place = st.empty()
for progress in ("half", "whole"):
    place.html(panels_html(panels).replace("</h2>", f" {progress}</h2>"))
values = np.arange(12) - 4.5
values[11] = np.nan
if hovering:
    inspect(
        {
            "Occlusion": {
                "values": encoded(values, "<f4"),
                "rows": [0, 20, 40, 64],
                "columns": [0, 16, 32, 48, 64],
                "units": "logits",
                "notes": encoded(np.arange(12) % 2, "<u2"),
                "words": ["covered: goose 28 %", "<b>no change</b>"],
                **({"place": part} if part else {}),
            },
            "Integrated Gradients": {
                "values": encoded(np.full((64, 64), 0.0123), "<f4"),
                "rows": list(range(65)),
                "columns": list(range(65)),
                "units": "logits",
            },
        },
        key="inspect",
    )
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory, browser):  # noqa: ARG001 (without a browser there is nothing to serve)
    script = tmp_path_factory.mktemp("components") / "page.py"
    script.write_text(PAGE, encoding="utf-8")
    with serve(script) as address:
        yield address


@pytest.fixture(scope="module")
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context, url):
    with open_page(context, url) as page:
        page.locator("canvas").wait_for()
        page.locator(".divider").wait_for()
        yield page


def said(page, name):
    return page.locator(f"#{name}").inner_text()


def count(page):
    return said(page, "count")


def moved(page):
    return [float(number) for number in re.findall(r"[\d.]+", said(page, "moved"))]


def place(page, selector, x, y):
    """The place on the screen at a share of an element's width and height."""
    box = page.locator(selector).bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page, start, end, settled=True):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=6)
    page.mouse.up()
    if settled:
        settle(page)


def shown_box(page):
    """(left, top, right, bottom) of the crop box as it is drawn, in the photo's pixels."""
    stage = page.locator(".stage:has(.box)").bounding_box()
    box = page.locator(".box").bounding_box()
    scale = 640 / stage["width"]
    left, top = (box["x"] - stage["x"]) * scale, (box["y"] - stage["y"]) * scale
    return [left, top, left + box["width"] * scale, top + box["height"] * scale]


def near(values, tolerance=3):
    return pytest.approx(values, abs=tolerance)


def test_crop_moves_and_stays_inside(page):
    assert said(page, "moved") == "None"
    assert shown_box(page) == near([160, 80, 480, 400])
    stage = ".stage:has(.box)"
    drag(page, place(page, stage, 0.5, 0.5), place(page, stage, 0.4, 0.6))
    eventually(page, moved, near([96, 128, 416, 448]))
    assert shown_box(page) == near([96, 128, 416, 448])
    drag(page, place(page, stage, 0.4, 0.6), place(page, stage, -0.5, 1.5))
    eventually(page, moved, near([0, 160, 320, 480], 0.01))


def test_crop_resizes_from_a_corner(page):
    stage = ".stage:has(.box)"
    corner = page.locator('[data-corner="se"]')
    drag(page, place(page, '[data-corner="se"]', 0.5, 0.5), place(page, stage, 0.5, 0.5))
    eventually(page, moved, near([160, 80, 320, 240]))
    drag(page, place(page, '[data-corner="nw"]', 0.5, 0.5), place(page, stage, -1, -1))
    eventually(page, moved, near([80, 0, 320, 240]))  # as far as the square can grow
    drag(page, place(page, '[data-corner="se"]', 0.5, 0.5), place(page, stage, 0, 0))
    eventually(page, moved, near([80, 0, 96, 16], 0.5))
    assert corner.is_visible()


def test_crop_by_keyboard(page):
    page.get_by_label("Crop box").focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp", "+"):
        page.keyboard.press(key)
    settle(page)
    step = 4.8  # 1 % of the shorter side
    left, top, side = 160 + step, 80 - 6 * step, 320 + 2 * step
    eventually(page, moved, near([left, top, left + side, top + side], 0.1))
    assert int(said(page, "ran")) < 5  # not one for each of four keys


def test_crop_follows_python(page):
    stage = ".stage:has(.box)"
    drag(page, place(page, stage, 0.5, 0.5), place(page, stage, 0.3, 0.5))
    page.get_by_role("button", name="Original crop").click()
    settle(page)
    assert shown_box(page) == near([160, 80, 480, 400])
    assert said(page, "moved") == "None"
    drag(page, place(page, stage, 0.5, 0.5), place(page, stage, 0.6, 0.5))
    eventually(page, moved, near([224, 80, 544, 400]))


def test_crop_starts_anew_on_another_photo(page):
    page.get_by_label("Crop box").focus()
    page.keyboard.press("ArrowRight")  # not sent yet when the photo goes
    page.get_by_text("teal", exact=True).click()
    page.wait_for_timeout(400)
    settle(page)
    stage = ".stage:has(.box)"
    drag(page, place(page, stage, 0.5, 0.5), place(page, stage, 0.4, 0.5))
    eventually(page, moved, near([96, 80, 416, 400], 6))
    page.get_by_role("button", name="Original crop").click()
    settle(page)
    assert shown_box(page) == near([160, 80, 480, 400])


def test_quick_drags_do_not_jump_back(page):
    stage = ".stage:has(.box)"
    for x in (0.4, 0.5, 0.6, 0.5, 0.4):
        middle = [sum(shown_box(page)[i::2]) / 2 for i in (0, 1)]
        start = place(page, stage, middle[0] / 640, middle[1] / 480)
        drag(page, start, place(page, stage, x, 0.5), settled=False)
        assert shown_box(page)[0] == near(640 * x - 160)
    settle(page)
    eventually(page, moved, near([96, 80, 416, 400]))


def test_a_click_on_the_box_is_no_move(page):
    page.mouse.click(*place(page, ".box", 0.5, 0.5))
    settle(page)
    assert said(page, "ran") == "1"


def test_crop_by_touch(browser, url):
    with open_page(browser, url, has_touch=True) as page:
        start = place(page, ".stage:has(.box)", 0.5, 0.5)
        end = place(page, ".stage:has(.box)", 0.4, 0.5)
        session = page.context.new_cdp_session(page)

        def touch(kind, *points):
            points = [{"x": x, "y": y} for x, y in points]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", start)
        touch("touchMove", ((start[0] + end[0]) / 2, start[1]))
        touch("touchMove", end)
        touch("touchEnd")
        settle(page)
        eventually(page, moved, near([96, 80, 416, 400]))


def test_brush_paints_erases_undoes_and_clears(page):
    assert said(page, "count") == "None"
    drag(page, place(page, "canvas", 0.3, 0.5), place(page, "canvas", 0.7, 0.5))
    painted = int(said(page, "count"))
    width = 100 / 11  # of the medium brush
    assert painted == pytest.approx(40 * width + 3.14 * width**2 / 4, rel=0.12)  # whole pixels
    assert said(page, "centre") == "49.5,49.5"

    page.get_by_role("button", name="Eraser").click()
    page.get_by_label("Large brush").check(force=True)
    drag(page, place(page, "canvas", 0.7, 0.3), place(page, "canvas", 0.7, 0.7))
    assert painted / 2 < int(said(page, "count")) < painted - 100

    page.get_by_role("button", name="Undo").click()
    settle(page)
    eventually(page, count, str(painted))
    page.get_by_role("button", name="Clear").click()
    settle(page)
    eventually(page, count, "None")
    assert page.get_by_text("nothing painted").is_visible()
    page.get_by_role("button", name="Undo").click()
    settle(page)
    eventually(page, count, str(painted))


def test_brush_by_keyboard(page):
    page.locator("canvas").focus()
    for key in ("Shift+ArrowLeft", "ArrowUp", "Space"):
        page.keyboard.press(key)
    page.wait_for_function("document.querySelector('#count').innerText !== 'None'")
    settle(page)
    assert page.locator(".ring").is_visible()
    assert int(said(page, "count")) == pytest.approx(3.14 * (100 / 22) ** 2, rel=0.1)
    row, column = map(float, said(page, "centre").split(","))
    assert (row, column) == near((47.5, 42.5), 0.6)
    assert said(page, "ran") == "2"


def test_another_picture_clears_the_mask_for_good(page):
    page.mouse.click(*place(page, "canvas", 0.5, 0.5))
    settle(page)
    assert said(page, "count") != "None"
    for colour in ("teal", "olive"):
        page.get_by_text(colour, exact=True).click()
        settle(page)
        eventually(page, count, "None")
        assert page.get_by_text("nothing painted").is_visible()


def test_compare_cuts_the_map_at_the_divider(page):
    above, stage = page.locator(".above"), ".stage:has(.above)"

    def cut():
        clip = above.evaluate("element => getComputedStyle(element).clipPath")
        return float(re.search(r"([\d.]+)%\)$", clip)[1])

    assert cut() == 50
    drag(page, place(page, stage, 0.5, 0.5), place(page, stage, 0.25, 0.5))
    assert cut() == near(25, 0.6)
    slider = page.get_by_role("slider", name="Divider: photo on the left, Occlusion on the right")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert cut() == near(27, 0.6)
    page.keyboard.press("End")
    assert cut() == 100
    assert said(page, "ran") == "1"  # nothing of this concerns Python


def hover(page, title, x, y):
    photo = f'.wil-panel[data-panel="{title}"] .wil-photo'
    page.locator(photo).scroll_into_view_if_needed()
    page.mouse.move(*place(page, photo, x, y))
    page.wait_for_timeout(100)


def test_inspect_tells_value_place_and_note(page):
    tip = page.locator(".tip")
    hover(page, "Occlusion", 0.3, 0.4)  # pixel 19.2, 25.6: second row, second column
    assert tip.inner_text().split("\n") == [
        "0.50 logits",
        "rows 20–39, columns 16–31",
        "<b>no change</b>",
    ]
    hover(page, "Occlusion", 0.1, 0.1)
    assert tip.inner_text().startswith("−4.50 logits\nrows 0–19, columns 0–15\ncovered: goose 28 %")
    hover(page, "Occlusion", 0.99, 0.99)
    assert tip.inner_text().startswith("not known yet")
    hover(page, "Integrated Gradients", 0.51, 0.26)
    assert tip.inner_text() == "0.012 logits\nrow 16, column 32"
    hover(page, "What the model sees", 0.3, 0.4)
    assert tip.inner_text() == "Occlusion: 0.50 logits\nIntegrated Gradients: 0.012 logits"
    hover(page, "Photo", 0.5, 0.5)
    assert not tip.is_visible()


def test_inspect_draws_the_crosshair_on_all_inputs(page):
    hover(page, "Occlusion", 0.25, 0.5)
    marks = [mark.bounding_box() for mark in page.locator(".mark").all()]
    titles = ["What the model sees", "Occlusion", "Integrated Gradients"]
    photos = [page.locator(f'[data-panel="{title}"] .wil-photo').bounding_box() for title in titles]
    assert sorted(mark["x"] for mark in marks) == near([photo["x"] for photo in photos], 0.5)
    across = page.locator(".mark").evaluate_all(
        "marks => marks.map(mark => parseFloat(mark.style.getPropertyValue('--x')))"
    )
    assert across == near(3 * [0.25 * photos[0]["width"]], 1)
    page.mouse.move(5, 5)
    page.wait_for_timeout(100)
    assert page.locator(".mark:visible").count() == 0


def test_inspect_reads_a_map_that_is_a_part_of_the_photo(page):
    page.get_by_text("A part of the photo", exact=True).click()
    settle(page)
    tip = page.locator(".tip")
    hover(page, "Occlusion", 0.25 + 0.5 * 0.3, 0.5 + 0.25 * 0.4)
    assert tip.inner_text().startswith("0.50 logits\nrows 20–39, columns 16–31")
    photo = page.locator('[data-panel="Occlusion"] .wil-photo').bounding_box()
    mark = next(
        box
        for box in (mark.bounding_box() for mark in page.locator(".mark").all())
        if box["x"] == near(photo["x"] + 0.25 * photo["width"], 0.5)
    )
    assert mark["width"] == near(0.5 * photo["width"], 0.5)
    assert mark["y"] == near(photo["y"] + 0.5 * photo["height"], 0.5)
    for x, y in ((0.1, 0.6), (0.9, 0.6), (0.5, 0.4), (0.5, 0.9)):  # what the model did not see
        hover(page, "Occlusion", x, y)
        assert not tip.is_visible()
    hover(page, "What the model sees", 0.3, 0.4)
    assert tip.inner_text().startswith("Occlusion: 0.50 logits")


def test_the_pointers_numbers_are_written_as_all_others(page):
    script = (ROOT / "dashboard" / "browser" / "frontend" / "inspect.js").read_text(
        encoding="utf-8"
    )
    function = script[script.index("function number(") :]
    # float32, as the browser gets them; no ties, which the two languages round differently.
    sizes = np.float32(1.2345) * np.float32(10) ** np.arange(-9, 5, 0.25, dtype=np.float32)
    edges = np.float32([0.0009, 0.0011, 0.0049, 0.0051, 0.0099, 0.0101, 0.099, 0.101, 9.99, 10.01])
    values = [float(v) for v in np.concatenate([[0.0], sizes, -sizes, edges, -edges])]
    written = page.evaluate(f"values => {{ {function}; return values.map(number); }}", values)
    assert written == [number(value) for value in values]


def listeners(page):
    """How many listeners document and window carry for what the read-out hears."""
    session = page.context.new_cdp_session(page)
    count = 0
    for target in ("document", "window", "document.documentElement"):
        found = session.send("Runtime.evaluate", {"expression": target})["result"]["objectId"]
        heard = session.send("DOMDebugger.getEventListeners", {"objectId": found})["listeners"]
        names = ("pointermove", "pointerdown", "pointerleave", "scroll", "resize", "blur")
        count += sum(listener["type"] in names for listener in heard)
    return count


def test_inspect_survives_reruns_and_lets_clicks_through(page):
    before = listeners(page)
    for _ in range(5):
        page.get_by_role("button", name="Original crop").click()
        settle(page)
    assert listeners(page) == before
    page.get_by_text("Hover", exact=True).click()
    settle(page)
    assert listeners(page) == before - 6
    hover(page, "Occlusion", 0.3, 0.4)
    assert page.locator(".tip").count() == 0
    page.get_by_text("Hover", exact=True).click()
    settle(page)
    assert listeners(page) == before
    hover(page, "Occlusion", 0.3, 0.4)
    assert page.locator(".tip").inner_text().startswith("0.50 logits")
    assert page.locator(".mark").count() == 3
    hit = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('.wil-panel')?.dataset.panel",
        place(page, '[data-panel="Occlusion"] .wil-photo', 0.3, 0.4),
    )
    assert hit == "Occlusion"


def test_forged_messages_change_nothing(page):
    page.evaluate(
        """() => {
          const honest = JSON.stringify;
          JSON.stringify = (value, ...rest) => honest(
            value?.box?.id ? { box: { ...value.box, box: [-5, "x", 1e308, null] } }
            : value?.mask?.id ? { mask: { ...value.mask, mask: "A".repeat(100000) } } : value,
            ...rest);
        }"""
    )
    drag(page, place(page, ".box", 0.5, 0.5), place(page, ".box", 0.3, 0.5))
    page.mouse.click(*place(page, "canvas", 0.5, 0.5))
    settle(page)
    assert said(page, "ran") == "3"
    assert said(page, "moved") == "None"
    assert said(page, "count") == "None"
    assert shown_box(page) == near([160, 80, 480, 400])  # back to what Python has
    assert page.get_by_test_id("stException").count() == 0
