"""How soon a fresh server shows something: ``python -m benchmarks.start``, with Chromium.

Each round starts a server that has kept nothing of earlier ones, and opens the page in a browser as
soon as the server answers. All is counted from that answer, except the answer itself, which is
counted from the start of the process. Beside it stand the seconds of a bare ``import torch`` in a
process of its own, taken in the same round: what a machine can do in a second differs too much from
one to the next, and from one minute to the next.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from benchmarks.server import server

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_ANSWER, _PIXELS, _HEADLINE = "server answers", "first pixels", "headline"
_WHY, _FIRST, _ALL = "first sentence of why, after the headline", "first map", "all maps"
# Runs in the page from its beginning: notes when each of these is there first. Content alone is
# no pixel of ours, as Streamlit paints a grey skeleton of any page before it knows this one.
_WATCH = """
window.wilSeen = {};
const shown = {
  pixels: () => document.querySelector('.wil-headline, .wil-box img'),
  headline: () => /^The model (says|is not sure).+ %[.]/.test(
    document.querySelector('.wil-headline')?.innerText ?? ''),
  why: () => (text => text && !text.startsWith('Looking'))(
    document.querySelector('.wil-evidence')?.innerText.trim()),
  first: () => finished().length > 0,
  all: () => finished().length >= 3,
};
const finished = () => [...document.querySelectorAll('.wil-panel .wil-caption')].filter(
  caption => / passes, [0-9.]+ s|known before/.test(caption.innerText));
const look = () => {
  for (const [name, there] of Object.entries(shown)) {
    if (!(name in window.wilSeen) && there()) window.wilSeen[name] = Date.now();
  }
  requestAnimationFrame(look);
};
look();
"""
_BUSY = "while True: pass"


def main() -> None:
    """Print a line for each round, then the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="another process takes one core")
    parser.add_argument("--slow", type=float, default=1.0, help="how much slower the browser is")
    given = parser.parse_args()
    rounds = []
    with _one_core_taken(given.busy), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        for _ in range(given.rounds):
            bare = _bare_import()
            rounds.append({"import torch": bare, **_opened(browser, given.slow)})
            print(_line(rounds[-1]), flush=True)
        browser.close()
    print("medians:")
    for name in rounds[0]:
        seconds = statistics.median(each[name] for each in rounds)
        times = statistics.median(each[name] / each["import torch"] for each in rounds)
        print(f"  {name}: {seconds:.2f} s, {times:.2f} x import torch")


@contextmanager
def _one_core_taken(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", _BUSY]) as other:
        try:
            yield
        finally:
            other.kill()


def _bare_import() -> float:
    """Seconds that a fresh process needs to start and load torch."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - started


def _opened(browser: Browser, slow: float) -> dict[str, float]:
    """Seconds of one fresh start."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.add_init_script(_WATCH)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slow})
    started = time.time()
    with server() as (address, _):
        _until_it_answers(address)
        answered = time.time()
        page.goto(address)
        page.wait_for_function("() => 'all' in window.wilSeen && 'why' in window.wilSeen")
        seen = {
            name: at / 1000 - answered for name, at in page.evaluate("() => window.wilSeen").items()
        }
        context.close()
    return {
        _ANSWER: answered - started,
        _PIXELS: seen["pixels"],
        _HEADLINE: seen["headline"],
        _WHY: seen["why"] - seen["headline"],
        _FIRST: seen["first"],
        _ALL: seen["all"],
    }


def _until_it_answers(address: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.02)


def _line(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())


if __name__ == "__main__":
    main()
