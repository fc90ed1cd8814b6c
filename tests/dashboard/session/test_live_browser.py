"""The buttons of a long computation in a real browser: one at a time."""

from urllib.parse import urlencode

import pytest

from tests.browser import PATIENCE, ROOT, open_page, serve

pytestmark = pytest.mark.browser

LONG = {"sample": "swan", "maps": "Occlusion small", "small_window": 15, "small_stride": 1}


def test_start_stop_and_continue_give_way_to_each_other(browser):
    from playwright.sync_api import expect

    address = urlencode({**LONG, "judge": "false"})  # 44,100 windows: a minute and more anywhere
    with (
        serve(ROOT / "dashboard" / "app.py") as url,
        open_page(browser, f"{url}/?{address}", settled=False) as page,
    ):
        for pressed, follows in (("Start", "Stop"), ("Stop", "Continue"), ("Continue", "Stop")):
            before, after = (
                page.get_by_role("button", name=name, exact=True) for name in (pressed, follows)
            )
            before.click(timeout=1000 * PATIENCE)
            expect(after).to_be_visible(timeout=1000 * PATIENCE)
            # While it still computes: Streamlit clears up what is left of a run when it ends.
            expect(before).to_be_hidden()
