"""Talk mode without a browser: scenes by address, their words, and talks that cannot be shown."""

import json
import re
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import ModelError
from core.pictures.samples import samples
from tests.said import unmarked

ROOT = Path(__file__).resolve().parents[3]

# Few, large windows: what is tested here is the page, not the patience.
TALK = f"""
[pictures.penguin]
file = {json.dumps(str(samples()["penguin"].path))}
label = "penguin"
right = ["king penguin"]
[pictures.swan]
file = {json.dumps(str(samples()["swan"].path))}
label = "mute swan <b>"
[pictures.family]
file = {json.dumps(str(samples()["swan_family"].path))}
[[scenes]]
kind = "answer"
title = "What is this?"
picture = "penguin"
[[scenes]]
kind = "answer"
title = "And <i>this</i>?"
picture = "swan"
[[scenes]]
kind = "maps"
title = "Where?"
pictures = ["penguin", "swan"]
window = 112
stride = 80
[[scenes]]
kind = "brush"
title = "Cover the beak"
picture = "swan"
[[scenes]]
kind = "contrast"
title = "Why?"
picture = "swan"
against = "goose"
absent = "mute swan"
window = 112
stride = 80
[[scenes]]
kind = "trust"
title = "Trust?"
picture = "swan"
window = 112
stride = 80
[[scenes]]
kind = "photo"
title = "Yours"
window = 112
stride = 80
[[scenes]]
kind = "answer"
title = "No label"
picture = "family"
[[scenes]]
kind = "contrast"
title = "Impossible"
picture = "swan"
against = "king penguin"
"""


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Opens a scene of a talk."""

    def call(scene=None, text=TALK):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        monkeypatch.setattr(sys, "argv", ["app.py", "--talk", str(path)])
        page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
        page.query_params["view"] = "talk"
        if scene is not None:
            page.query_params["scene"] = str(scene)
        page.run()
        assert not page.exception
        return page

    return call


def html(page):
    return "\n".join(element.proto.body for element in page.get("html"))


def words(page):
    """What is to be read on the stage."""
    stage = re.search(r'<section class="wil-stage.*</section>', html(page), re.DOTALL).group()
    text = re.sub(r"<[^>]+>", " ", stage.replace("&nbsp;", " "))
    return " ".join(text.split())


def test_an_answer_that_is_right(show):
    found = words(show(1))
    assert found.startswith("What is this? king penguin 80 %")
    assert found.endswith("Right: king penguin is the only penguin among the 1,000 classes.")


def test_an_answer_that_is_the_label_is_right_without_more(show):
    text = TALK.replace('label = "penguin"', 'label = "King penguin"')
    assert words(show(1, text)).endswith("Right")


def test_an_answer_that_is_wrong_and_words_stay_text(show):
    found = words(show(2))
    assert found.startswith("And &lt;i&gt;this&lt;/i&gt;? king penguin 53 % goose 14 %")
    assert found.endswith("Wrong: mute swan &lt;b&gt;")


def test_without_a_label_nothing_is_judged(show):
    found = words(show(8))
    assert "black swan" in found
    assert "Right" not in found
    assert "Wrong" not in found


def test_maps_of_both_on_one_scale(show):
    page = show(3)
    assert html(page).count('class="over"') == 2
    assert html(page).count('class="scale"') == 1
    assert words(page).startswith("Where? king penguin, 80 % king penguin, 53 % evidence against")


def test_the_brush_begins_with_the_answer(show):
    assert "king penguin 53 %" in words(show(4))


def test_the_contrast_says_that_no_such_class_exists(show):
    found = words(show(5))
    assert "No mute swan among the 1,000 classes." in found
    for name in ("king penguin 53 %", "goose 14 %", "black swan"):
        assert name in found


def test_the_trust_scene_shows_the_whole_trust_line(show):
    found = words(show(6))
    for part in ("random", "weights", "noise", "insertion", "Spearman"):
        assert part in found


def test_your_photo(show):
    page = show(7)
    assert words(page) == "Yours"
    page.get("file_uploader")[0].upload(
        "panda.jpg", samples()["red_panda"].path.read_bytes(), "image/jpeg"
    )
    page.run()
    assert "lesser panda 89 %" in words(page)
    assert html(page).count('class="over"') == 1
    page.get("file_uploader")[0].upload("text.png", b"no picture", "image/png")
    page.run()
    assert not page.exception
    assert "picture" in words(page)


@pytest.mark.parametrize("scene", [None, "0", "10", "-1", "x", "1e3", "", "²", "9" * 50])
def test_an_address_without_such_a_scene_opens_the_first(show, scene):
    assert words(show(scene)).startswith("What is this?")


def test_a_scene_that_cannot_be_made_says_why(show):
    assert "Target and contrast are the same class" in words(show(9))


def test_what_goes_wrong_in_the_middle_of_a_scene_takes_the_place_of_what_was_shown(
    show, monkeypatch
):
    def fail(*_):
        raise ModelError("The cable is pulled.")
        yield

    monkeypatch.setattr("core.explaining.explainer.Explainer.steps", fail)
    page = show(3, TALK.replace("stride = 80", "stride = 78"))
    assert html(page).count("<section") == 1
    assert words(page) == "Where? The cable is pulled."


def test_a_broken_talk_says_which_line(show):
    page = show(1, TALK.replace('kind = "brush"', 'kind = "brsh"'))
    assert 'mine.toml, line 26: there is no scene "brsh"' in words(page).replace("&quot;", '"')


def test_a_talk_that_was_changed_is_read_again(show):
    assert words(show(1)).startswith("What is this?")
    assert words(show(1, TALK.replace("What is this", "Well"))).startswith("Well?")


def test_the_smallest_region_alone(show):
    scene = """[[scenes]]
kind = "region"
title = "Show only this"
picture = "swan"
blocks = 8
"""
    first = TALK.index("[[scenes]]")
    shown = show(1, TALK[:first] + scene)
    found = words(shown)
    assert found.startswith("Show only this king penguin")
    assert re.search("[0-9]+ % of the picture, shown alone, is enough for king penguin", found)
    picture = re.search('class="photo" src="([^"]*)"', html(shown)).group(1)
    assert picture.startswith("data:image/png")
    covered = show(1, TALK[:first] + scene + 'method = "counterfactual"\n')
    assert re.search("Covering .* of the picture changes the answer to goose", words(covered))


def test_make_ready(show):
    text = TALK[: TALK.index('[[scenes]]\nkind = "answer"\ntitle = "No label"')]
    page = show(1, text.replace("stride = 80", "stride = 79"))
    (button,) = page.button
    assert unmarked(button.label) == "Make ready: 3 of 7 scenes are not"
    button.click().run()
    assert not page.exception
    assert not page.button


def test_the_other_page_leads_to_the_talk(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["app.py"])
    page = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    for key in ("small_window", "small_stride", "large_window", "large_stride"):
        page.query_params[key] = "112"
    page.query_params["steps"] = "2"
    page.run()
    assert "?view=talk" in [link.proto.url for link in page.get("link_button")]
