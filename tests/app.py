"""The page as tests run it, without a browser: opened, read, and given an upload."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.said import said, unmarked

ROOT = Path(__file__).resolve().parents[1]
KING_PENGUIN = 145

# Few, large windows and few steps: what is tested here is the page, not the patience.
QUICK = {
    "small_window": "48",
    "small_stride": "48",
    "large_window": "112",
    "large_stride": "112",
    "steps": "10",
    "judge": "false",
}


def open_page(**query):
    test = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    for key, value in {**QUICK, **query}.items():
        test.query_params[key] = value
    return test.run()


def html(page):
    """All HTML on the page, in one string."""
    return "\n".join(element.proto.body for element in page.get("html"))


def words(page):
    """All that elements say or offer, without markup, styles and pictures, in one string."""
    found = []

    def walk(node):
        for child in getattr(node, "children", {}).values():
            walk(child)
        if (proto := getattr(node, "proto", None)) is not None:
            found.append(unmarked(str(proto)))

    for child in page._tree.children.values():
        walk(child)
    text = re.sub(r"data:[^;]+;base64,[\w+/=]+|<(style|script).*?</\1>", "", "\n".join(found))
    return re.sub(r"<[^>]+>", " ", text)


def panel(page, title):
    """The part of the page that shows one panel."""
    found = re.search(
        rf'<section class="wil-panel[^"]*" data-panel="{re.escape(title)}".*?</section>',
        html(page),
        re.DOTALL,
    )
    assert found, f"there is no panel {title}"
    return found.group()


def overlay(page, title):
    """The map of a panel as RGBA pixels."""
    address = re.search(r'class="map" src="data:image/png;base64,([^"]+)"', panel(page, title))
    assert address, f"{title} has no map"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.group(1)))).convert("RGBA"))


def upload(page, name, data, mime="image/png"):
    page.get("file_uploader")[0].upload(name, data, mime)
    return page.run()


def png(colour=(200, 30, 30), size=(300, 260)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def captions(page):
    return " ".join(said(page.caption))
