"""What a browser could send to the components: only what they would send themselves counts."""

import base64
import logging
import math

import pytest

from dashboard.browser.messages import (
    message_id,
    read_box,
    read_mask,
    read_number,
    read_page,
    read_words,
)

SIZE = (640, 480)
PHOTO, PICTURE = "photo-id", "picture-id"
ODD = [None, 0, 7, 1.5, math.nan, True, "", "text", b"bytes", [], [1, 2], {}, {"id": 3}, object()]


def box_message(box, **changes):
    return {"box": box, "photo": PHOTO, "id": "m1", **changes}


def mask_message(mask, **changes):
    text = base64.b64encode(mask).decode() if isinstance(mask, bytes) else mask
    return {"mask": text, "picture": PICTURE, "id": "m1", **changes}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([10, 20, 110, 120], (10.0, 20.0, 110.0, 120.0)),
        ([10.25, 20.5, 110.26, 120.5], (10.25, 20.5, 110.26, 120.5)),
        ([160, 0, 640.01, 480], (160.0, 0.0, 640.0, 480.0)),
        ([-0.01, -0.01, 100, 100], (0.0, 0.0, 100.0, 100.0)),
        ([0, 0, 16, 16], (0.0, 0.0, 16.0, 16.0)),
    ],
)
def test_a_box_is_read_and_clamped(sent, read):
    assert read_box(box_message(sent), SIZE, PHOTO) == read


@pytest.mark.parametrize(
    "box",
    [
        *ODD,
        [1, 2, 3],
        [0, 0, 100, 100, 100],
        (0, 0, 100, 100),
        {"0": 0, "1": 0, "2": 100, "3": 100},
        ["0", 0, 100, 100],
        [False, 0, 100, 100],
        [None, 0, 100, 100],
        [[0], 0, 100, 100],
        [math.nan, 0, 100, 100],
        [0, 0, math.inf, 100],
        [-math.inf, 0, 100, 100],
        [0, 0, 10**400, 10**400],
        [-1, 0, 99, 100],
        [600, 400, 700, 500],
        [0, 0, 15, 15],
        [100, 100, 100, 100],
        [100, 100, 0, 0],
        [0, 0, 100, 50],
    ],
)
def test_no_box(box, caplog):
    with caplog.at_level(logging.INFO):
        assert read_box(box_message(box), SIZE, PHOTO) is None
    assert "crop: message from the browser ignored" in caplog.text


@pytest.mark.parametrize("message", [*ODD, box_message([0, 0, 99, 99], photo="another")])
def test_no_message_of_the_crop_box(message):
    assert read_box(message, SIZE, PHOTO) is None


def test_a_photo_smaller_than_the_least_box_can_be_taken_whole():
    assert read_box(box_message([0, 0, 10, 10]), (10, 12), PHOTO) == (0, 0, 10, 10)


@pytest.mark.parametrize("side", [1, 3, 8, 224])
def test_a_mask_is_read(side):
    count = -(-side * side // 8)
    mask = b"\x80" + bytes(count - 1)
    assert read_mask(mask_message(mask), (side, side), PICTURE) == mask


def test_an_empty_mask_is_none(caplog):
    with caplog.at_level(logging.INFO):
        assert read_mask(mask_message(bytes(8)), (8, 8), PICTURE) is None
    assert not caplog.text  # not a mistake


@pytest.mark.parametrize(
    "mask",
    [
        *ODD,
        bytes([1] * 7),
        bytes([1] * 9),
        bytes([1] * 10_000_000),
        "A" * 13,
        "!" * 12,
        "é" * 12,
        "AAAA\nAAAAAA=",
        "============",
        "AAAAAAAAAA==",
        "AAAAAAAAAAAA",
    ],
)
def test_no_mask(mask, caplog):
    message = {"mask": mask, "picture": PICTURE, "id": "m1"}
    if isinstance(mask, bytes) and mask != b"bytes":
        message = mask_message(mask)
    with caplog.at_level(logging.INFO):
        assert read_mask(message, (8, 8), PICTURE) is None


def test_bits_beyond_the_last_pixel_are_refused():
    assert read_mask(mask_message(b"\xff\x80"), (3, 3), PICTURE) == b"\xff\x80"
    assert read_mask(mask_message(b"\xff\xc0"), (3, 3), PICTURE) is None


@pytest.mark.parametrize("message", [*ODD, mask_message(b"\xff" * 8, picture="another")])
def test_no_message_of_the_brush(message):
    assert read_mask(message, (8, 8), PICTURE) is None


@pytest.mark.parametrize("page", [1, 7])
def test_a_page_is_read(page):
    assert read_page({"page": page, "id": "m1"}, 7) == page


@pytest.mark.parametrize("page", [*ODD, 0, 8, -1, 1.0, "1", 10**400])
def test_no_page(page, caplog):
    if page == 7 or page is True:
        page = [page]
    with caplog.at_level(logging.INFO):
        assert read_page({"page": page, "id": "m1"}, 7) is None
    assert "pages: message from the browser ignored" in caplog.text


@pytest.mark.parametrize("message", [*ODD, {"page": 3}, {"page": 3, "id": 3}])
def test_no_message_of_the_pages(message):
    assert read_page(message, 7) is None


@pytest.mark.parametrize("found", [None, 3, "", "x" * 41, ["m1"], {"m1": 1}])
def test_an_odd_id_is_none(found):
    assert message_id({"id": found}) is None
    assert read_box(box_message([0, 0, 99, 99], id=found), SIZE, PHOTO) is None
    assert read_mask(mask_message(b"\xff" * 8, id=found), (8, 8), PICTURE) is None


@pytest.mark.parametrize("words", [[], ["open", "a/b.jpg"], ["pair", "1", "2"], ["", "ä🦢"]])
def test_words_of_a_button_are_read(words):
    assert read_words(words) == words


@pytest.mark.parametrize(
    "words",
    [*(odd for odd in ODD if odd != []), ["a", 1], ["a"] * 5, ["open", "x" * 5001], ["\ud800"]],
)
def test_other_words_are_none(words):
    assert read_words(words) is None


@pytest.mark.parametrize(
    ("text", "most", "number"),
    [
        ("0", 9, 0),
        ("9", 9, 9),
        ("10", 9, None),
        ("099", 100, 99),
        ("0001", 100, None),
        ("", 9, None),
        ("-1", 9, None),
        ("1.5", 9, None),
        ("²", 9, None),
        ("9" * 5000, 10**6, None),
        ("0" * 5000, 10**6, None),
    ],
)
def test_a_number_is_read_if_it_is_small_enough(text, most, number):
    assert read_number(text, most) == number
