"""Helpers of tests that drive a real browser: a server, Chromium, a page that must not complain.

    from tests.browser import open_page, serve, settle  # conftest.py has the fixture "browser"

    @pytest.mark.browser
    def test_something(browser, tmp_path):
        with serve(script) as url, open_page(browser, url) as page:
            page.get_by_role("button", name="Cancel").click()
            settle(page)

Chromium is looked for on the PATH; without one the tests are skipped, or, with REQUIRE_BROWSER=1 in
the environment, fail.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 120  # seconds for what a page does at once, unless the machine is busy
START = 60  # seconds that a server may take to start


def executable():
    """Path of the system's Chromium; skips or fails the test when there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"no browser on the PATH (looked for {', '.join(NAMES)})"
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    return pytest.skip(reason)


@pytest.fixture(scope="session", name="browser")
def chromium():
    """One headless Chromium for all tests; each page gets a context of its own."""
    path = executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def serve(script, *options, env=None):
    """Run a Streamlit script on a free port, with the project on its path; yields the address.

    Args:
        script: the file.
        options: more options of ``streamlit run``.
        env: more environment variables.
    """
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += ["--server.port", "{port}", "--server.address", "127.0.0.1", *options]
    with TemporaryDirectory() as cache:
        more = {"PYTHONPATH": str(ROOT), "WHERE_IT_LOOKED_CACHE": cache, **(env or {})}
        # In ROOT lies .streamlit/config.toml.
        with running(command, ROOT, {**os.environ, **more}) as url:
            yield url


@contextmanager
def running(command, folder, env):
    """Run a command that starts a Streamlit server in a folder; yields the server's address.

    The port is in the environment, and in the command in place of ``{port}``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    with TemporaryFile() as log:
        server = subprocess.Popen(
            [str(each).replace("{port}", str(port)) for each in command],
            cwd=folder,
            env={**env, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(url, server, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(url, server, log):
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    pytest.fail(f"the server did not start:\n{log.read().decode(errors='replace')[-3000:]}")


@contextmanager
def open_page(browser, url, *, settled=True, allow=(), **options):
    """A settled page; fails at the end if its console complained.

    Args:
        browser: the fixture, for a context of the page's own, or a context: its pages are Streamlit
            sessions of their own too, and share the files loaded before (faster).
        url: to open.
        settled: whether to wait until its script has run.
        allow: parts of console messages that are no failure.
        options: for ``browser.new_context``, such as ``color_scheme="dark"``, ``has_touch=True``.
    """
    complaints = []
    own = None
    if hasattr(browser, "new_context"):
        own = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = (own or browser).new_page()
    page.set_default_timeout(1000 * PATIENCE)
    try:
        page.on(
            "console",
            lambda message: message.type == "error" and complaints.append(message.text),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        if settled:
            settle(page)
        yield page
        complaints[:] = [text for text in complaints if not any(part in text for part in allow)]
        assert not complaints, complaints
    finally:
        page.close()
        if own:
            own.close()


def underway(page, passes, timeout):
    """Wait until the page computes so many passes, agreeing where it says that they take long.

    It may also begin, and ask once it has seen how slow the machine is: not where a quarter is done
    before that.

    Args:
        page: of Playwright.
        passes: all of them, as the page writes the number.
        timeout: in seconds.
    """
    words = re.compile(f"([\\d,]+) of {passes} passes")
    going = page.get_by_text(words).first
    start = page.get_by_role("button", name="Start", exact=True)
    stop = page.get_by_role("button", name="Stop", exact=True)
    end, since = time.monotonic() + timeout, None
    while since is None or time.monotonic() < since + 4:
        assert time.monotonic() < end, f"{passes} passes are not under way after {timeout} s"
        if start.count():
            start.click()
            start.wait_for(state="hidden", timeout=1000 * timeout)
        if not (stop.count() and going.count()):
            since = None
        elif since is None:
            since = time.monotonic()
        else:
            done, every = (int(each.replace(",", "")) for each in (_done(going, words), passes))
            if 4 * done > every:
                return
        page.wait_for_timeout(100)


def _done(going, words):
    """How many passes the page says are done; none where it has just gone on."""
    from playwright.sync_api import TimeoutError

    try:
        found = words.search(going.inner_text(timeout=1000))
    except TimeoutError:
        return "0"
    return found[1] if found else "0"


# Longer where the browser is busy: what it has not sent yet, it sends before it is idle.
_A_MOMENT = "new Promise(on => requestIdleCallback(() => setTimeout(on, 60), { timeout: 1000 }))"


def eventually(page, read, expected):
    """Assert that `read(page)` is as expected, now or as soon as the page had time for it."""
    end = time.monotonic() + PATIENCE
    while (found := read(page)) != expected and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert found == expected


def settle(page, timeout=120):
    """Wait until the script has run, and no new run has begun within a moment."""
    idle = '[data-test-script-state="notRunning"]'
    end = time.monotonic() + timeout
    quiet = 0
    while quiet < 3:
        assert time.monotonic() < end, f"the script still runs after {timeout} s"
        page.wait_for_selector(idle, timeout=1000 * timeout, state="attached")
        page.evaluate(_A_MOMENT)
        quiet = quiet + 1 if page.query_selector(idle) else 0
