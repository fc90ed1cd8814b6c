"""Foreign text: visible, on one line, bounded, and without meaning where it is shown."""

import html
import json
import os
import string
import time
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import (
    BREAK,
    LONGEST_LINE,
    LONGEST_PART,
    PROGRAM,
    as_json,
    as_text,
    columns,
    did_you_mean,
    escape,
    json_attribute,
    json_script,
    line,
    markdown,
    plain,
    quoted,
)

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Zürich 白鳥 🦢.jpg", "Zürich 白鳥 🦢.jpg"),
        ("\x1b[2J\x1b]0;title\x07", "�[2J�]0;title�"),
        ("\x9b2J", "�2J"),
        ("a\r\nb\tc\u2028d", "a  b c d"),
        ("photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "photo�gpj.exe"),
        ("pay\N{ZERO WIDTH SPACE}pal\N{ZERO WIDTH NO-BREAK SPACE}", "pay�pal�"),
        ("caf\udce9.jpg", "caf�.jpg"),
        ("1\N{NARROW NO-BREAK SPACE}%", "1 %"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_replaced(text, seen):
    assert line(text) == seen
    assert escape(text) == seen
    assert plain(text) == seen


def test_a_tower_of_marks_is_no_higher_than_a_few():
    assert line("e" + 50 * "\N{COMBINING ACUTE ACCENT}" + "f") == "e\u0301\u0301\u0301\u0301f"


def test_what_is_too_long_is_cut_in_the_middle():
    cut = line("There is no sample " + 10_000_000 * "x" + "; the page shows Swan.")
    assert len(cut) == LONGEST_LINE
    assert cut.startswith("There is no sample xxx")
    assert "x…x" in cut
    assert cut.endswith("xxx; the page shows Swan.")
    assert len(plain(1000 * "x")) == LONGEST_PART
    assert [line("abcdefgh", longest) for longest in (1, 2, 3, 7, 8)] == [
        "…", "a…", "ab…", "abcd…gh", "abcdefgh",
    ]  # fmt: skip


@given(ANYTHING)
def test_a_line_is_one_line_for_all_that_show_it(text):
    shown = line(text)
    assert shown.isprintable()
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert line(shown) == shown
    shown.encode("utf-8")


@given(ANYTHING)
def test_html_and_xml_read_it_back(text):
    assert html.unescape(escape(text)) == line(text)
    tree = ET.fromstring(f'<svg title="{escape(text)}">{escape(text)}</svg>')
    assert (tree.text or "") == tree.get("title") == line(text)


@given(st.recursive(ANYTHING, lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_json_is_read_back_from_attributes_and_scripts(value):
    assert json.loads(html.unescape(json_attribute(value))) == value
    assert not set('"<>') & set(json_attribute(value))
    assert json.loads(json_script(value)) == value
    assert "<" not in json_script(value)


@given(ANYTHING)
def test_markdown_keeps_every_character_and_lets_no_mark_follow_another(text):
    encoded = markdown(text)
    words = " ".join(line(text).split())
    pieces = encoded.split(BREAK)
    assert not any(map(_is_mark, pieces[0]))
    for piece in pieces[1:]:
        assert piece[0] == "\\"
        assert _is_mark(piece[1])
        assert not any(map(_is_mark, piece[2:]))
    assert pieces[0] + "".join(piece[1:] for piece in pieces[1:]) == words


def _is_mark(character):
    return character in string.punctuation


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\x1bb", r"'a\x1bb'"),
        (["\N{RIGHT-TO-LEFT OVERRIDE}", 3], r"['\u202e', 3]"),
        ("\udce9", r"'\udce9'"),
    ],
)
def test_a_value_is_quoted_as_it_is_written(value, written):
    assert quoted(value) == written


def test_a_number_of_thousands_of_digits_is_not_written_out():
    assert quoted(10**5000) == "a very long number"


def test_a_value_nested_deeply_is_none_to_quote():
    value = []
    for _ in range(100_000):
        value = [value]
    assert quoted(value) == "a value that is nested too deeply"
    while value:  # taken apart by hand: freeing it would go as deep
        value = value.pop()


def test_columns_of_a_terminal():
    assert columns("swan") == 4
    assert columns("白鳥") == 4
    assert columns("e\N{COMBINING ACUTE ACCENT}") == 1


def test_megabytes_take_no_time():
    text = 20_000_000 * "\x1b"
    started = time.process_time()
    for make in (line, plain, escape, markdown):
        make(text)
    assert time.process_time() - started < 20  # under one; days where it is not linear


def test_a_name_that_is_no_unicode_is_told_as_text():
    assert as_text(os.fsdecode(b"\xff.png")) == "\\udcff.png"
    assert as_text(Path("Größe.png")) == "Größe.png"


def test_what_is_no_unicode_is_escaped_in_json():
    assert as_json({"a": "ü\udcff"}) == b'{"a": "\xc3\xbc\\udcff"}'
    assert json.loads(as_json({"a": "ü\udcff"})) == {"a": "ü\udcff"}


def test_a_checkout_says_how_it_is_called():
    assert PROGRAM == "python -m core"


def test_of_names_that_are_equally_near_the_first_is_meant():
    lite = [f"efficientnet_lite{number}" for number in (0, 1, 2)]
    assert did_you_mean("efficientnet_lite", lite) == " (did you mean efficientnet_lite0?)"
    assert did_you_mean("efficientnet_lite02", lite) == " (did you mean efficientnet_lite0?)"
    assert did_you_mean("limes", ["lime", "rise"]) == " (did you mean lime?)"
    assert did_you_mean("limes", []) == did_you_mean("swan", lite) == ""
