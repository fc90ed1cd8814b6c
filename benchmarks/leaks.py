"""What stays behind: ``python -m benchmarks.leaks``, with the system's Chromium.

Moves a slider 500 times and uploads 200 files that are no pictures, in one browser tab, and prints
what the server holds on the way. Nothing leaks if the figures level off.
"""

import argparse
import itertools
import shutil

from playwright.sync_api import Page, sync_playwright

from benchmarks.server import held, server

_QUICK = "?small_window=48&small_stride=24&judge=false&steps=10&map=occlusion_large"
_QUIET = """() => document.querySelector('[data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stProgress]')"""


def main() -> None:
    """Print what the server holds after each tenth of the way."""
    parser = argparse.ArgumentParser(description="What a long session leaves behind.")
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--uploads", type=int, default=200)
    asked = parser.parse_args()
    with server() as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address + _QUICK)
        page.locator(".wil-panel").first.wait_for(timeout=120_000)
        _settle(page)
        print(f"at the start: {held(process.pid)}", flush=True)
        handle = page.locator(".st-key-large_window input[type=range]")
        handle.focus()
        # Forth and back over more windows than the caches hold.
        keys = itertools.cycle(["ArrowRight"] * 60 + ["ArrowLeft"] * 60)
        for move, key in enumerate(itertools.islice(keys, asked.moves), 1):
            page.keyboard.press(key)
            page.wait_for_timeout(150)
            if move % max(1, asked.moves // 10) == 0:
                _settle(page)
                print(f"after {move} slider moves: {held(process.pid)}", flush=True)
        for upload in range(1, asked.uploads + 1):
            content = b"\x89PNG\r\n\x1a\n" + upload.to_bytes(4, "big") * 50_000
            page.set_input_files(
                "input[type=file]",
                {"name": f"photo{upload}.png", "mimeType": "image/png", "buffer": content},
            )
            page.get_by_text(f"photo{upload}.png").first.wait_for(timeout=60_000)
            _settle(page)
            if upload % max(1, asked.uploads // 10) == 0:
                print(f"after {upload} failed uploads: {held(process.pid)}", flush=True)
        print("alerts:", page.locator("[data-testid=stAlert]").all_inner_texts())
        browser.close()


def _settle(page: Page) -> None:
    page.wait_for_timeout(100)
    page.wait_for_function(_QUIET, polling=50, timeout=120_000)


if __name__ == "__main__":
    main()
