"""Settings that outlive their controls: what an address may ask for."""

import pytest

from dashboard.explain.kept import KEPT


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("small_window", "37", 37),
        ("small_window", "224", 224),
        ("small_window", "225", None),
        ("small_window", "0", None),
        ("small_window", "-3", None),
        ("small_window", "3.5", None),
        ("small_window", "3" * 5000, None),
        ("steps", "50", "50"),
        ("steps", "enough", "enough"),
        ("steps", "7", None),
        ("stdev", "0.5", 0.5),
        ("stdev", "nan", None),
        ("stdev", "inf", None),
        ("stdev", "wide", None),
        ("seed", "9999", 9999),
        ("seed", "10000", None),
        ("layer", "layer4", "layer4"),
        ("layer", "x" * 201, None),
        ("signed", "True", True),
        ("signed", "yes", None),
    ],
)
def test_what_an_address_may_ask_for(key, text, value):
    assert KEPT[key].read(text) == value


@pytest.mark.parametrize("key", KEPT)
def test_the_address_can_hold_each_default(key):
    default = KEPT[key].default
    assert KEPT[key].read(str(default)) == default
