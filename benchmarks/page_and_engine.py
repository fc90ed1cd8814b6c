"""The page beside the engine: ``python -m benchmarks.page_and_engine``, with the system's Chromium.

The same maps in one run: computed by the page, from the act of a person until they are drawn, and
by the engine alone, in this process. On an idle machine, with one core taken by another process,
and with Chromium slowed down.
"""

import multiprocessing
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from benchmarks.page import FLAGS, finished, settled, slider_moved
from benchmarks.server import server
from core.engine.remembered import memory
from core.explaining.explainer import Explainer
from core.methods.cover_methods import OcclusionSetting
from core.methods.gradient_methods import IntegratedGradientsSetting
from core.methods.scores import Question
from core.methods.settings import Setting
from core.pictures.picture import Picture, picture_from_file
from core.pictures.samples import samples

_MAPS = (OcclusionSetting(15, 8), OcclusionSetting(60, 50), IntegratedGradientsSetting("enough"))
_WINDOWS = "small_window=15&small_stride=8&large_window=60&large_stride=50"
# What it is called, a busy core, how much slower Chromium is, the window to begin with, a picture.
_CONDITIONS = (
    ("idle", False, 1, 15, "penguin"),
    ("one core busy", True, 1, 19, "gosling"),
    ("Chromium 4 times slower", False, 4, 23, "kingfisher"),
)


def main() -> None:
    """Print two lines for each condition, as soon as they are known."""
    explainer = Explainer()
    swan = picture_from_file(samples()["swan"].path)
    _engine(explainer, swan, _MAPS)  # loads and prepares the model
    with server() as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        chrome = page.context.new_cdp_session(page)
        for condition, busy, rate, window, name in _CONDITIONS:
            chrome.send("Emulation.setCPUThrottlingRate", {"rate": rate})
            page.goto(f"{address}?judge=false&small_window={window}")
            finished(page, window, 8)
            settled(page)
            with _one_core_taken(busy):
                _print_windows(condition, explainer, swan, page, window)
                _print_picture(condition, explainer, name, page, address)
        browser.close()


def _print_windows(
    condition: str, explainer: Explainer, picture: Picture, page: Page, window: int
) -> None:
    """The small window moved three times."""
    partial, final, alone = [], [], []
    for moved in range(window + 1, window + 4):
        alone.append(_engine(explainer, picture, [OcclusionSetting(moved, 8)]))
        waits = slider_moved(page, "ArrowRight", moved)
        partial.append(waits[0] / 1000)
        final.append(waits[1] / 1000)
    ratio = statistics.median(page / own for page, own in zip(final, alone, strict=True))
    print(
        f"{condition}: window moved: first partial map {statistics.median(partial):.2f} s, final "
        f"{statistics.median(final):.1f} s; the engine {statistics.median(alone):.1f} s: "
        f"{ratio:.2f} times",
        flush=True,
    )


def _print_picture(
    condition: str, explainer: Explainer, name: str, page: Page, address: str
) -> None:
    """Another picture, until all maps of the page are drawn."""
    alone = _engine(explainer, picture_from_file(samples()[name].path), _MAPS)
    started = time.perf_counter()
    page.goto(f"{address}?judge=false&sample={name}&{_WINDOWS}")
    finished(page, 15, 8)
    settled(page)
    taken = time.perf_counter() - started
    print(
        f"{condition}: another picture: all maps {taken:.1f} s; the engine {alone:.1f} s: "
        f"{taken / alone:.2f} times",
        flush=True,
    )


def _engine(explainer: Explainer, picture: Picture, maps: Sequence[Setting]) -> float:
    """Seconds that the engine takes for maps of a picture, with nothing known of it."""
    memory.forget_scores()
    started = time.perf_counter()
    classifier = explainer.classifier("efficientnet_lite0", "cpu")
    question = Question(int(explainer.logits(classifier, picture).argmax()))
    for setting in maps:
        explainer.attribution(classifier, picture, setting, question)
    return time.perf_counter() - started


@contextmanager
def _one_core_taken(taken: bool) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=_forever, daemon=True)
    if taken:
        process.start()
    try:
        yield
    finally:
        if taken:
            process.kill()
            process.join()


def _forever() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
