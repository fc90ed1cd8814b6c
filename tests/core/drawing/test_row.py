"""Maps of one picture side by side."""

import numpy as np
from PIL import Image

from core.drawing.rendering import Display
from core.drawing.row import row
from core.methods.attribution import Attribution
from core.methods.scores import Question


def given(largest, unit):
    told = {"values": "given:0", "sign": "signed", "unit": unit, "title": "mine", "adds_up": False}
    return Attribution(np.array([[largest, 0.0]] * 2), "given", Question(0), told)


def test_maps_in_the_same_unit_share_a_scale_and_those_without_one_do_not(monkeypatch):
    ends = {}
    monkeypatch.setitem(
        row.__globals__, "draw_map", lambda *drawn: ends.update({drawn[-1]: drawn[-2]})
    )
    maps = {
        "a": given(2.0, "score"),
        "b": given(5.0, "score"),
        "c": given(3.0, "none"),
        "d": given(700.0, "none"),
        "e": given(9.0, "activation"),
    }
    row(Image.new("RGB", (2, 2)), maps, Display(outlier_percent=0), title="goose")
    assert {title: high for title, (_, high) in ends.items()} == {
        "a": 5.0, "b": 5.0, "c": 3.0, "d": 700.0, "e": 9.0
    }  # fmt: skip
