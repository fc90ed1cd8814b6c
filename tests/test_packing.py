"""Results to arrays and back, by their declared types."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.attribution import Attribution, Provenance
from core.faithfulness import Curve, Faithfulness, Stage
from core.packing import UnpackError, pack, unpack
from core.scores import Question
from core.stored import SurveyScores

finite = st.floats(allow_nan=False, width=32)
maps = arrays(np.float32, (3, 4), elements=finite)
shares = arrays(np.float64, 5, elements=st.floats(0, 1))
regions = st.none() | st.tuples(finite, finite, finite, finite)


@given(maps, st.none() | finite, regions, st.none() | st.integers(0, 9))
def test_an_attribution_comes_back(values, change, region, contrast):
    made = Attribution(
        values=values,
        method="occlusion",
        question=Question(10, contrast, "probability"),
        parameters={"window": 30, "baseline": "blur:3", "layer": None, "stdev": 0.5},
        forward_passes=7,
        seconds=1.25,
        change=change,
        provenance=Provenance("toy", "00", "11", "cpu", region),
    )
    found = unpack(Attribution, pack(made))
    assert np.array_equal(found.values, made.values)
    assert found.settings() == made.settings()
    assert found.question == made.question
    assert found.provenance == made.provenance
    assert not found.values.flags.writeable


@given(st.lists(shares, min_size=4, max_size=4))
def test_a_judgement_comes_back(drawn):
    curves = [Curve(each, each) for each in drawn]
    stage = Stage(9, 9, (Faithfulness("deletion", curves[0], tuple(curves[1:3]), curves[3]),))
    found = unpack(Stage, pack(stage))
    assert isinstance(found, Stage)
    assert found[:2] == (9, 9)
    assert found.found[0].verdict == stage.found[0].verdict
    assert np.array_equal(found.found[0].random[1].scores, drawn[2])


def test_an_array_alone_comes_back():
    assert np.array_equal(unpack(np.ndarray, pack(np.arange(3))), np.arange(3))


def test_nothing_is_pickled():
    for array in pack(Attribution(np.zeros((2, 2)), "saliency", Question(0))).values():
        assert array.dtype != object


GOOD = pack(SurveyScores(np.zeros(3), np.ones((2, 3))))


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"value": np.frombuffer(b"{", np.uint8)},
        {"value": np.frombuffer(b"[]", np.uint8)},
        {"value": np.frombuffer(b'"text"', np.uint8)},
        {"value": np.frombuffer(b"3", np.uint8)},
        {"value": GOOD["value"]},
        {**GOOD, "value": np.frombuffer(json.dumps({"clean": "array0"}).encode(), np.uint8)},
        pack(Curve(np.zeros(2), np.zeros(2))),
    ],
)
def test_what_is_something_else_is_refused(found):
    with pytest.raises(UnpackError):
        unpack(SurveyScores, found)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_any_other_json_is_refused_and_never_worse(value):
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    for wanted in (Attribution, Stage, SurveyScores):
        with pytest.raises(UnpackError):
            unpack(wanted, {"value": text})
