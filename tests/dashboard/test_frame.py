"""The page before the model is there."""

import subprocess
import sys

from streamlit.testing.v1 import AppTest

from tests.browser import ROOT

SCRIPT = "from dashboard import frame\nframe.draw_frame()\n"


def frame(**query):
    """The HTML of the frame, but for its style."""
    test = AppTest.from_string(SCRIPT)
    for key, value in query.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception
    return "\n".join(
        each.proto.body for each in test.get("html") if "<style>" not in each.proto.body
    )


def test_it_needs_no_torch():
    code = (
        "import sys\nfrom dashboard import frame\nfrom dashboard.session import loading, login\n"
        "frame._photo()\nprint('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_it_shows_the_photo_and_room_for_what_comes():
    shown = frame()
    assert "<b>Loading the model …</b>" in shown
    assert shown.count("<img") == 1
    assert shown.count("waiting …") == 1


def test_the_address_says_which_photo():
    assert frame(sample="penguin") != frame()
    assert frame(sample="no such sample") == frame()


def test_a_picture_of_a_table_is_not_opened():
    assert "<img" not in frame(picture="results/../../swan.jpg")


def test_other_pages_have_no_photo():
    assert "<img" not in frame(view="folder")
    assert "Loading" in frame(view="folder")
    assert frame(view="talk") == ""
