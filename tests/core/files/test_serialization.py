"""Results to arrays and back, by their declared types."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.engine.agreement import Agreement
from core.explaining.persistence import SurveyScores
from core.files.serialization import UnpackError, pack, unpack
from core.methods.attribution import Attribution, Provenance
from core.methods.scores import Question
from core.trust.badges import record
from core.trust.faithfulness import Curve, Faithfulness
from core.trust.infidelity import Infidelity
from core.trust.judgement import Judgement
from core.trust.randomisation import Randomisation, Stage
from core.trust.sensitivity import Sensitivity
from core.trust.settings import FaithfulnessSetting
from core.trust.similarity import Likeness

finite = st.floats(-1e6, 1e6, width=32)
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
    made = Judgement(
        Attribution(np.ones((2, 2)), "saliency", Question(1)),
        FaithfulnessSetting(block=7),
        (Faithfulness("deletion", curves[0], tuple(curves[1:3]), curves[3]),),
        Infidelity(0.5, 0.25, 0.125, drawn[0], drawn[1]),
        Randomisation(drawn[0], 3, (Stage(1, drawn[1], Likeness(0.5, 0.25)),)),
        Sensitivity(0.5, 0.25, drawn[0], (drawn[2], drawn[3])),
        1.5,
    )
    found = unpack(Judgement, pack(made))
    assert isinstance(found, Judgement)
    assert found.complete
    assert record(found) == record(made)
    assert found.setting == made.setting
    assert found.curves[0].verdict == made.curves[0].verdict
    assert np.array_equal(found.curves[0].random[1].scores, drawn[2])
    assert found.randomisation.stages[0].like == Likeness(0.5, 0.25)
    assert np.array_equal(found.sensitivity.maps[1], drawn[3])


def test_a_judgement_that_is_not_complete_comes_back():
    made = Judgement(Attribution(np.ones((2, 2)), "saliency", Question(1)), FaithfulnessSetting())
    found = unpack(Judgement, pack(made))
    assert (found.curves, found.sensitivity) == (None, None)


def test_an_array_alone_comes_back():
    assert np.array_equal(unpack(np.ndarray, pack(np.arange(3))), np.arange(3))


def test_nothing_is_pickled():
    for array in pack(Attribution(np.zeros((2, 2)), "saliency", Question(0))).values():
        assert array.dtype != object


GOOD = pack(SurveyScores(np.zeros(3), np.ones((2, 3)), Agreement(1, 1e-6)))


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
    for wanted in (Attribution, Judgement, SurveyScores):
        with pytest.raises(UnpackError):
            unpack(wanted, {"value": text})
