"""What a person waits for: ``python -m benchmarks.page``, with the system's Chromium.

Measured on the page with the embedded model and the swan at 15/8, and, for cancelling, in core:
from the wish to stop until the work has stopped, at twenty moments of a survey.
"""

import itertools
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from core.explainer import Explainer, OcclusionSetting
from core.picture import picture_from_file
from core.samples import samples
from core.scores import Question
from dashboard.state import BATCH_SECONDS

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_STARTED = "() => window.wilStart = performance.now()"
_WAITED = "() => performance.now() - window.wilStart"


def main() -> None:
    """Print one line for each wait."""
    waits = [1000 * seconds for seconds in _cancel_seconds(20)]
    print(f"cancel in core: median {statistics.median(waits):.0f} ms, worst {max(waits):.0f} ms")
    with _server() as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        _finished(page, 15, 8)
        _time_slider(page)
        _time_target(page)
        small = _memory_after_moves(page, process.pid, 10)
        large = _memory_after_moves(page, process.pid, 90)
        print(f"server's memory after 10 slider moves {small:.0f} MB, after 100 {large:.0f} MB")
        browser.close()


def _cancel_seconds(times: int) -> list[float]:
    """Seconds from asking a running survey to stop until it has stopped."""
    explainer = Explainer(batch_seconds=BATCH_SECONDS)
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    picture = picture_from_file(samples()["swan"].path)
    question = Question(classifier.predict(picture.image, top=1)[0].index)
    waits = []
    for turn in range(times):
        setting = OcclusionSetting(window=15 + turn, stride=5)  # a new survey each time
        wish, stopped = threading.Event(), threading.Event()

        def work(
            setting: OcclusionSetting = setting,
            wish: threading.Event = wish,
            stopped: threading.Event = stopped,
        ) -> None:
            with closing(explainer.steps(classifier, picture, setting, question)) as steps:
                for _ in steps:
                    if wish.is_set():
                        break
            stopped.set()

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.6 + 0.037 * turn)  # at different moments of a batch
        started = time.perf_counter()
        wish.set()
        stopped.wait()
        waits.append(time.perf_counter() - started)
        thread.join()
    return waits


def _time_slider(page: Page) -> None:
    handle = page.locator(".st-key-small_window input[type=range]")
    handle.focus()
    page.evaluate(_STARTED)
    page.keyboard.press("ArrowRight")
    caption = _caption(16, 8)
    page.wait_for_function(f"() => / of .* passes/.test({caption})", polling=20)
    first = page.evaluate(_WAITED)
    _finished(page, 16, 8)
    print(f"slider moved: first partial map {first:.0f} ms, final {page.evaluate(_WAITED):.0f} ms")
    page.evaluate(_STARTED)
    page.keyboard.press("ArrowLeft")
    _finished(page, 15, 8)
    print(f"back to a known window: {page.evaluate(_WAITED):.0f} ms")


def _time_target(page: Page) -> None:
    box = page.locator(".st-key-target input")
    box.click()
    box.press("Control+a")
    box.press_sequentially("goose", delay=20)
    option = page.get_by_role("option").first
    option.wait_for()
    page.evaluate(_STARTED)
    option.click()
    page.wait_for_function(
        f"() => {_caption(15, 8)}.startsWith('logit of goose')", polling=10, timeout=60_000
    )
    print(f"another target, occlusion maps: {page.evaluate(_WAITED):.0f} ms")


def _memory_after_moves(page: Page, pid: int, moves: int) -> float:
    """Megabytes that the server holds after so many moves of the large window's slider."""
    handle = page.locator(".st-key-large_window input[type=range]")
    handle.focus()
    for _, key in zip(range(moves), itertools.cycle(["ArrowRight"] * 7 + ["ArrowLeft"] * 7)):
        page.keyboard.press(key)
        page.wait_for_timeout(700)
    page.wait_for_selector('[data-test-script-state="notRunning"]', timeout=120_000)
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _caption(window: int, stride: int) -> str:
    """JavaScript for the caption under the small window's map, empty while there is none."""
    panel = f'.wil-panel[data-panel="Occlusion small {window}/{stride}"] .wil-caption'
    return f"(document.querySelector('{panel}')?.innerText ?? '')"


def _finished(page: Page, window: int, stride: int) -> None:
    page.wait_for_function(
        f"() => / passes, [0-9.]+ s$/.test({_caption(window, stride)})", polling=20, timeout=120_000
    )


@contextmanager
def _server() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py"]
    process = subprocess.Popen(
        [*command, "--server.headless", "true", "--server.port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
