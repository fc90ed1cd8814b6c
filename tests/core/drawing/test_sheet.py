"""A page of a figure: things in their place, the same bytes every time, nothing left behind."""

import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from core.drawing.sheet import Sheet

RED = np.array([[[200, 0, 0]]], np.uint8)


def drawn(words="Swan <&> $x$", dpi=300):
    sheet = Sheet(2, 1, dpi)
    sheet.text(0.1, 0.3, words, 8)
    sheet.image(1, 0.5, (0.5, 0.25), RED, "nearest")
    return sheet


@pytest.mark.parametrize("dpi", [100, 300])
def test_things_are_where_the_inches_say(dpi):
    pixels = np.asarray(drawn(dpi=dpi).picture())
    assert pixels.shape == (dpi, 2 * dpi, 3)
    rows, columns = np.nonzero((pixels == RED[0, 0]).all(axis=2))
    edges = np.array([rows.min(), rows.max() + 1, columns.min(), columns.max() + 1])
    assert np.abs(edges - np.array([0.5, 0.75, 1, 1.5]) * dpi).max() <= 1


def test_the_three_files():
    files = drawn().files()
    with Image.open(io.BytesIO(files["png"])) as png:
        assert png.size == (600, 300)
        assert png.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    svg = files["svg"].decode()
    assert re.search(r'viewBox="0 0 144 72"', svg)  # points
    assert 'href="data:image/png;base64,' in svg
    assert files["pdf"].startswith(b"%PDF")


def test_the_same_page_gives_the_same_bytes_without_a_date():
    first, second = drawn().files(), drawn().files()
    assert first == second
    assert b"CreationDate" not in first["pdf"]
    assert b"<dc:date>" not in first["svg"]
    assert drawn("Other").files()["svg"] != first["svg"]


def test_what_no_svg_may_hold_is_seen_all_the_same():
    svg = drawn("\x1b[2J\udce9 & <b>\n").files()["svg"].decode()
    assert ET.fromstring(svg) is not None
    assert "\x1b" not in svg


@pytest.mark.parametrize("words", ["W" * 200, "a photo of a swan, " * 20, "i"])
def test_words_are_shortened_to_the_room_there_is(words):
    sheet = Sheet(2, 1, 300)
    sheet.text(0.1, 0.3, words, 8, wide=1.5)
    dark = np.nonzero(np.asarray(sheet.picture()).min(axis=(0, 2)) < 128)[0]
    assert dark[0] > 0.1 * 300 - 5
    assert dark[-1] < 1.6 * 300
    if len(words) > 1:
        assert dark[-1] > 1.35 * 300


def test_matplotlibs_settings_are_as_they_were():
    before = mpl.rcParams["svg.hashsalt"]
    drawn().files()
    assert mpl.rcParams["svg.hashsalt"] == before
