"""Judgements in words, as JSON and as a picture."""

import json

import numpy as np
import pytest

from core.attribution import Attribution
from core.faithfulness import Curve, Faithfulness, FaithfulnessSetting
from core.scores import Question
from core.trust import adds_up, drawing, record, sentences


@pytest.fixture
def found():
    shares = np.array([0.0, 0.5, 1.0])

    def curve(*scores):
        return Curve(shares, np.array(scores))

    random = curve(0.8, 0.5, 0.1), curve(0.8, 0.6, 0.1)
    return (
        Faithfulness("deletion", curve(0.8, 0.1, 0.1), random, curve(0.8, 0.41, 0.1)),
        Faithfulness("insertion", curve(0.1, 0.3, 0.8), random, curve(0.1, 0.4, 0.8)),
    )


def attribution(change=None):
    values = np.full((2, 2), 0.5)
    return Attribution(values, "integrated_gradients", Question(1), change=change)


def test_sentences_say_number_controls_and_verdict(found):
    first, second = sentences(attribution(), found)
    assert first == (
        "Covering the strongest blocks first: mean probability 0.28, random orders 0.50 ± 0.035, "
        "from the middle outwards 0.43 (lower is better): better than random and than pointing at "
        "the middle."
    )
    assert second.endswith("(higher is better): no better than guessing at random.")


def test_completeness_is_said_where_it_is_promised(found):
    assert sentences(attribution(2.5), found)[-1] == (
        "The map adds up to 2.00 of 2.50 logits (off by 20.0 %)."
    )


@pytest.mark.parametrize(
    ("change", "expected"), [(None, None), (2.0, True), (2.08, True), (2.5, False), (0.5, False)]
)
def test_adding_up_within_five_percent(change, expected):
    assert adds_up(attribution(change)) is expected


def test_the_record_is_json_and_holds_every_curve(found):
    read = json.loads(json.dumps(record(attribution(), found, FaithfulnessSetting())))
    deletion = read["curves"]["deletion"]
    assert deletion["area"] == pytest.approx(0.275)
    assert deletion["random_mean"] == pytest.approx(0.5)
    assert deletion["random_scores"] == [[0.8, 0.5, 0.1], [0.8, 0.6, 0.1]]
    assert read["settings"]["baseline"] == "blur"


def test_the_drawing_shows_the_curves(found):
    pixels = np.asarray(drawing(found, "a swan"))
    assert pixels.ndim == 3
    blue = (np.abs(pixels.astype(int) - (0x1F, 0x5F, 0xBF)).sum(axis=2) < 30).sum()
    brown = (np.abs(pixels.astype(int) - (0xB3, 0x54, 0x1E)).sum(axis=2) < 30).sum()
    assert min(blue, brown) > 100
