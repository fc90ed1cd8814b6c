"""TOML with lines: where a key stands, and what a table refuses."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TalkError
from core.files.toml import LONGEST, Table, TomlFile


def read(folder, text):
    path = folder / "talk.toml"
    path.write_text(text, "utf-8")
    return TomlFile.read(path)


def refused(act):
    with pytest.raises(TalkError) as caught:
        act()
    return str(caught.value)


TEXT = """# a comment

title = "A talk" # and another
long = [
  "one", # [[scenes]]
  'two',
]
words = \"\"\"
[[scenes]]
kind = "no scene"
\"\"\"

[pictures.swan]
file = "swan.jpg"

[pictures]
dog = { file = "dog.jpg", label = "a dog" }

[[scenes]]
kind = "answer"

[[scenes]]
  kind = "maps"
  inner.window = 3
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 3),
        (("long",), 4),
        (("long", 1), 4),
        (("words",), 8),
        (("pictures", "swan"), 13),
        (("pictures", "swan", "file"), 14),
        (("pictures", "dog", "label"), 17),
        (("scenes", 0), 19),
        (("scenes", 0, "kind"), 20),
        (("scenes", 1, "kind"), 23),
        (("scenes", 1, "inner", "window"), 24),
        (("nowhere",), 1),
        (("scenes", 7), 1),
        (("title", "deeper"), 1),
    ],
)
def test_a_key_is_found_on_its_line(tmp_path, place, line):
    assert read(tmp_path, TEXT).line(place) == line


@given(st.integers(0, 8), st.sampled_from(["\n", "# x\n", "  \n", "x{} = [\n]\n"]))
def test_lines_are_counted_whatever_stands_between(count, between):
    text = "".join(between.format(n) for n in range(count)) + "here = 1\n"
    assert TomlFile(None, text, tomllib.loads(text)).line(("here",)) == text.count("\n")


def test_lines_may_end_as_on_windows(tmp_path):
    path = tmp_path / "talk.toml"
    path.write_bytes(b"# x\r\n\r\na = [\r\n1]\r\nhere = 1\r\n")
    assert TomlFile.read(path).line(("here",)) == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ('a = 1\n\n\nb = "x', 4), ("a = 1\na = 2\n", 2), ("a = [\n1,\n", 2)],
)
def test_what_is_not_toml_is_told_with_its_line(tmp_path, text, line):
    sentence = refused(lambda: read(tmp_path, text))
    assert sentence.startswith(f"talk.toml, line {line}: this is not TOML (")


def test_a_file_that_cannot_be_read(tmp_path):
    assert "cannot be read (No such file" in refused(lambda: TomlFile.read(tmp_path / "no.toml"))
    (tmp_path / "latin.toml").write_bytes(b'a = "\xe9"')
    assert "not UTF-8" in refused(lambda: TomlFile.read(tmp_path / "latin.toml"))


def test_a_table_gives_what_is_asked_and_refuses_the_rest(tmp_path):
    file = read(tmp_path, 'n = 3\nflag = true\ntexts = ["a"]\nmixed = ["a", 1]\n')
    table = Table(file, (), file.values)
    assert table.take("n", int, "a number") == 3
    assert table.take("absent", int, "a number", 7) == 7
    assert table.texts("texts", "texts") == ("a",)
    assert refused(lambda: table.take("n", str, "text")) == "talk.toml, line 1: n is 3: give text."
    assert "line 2: flag is True" in refused(lambda: table.take("flag", int, "a number"))
    assert "line 1: none is missing" in refused(lambda: table.take("none", int, "a number"))
    assert "line 4: mixed is ['a', 1]" in refused(lambda: table.texts("mixed", "texts"))


def test_a_key_that_nobody_asks_for_is_refused_and_the_others_are_named(tmp_path):
    file = read(tmp_path, "n = 3\nm = 4\n")
    table = Table(file, (), file.values)
    table.take("n", int, "a number")
    table.take("o", int, "a number", 0)
    assert refused(table.finish) == "talk.toml, line 2: m is not known here: choose from n, o."


TRICKY = """# c
a = 1 # [ x
b.c = \"\"\"x
[[nope]]
"" y\"\"\" # "
"b.d" = 'it"s'
e = [ # [
  1, "]",
  { x = [2], y = "}" } ]

f = \'\'\'
' \'\'
[k]\'\'\'
g = \"\"\"a\\\"\"\"b\"\"\"
h = \"\"\"\"\"q\"\"\"\"\"
[t]
u = { v = { w = 1 } }
"quo]ted".k = 3
[t."x.y".z]
k = 1
[[s]]
kind = "a"
  [s.sub]
  q = 1
  [[s.inner]]
  r = 2
  [[s.inner]]
  r = 3
  [s.inner.deep]
  m = [[1,2],
   [3]]
[[s]] # s
kind = "b"
[[s.inner]]
r = 9
[ w . v ]
last = 1979-05-27 07:32:00"""


def places(values, here=()):
    """The place of every key and item."""
    yield here
    items = values.items() if isinstance(values, dict) else ()
    for key, inner in enumerate(values) if isinstance(values, list) else items:
        yield from places(inner, (*here, key))


def holds(values, place):
    for part in place:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def line_by_line(text, place):
    """Where the key is when the file is read up to each line in turn: slow, and plainly right."""
    lines, begin = text.split("\n"), 0
    for end in range(1, len(lines) + 1):
        try:
            read = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the midst of a value that goes over several lines
        if holds(read, place):
            return begin + 1
        begin = end
    return 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_key_is_on_the_line_after_which_it_is_read(tmp_path, end):
    file = TomlFile(tmp_path, TRICKY.replace("\n", end), tomllib.loads(TRICKY))
    found = list(places(file.values))
    assert len(found) == 49
    for place in found:
        assert file.line(place) == line_by_line(TRICKY, place), place


@pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")
def test_what_is_no_file_or_too_long_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", Path("/dev/zero"), tmp_path):
        sentence = refused(lambda path=path: TomlFile.read(path))
        assert (
            sentence == f"The talk {path} cannot be read (it is no regular file): check the path."
        )
    (tmp_path / "long.toml").write_text("#" * (LONGEST + 1))
    sentence = refused(lambda: TomlFile.read(tmp_path / "long.toml"))
    assert sentence == "long.toml is larger than 1,000,000 bytes: shorten it."
