"""What a person waits for: ``python -m benchmarks.page``, with the system's Chromium.

Measured on the page with the embedded model and the swan at 15/8, and, for cancelling, in core:
from the wish to stop until the work has stopped, at twenty moments of a survey.
"""

import itertools
import shutil
import statistics
import time
from contextlib import suppress
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, sync_playwright

from benchmarks.server import megabytes, server
from core.engine.teams import heeding, side_by_side, teams_for
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.registry import METHODS
from core.methods.scores import Question
from core.pictures.picture import picture_from_file
from core.pictures.samples import samples
from dashboard.explain.methods import LARGE, SMALL, TITLES

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_STARTED = "() => window.wilStart = performance.now()"
_WAITED_NOW = "performance.now() - window.wilStart"
_WAITED = f"() => {_WAITED_NOW}"


def main() -> None:
    """Print one line for each wait, as soon as it is known."""
    waits = [1000 * seconds for seconds in _cancel_seconds(20)]
    print(
        f"cancel in core: median {statistics.median(waits):.0f} ms, worst {max(waits):.0f} ms",
        flush=True,
    )
    with server() as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        finished(page, 15, 8)
        settled(page)
        _time_slider(page)
        settled(page)
        _time_target(page)
        _time_bars(page)
        _time_display(page, address)
        page.goto(f"{address}?map={LARGE}")
        finished(page, 15, 8)
        for moves in (10, 90):
            held = _memory_after_moves(page, process.pid, moves)
            total = "10 slider moves" if moves == 10 else "100"
            print(f"server's memory after {total}: {held:.0f} MB", flush=True)
        browser.close()


def _cancel_seconds(times: int) -> list[float]:
    """Seconds from asking a running survey to stop until its threads have stopped."""
    explainer = Explainer()
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    picture = picture_from_file(samples()["swan"].path)
    question = Question(classifier.predict(picture.image, top=1)[0].index)
    explainer.attribution(classifier, picture, OcclusionSetting(60, 50), question)  # prepares it
    teams = teams_for(classifier.device)
    waits = []
    for turn in range(times):
        setting = OcclusionSetting(window=15 + turn, stride=5)  # a new survey each time
        due = time.perf_counter() + 0.6 + 0.037 * turn  # at different moments of a batch

        def check(due: float = due) -> None:
            if time.perf_counter() > due:
                raise InterruptedError

        with heeding(check), suppress(InterruptedError):
            explainer.attribution(classifier, picture, setting, question)
        # What comes after it on the same threads begins when they are free.
        for _ in side_by_side(lambda _: None, range(teams), teams):
            pass
        waits.append(time.perf_counter() - due)
    return waits


def _time_slider(page: Page) -> None:
    first, final = slider_moved(page, "ArrowRight", 16)
    print(f"slider moved: first partial map {first:.0f} ms, final {final:.0f} ms", flush=True)
    page.evaluate(_STARTED)
    page.keyboard.press("ArrowLeft")
    finished(page, 15, 8)
    print(f"back to a known window: {page.evaluate(_WAITED):.0f} ms", flush=True)


def slider_moved(page: Page, key: str, window: int) -> tuple[float, float]:
    """Milliseconds from a key on the small window's slider until its first and its final map."""
    page.locator(".st-key-small_window input[type=range]").focus()
    page.evaluate(_STARTED)
    page.keyboard.press(key)
    page.wait_for_function(
        f"() => / of .* passes/.test({_caption(window, 8)})", polling=20, timeout=120_000
    )
    first = float(page.evaluate(_WAITED))
    finished(page, window, 8)
    final = float(page.evaluate(_WAITED))
    settled(page)
    return first, final


def _time_target(page: Page) -> None:
    """From the choice of a class until the occlusion maps are drawn for it, five times."""
    waits = []
    for name in ("goose", "albatross", "drake", "goose", "black swan"):
        box = page.locator(".st-key-target input")
        box.click()
        box.press("Control+a")
        box.press_sequentially(name, delay=20)
        option = page.get_by_role("option").first
        option.wait_for()
        waits.append(_until_explained(page, option, name))
    print(
        f"another target, occlusion maps: median {statistics.median(waits):.0f} ms, "
        f"worst {max(waits):.0f} ms",
        flush=True,
    )


def _until_explained(page: Page, choice: Locator, name: str) -> float:
    """Milliseconds from a click on a class until the occlusion maps are drawn for it."""
    # Measured from the click as the page gets it: the mouse's way there is the benchmark's.
    page.evaluate(f"() => addEventListener('click', {_STARTED}, {{capture: true, once: true}})")
    choice.click()
    drawn = f"() => {_caption(15, 8)}.startsWith('logit of {name} ') && {_WAITED_NOW}"
    milliseconds = page.wait_for_function(drawn, polling=10, timeout=60_000).json_value()
    settled(page)
    return float(milliseconds)


def _time_bars(page: Page) -> None:
    """The same by a press on a class in the list of the most probable ones."""
    waits = []
    for place in (1, 2, 3, 1, 0):
        button = page.locator(".wil-top button").nth(place)
        name = button.inner_text()
        waits.append(_until_explained(page, button, name))
    print(
        f"the same, from the list of the answer: median {statistics.median(waits):.0f} ms, "
        f"worst {max(waits):.0f} ms",
        flush=True,
    )


def _time_display(page: Page, address: str) -> None:
    """From a move of the opacity until the last of five maps is drawn with it, ten times."""
    names = (METHODS[name].title for name in ("integrated_gradients", "superpixels", "grad_cam"))
    maps = urlencode([("maps", name) for name in (*names, TITLES[SMALL], TITLES[LARGE])])
    page.goto(f"{address}?{maps}&judge=false")
    finished(page, 15, 8)
    settled(page)
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Display", exact=True).click()
    page.locator(".st-key-opacity input[type=range]").focus()
    # Before the maps stand the photo and what the model sees.
    pictures = "[...document.querySelectorAll('.wil-panel .wil-box')].slice(2, 7)"
    waits = []
    for key in ["ArrowLeft"] * 5 + ["ArrowRight"] * 5:
        page.evaluate(f"() => window.wilBefore = {pictures}.map(box => box.innerHTML)")
        page.evaluate(
            f"() => addEventListener('keydown', {_STARTED}, {{capture: true, once: true}})"
        )
        page.keyboard.press(key)
        drawn = f"{pictures}.every((box, n) => box.innerHTML !== window.wilBefore[n])"
        answer = page.wait_for_function(f"() => {drawn} && {_WAITED_NOW}", polling=10)
        waits.append(float(answer.json_value()))
        settled(page)
    print(
        f"another opacity, five maps: median {statistics.median(waits):.0f} ms, "
        f"worst {max(waits):.0f} ms",
        flush=True,
    )


def _memory_after_moves(page: Page, pid: int, moves: int) -> float:
    """Megabytes that the server holds after so many moves of the large window's slider."""
    handle = page.locator(".st-key-large_window input[type=range]")
    handle.focus()
    for _, key in zip(range(moves), itertools.cycle(["ArrowRight"] * 7 + ["ArrowLeft"] * 7)):
        page.keyboard.press(key)
        page.wait_for_timeout(700)
    settled(page)
    return megabytes(pid)


def settled(page: Page) -> None:
    """Wait until all maps are finished and the page is quiet."""
    page.wait_for_timeout(300)
    page.wait_for_function(
        "() => !document.querySelector('.wil-panel.old, [data-testid=stProgress]')"
        " && document.querySelector('[data-test-script-state=notRunning]')",
        polling=50,
        timeout=120_000,
    )


def _caption(window: int, stride: int) -> str:
    """JavaScript for the caption under the small window's map, empty while there is none."""
    panel = f'.wil-panel[data-panel="Occlusion small {window}/{stride}"] .wil-caption'
    return f"(document.querySelector('{panel}')?.innerText ?? '')"


def finished(page: Page, window: int, stride: int) -> None:
    page.wait_for_function(
        f"() => /( passes, [0-9.]+ s|known before)( · |$)/.test({_caption(window, stride)})",
        polling=20,
        timeout=120_000,
    )


if __name__ == "__main__":
    main()
