"""What is said of a map made elsewhere: what has to be said, what cannot, and how it reads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.drawing.captions import baseline_words, settings_words
from core.errors import MapError, SettingError
from core.methods.attribution import Attribution
from core.methods.given import check_asked, given_steps
from core.methods.given_setting import GivenFor, GivenSetting, check_said
from core.methods.registry import title_of
from core.methods.scores import Question
from core.methods.settings import parameters, short
from tests.toys import Weighted

pytestmark = pytest.mark.usefixtures("one_thread")

VALUES = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
LOGIT = Question(0)
INPUTS = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]).view(1, 1, 2, 2)


def setting(sign="signed", unit="score", **more):
    return GivenSetting("given:0", sign, unit, **more)


def made(said, values=VALUES, question=LOGIT, module=None, inputs=INPUTS, baseline=0.0):
    network = Weighted(torch.ones(1, 1, 2, 2)).eval() if module is None else module
    (step,) = given_steps(network, inputs, question, said, values, baseline)
    return step.snapshot()


@pytest.mark.parametrize(
    ("unit", "kind", "words"),
    [
        ("score", "logit", "logits"),
        ("score", "probability", "probability"),
        ("none", "logit", "no unit"),
        ("weighted {activation}", "logit", "weighted {activation}"),
    ],
)
def test_its_unit_is_what_was_said(unit, kind, words):
    found = made(setting(unit=unit, title="mine"), question=Question(0, kind=kind))
    assert isinstance(found, Attribution)
    assert (found.units, found.method, title_of(setting(title="mine"))) == (words, "given", "mine")
    assert found.settings()["units"] == words
    assert found.about.sign == "signed"
    assert found.values.tolist() == VALUES.tolist()
    assert settings_words(found) == "made elsewhere, signed"
    assert baseline_words(found) == ""
    assert short(setting())


def test_what_its_values_sum_to_is_compared_with_the_change_of_the_score():
    """The score is the sum of the pixels, 2.5, and -1 on a baseline of -0.25; the values, 2.5."""
    found = made(setting(adds_up=True))
    assert (found.change, found.gap, found.forward_passes) == (2.5, 0.0, 2)
    other = made(setting(adds_up=True, baseline="black"), baseline=-0.25)
    assert (other.change, other.gap) == (3.5, -1.0)
    assert baseline_words(other) == "baseline black"
    assert made(setting()).change is None


@pytest.mark.parametrize("sign", ["positive", "unsigned"])
def test_values_below_zero_contradict_what_was_said(sign):
    with pytest.raises(MapError, match=f"1 of the map's 4 values are below zero, and .* {sign}"):
        made(setting(sign))
    assert made(setting(sign), np.abs(VALUES)).about.sign == sign


@pytest.mark.parametrize(
    ("sign", "unit", "sentence"),
    [
        (None, "score", "Say what the map's sign means with --sign: signed (below zero is evidence "
         "against), positive (only evidence for), unsigned (only how strong, for or against)."),
        ("signed", None, "Say what the map's values count with --unit: score (the units of the "
         "explained score), none, or a name such as weighted activation."),
        ("plus", "score", "There is no sign plus of a map: choose one: signed (below zero is "
         "evidence against), positive (only evidence for), unsigned (only how strong, for or "
         "against)."),
    ],
)  # fmt: skip
def test_sign_and_unit_are_asked_for(sign, unit, sentence):
    with pytest.raises(SettingError) as refused:
        check_said(sign, unit)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"unit": ""}, "The unit of the map is empty: give 1 to 40 visible characters."),
        ({"unit": "x" * 41}, "give 1 to 40 visible characters"),
        ({"title": "a\nb"}, "The title of the map is a b: give 1 to 60 visible characters."),
        ({"map_of": "thing"}, "is said to be of thing: choose input, photo or grid."),
        ({"order_only": True}, "A PNG does not say where zero is"),
        ({"order_only": True, "sign": "positive"}, "A PNG has no scale"),
        ({"adds_up": True, "unit": "none"}, "Only signed values in units of the score can sum"),
        ({"adds_up": True, "sign": "positive"}, "Only signed values in units of the score can sum"),
        ({"adds_up": True, "map_of": "grid"}, "A map of the grid is resampled"),
        ({"baseline": "pink"}, 'There is no baseline "pink"'),
    ],
)
def test_what_contradicts_itself_is_refused(said, sentence):
    with pytest.raises(SettingError) as refused:
        setting(**said)
    assert sentence in str(refused.value)


def test_a_map_is_asked_about_what_it_was_given_for():
    was = setting(given_for=GivenFor("pond", 1, None, "logit"))
    names = ("swan", "goose", "duck")
    check_asked(was, "pond", Question(1), names, None)
    check_asked(setting(), "sea", Question(2), names, (0, 0, 16, 16))
    for model, question, words in (
        ("sea", Question(1), "given for the model pond"),
        ("pond", Question(0), "given for the logit of goose: choose that score"),
        ("pond", Question(1, kind="probability"), "given for the logit of goose"),
        ("pond", Question(1, 2), "given for the logit of goose"),
    ):
        with pytest.raises(MapError, match=words):
            check_asked(was, model, question, names, None)
    part = (0, 0, 16, 16)
    for map_of in ("input", "grid"):
        with pytest.raises(MapError, match="This map was given for another part of the photo"):
            check_asked(replace(was, map_of=map_of), "pond", Question(1), names, part)
    check_asked(replace(was, map_of="photo"), "pond", Question(1), names, part)
    assert "given_for" not in parameters(was)
