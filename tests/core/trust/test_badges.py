"""Judgements in words: a badge and a sentence for each measure, and everything as JSON."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.folders.trust_columns import numbers_of
from core.methods.attribution import Attribution
from core.methods.scores import Question
from core.models.heads import Head
from core.trust.badges import (
    TITLES,
    _share,
    _two,
    adds_up,
    badges,
    record,
    sentences,
    stage_words,
    summary,
)
from core.trust.faithfulness import Curve, Faithfulness
from core.trust.infidelity import Infidelity
from core.trust.judgement import Judgement
from core.trust.randomisation import Randomisation, Stage
from core.trust.sensitivity import Sensitivity
from core.trust.settings import FaithfulnessSetting
from core.trust.similarity import Likeness

SHARES = np.array([0.0, 0.5, 1.0])
POINTS = np.array([1.0, 2.0]), np.array([1.5, 1.75])
SAYS_MORE, SAYS_LESS = Infidelity(0.5, 0.75, 0.5, *POINTS), Infidelity(2.5, 0.25, 0.5, *POINTS)
NOISY = np.zeros((2, 2)), (np.ones((2, 2)),)
STEADY, SHAKY = Sensitivity(0.25, 0.9, *NOISY), Sensitivity(1.5, -0.25, *NOISY)


def curve(*scores):
    return Curve(SHARES, np.array(scores))


def curves(deletion, insertion, middle=(0.41, 0.4)):
    """Deletion and insertion whose middle points are given, beside random 0.5 and 0.6."""
    random = curve(0.8, 0.5, 0.1), curve(0.8, 0.6, 0.1)
    reverse = curve(0.1, 0.5, 0.8), curve(0.1, 0.6, 0.8)
    return (
        Faithfulness("deletion", curve(0.8, deletion, 0.1), random, curve(0.8, middle[0], 0.1)),
        Faithfulness("insertion", curve(0.1, insertion, 0.8), reverse, curve(0.1, middle[1], 0.8)),
    )


def randomisation(*likes, layers=40):
    counts = (1, 10, 20, 40)[: len(likes) - 1]
    stages = (
        Stage(count, np.full((8, 8), count, float), Likeness(each, each / 2))
        for count, each in zip((*counts, layers), likes, strict=True)
    )
    return Randomisation(np.eye(8), layers, tuple(stages))


FOLLOWS, IGNORES = randomisation(0.3, 0.1, -0.1, 0.1), randomisation(1.0, 0.9, 0.8, 0.1)


def attribution(change=None, method="integrated_gradients", kind="logit"):
    return Attribution(np.full((2, 2), 0.5), method, Question(1, kind=kind), change=change)


def judgement(change=None, **parts):
    return Judgement(attribution(change), FaithfulnessSetting(), **parts)


COMPLETE = judgement(
    2.5,
    curves=curves(0.1, 0.9),
    infidelity=SAYS_MORE,
    randomisation=FOLLOWS,
    sensitivity=STEADY,
    seconds=1.26,
)


def only(measure, **parts):
    (found,) = badges(judgement(**parts))
    assert found.measure == measure
    return found.good, found.words, found.figure


@pytest.mark.parametrize(
    ("found", "good", "words", "advantages"),
    [
        (curves(0.15, 0.95), True, "faithful (beats random, centre)", (0.2, 0.2)),
        (curves(0.15, 0.95, (0.0, 0.4)), None, "beats random, not centre order", (0.2, 0.2)),
        (curves(0.15, 0.95, (0.4, 1.0)), None, "beats random, not centre order", (0.2, 0.2)),
        (curves(0.15, 0.35), None, "faithful in deletion only", (0.2, -0.1)),
        (curves(0.65, 0.95), None, "faithful in insertion only", (-0.05, 0.2)),
        (curves(0.95, 0.35), False, "no better than random order", (-0.2, -0.1)),
        (curves(0.55, 0.55), False, "no better than random order", (0.0, 0.0)),
        (curves(0.45, 0.65), False, "no better than random order", (0.05, 0.05)),  # may be chance
    ],
)
def test_badges_of_curves(found, good, words, advantages):
    assert [each.advantage for each in found] == pytest.approx(advantages)
    figure = "deletion {:+.2f}, insertion {:+.2f}".format(*(each.advantage for each in found))
    assert only("curves", curves=found) == (good, words, figure.replace("-", "−"))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"change": 2.0}, ("sums", True, "complete", "off by 0.0 %")),
        ({"change": 2.5}, ("sums", False, "incomplete", "off by 20.0 %")),
        ({"change": -2.0}, ("sums", False, "incomplete", "off by 200.0 %")),
        ({"change": 0.0}, ("sums", False, "incomplete", "the score does not change")),
        ({"infidelity": SAYS_MORE}, ("sums", True, "low infidelity", "75 % explained")),
        (
            {"infidelity": SAYS_LESS},
            ("sums", False, "high infidelity", "25 % explained"),
        ),
        ({"randomisation": FOLLOWS}, ("weights", True, "depends on the weights", "Spearman 0.10")),
        ({"randomisation": IGNORES}, ("weights", False, "ignores the weights", "Spearman 0.70")),
        ({"sensitivity": STEADY}, ("noise", True, "stable under noise", "Spearman 0.90")),
        ({"sensitivity": SHAKY}, ("noise", False, "unstable under noise", "Spearman −0.25")),
    ],
)
def test_badges_of_the_other_measures(parts, expected):
    good, words, figure = only(expected[0], **parts)
    assert (expected[0], good, words, figure) == expected


def test_a_promise_to_add_up_comes_before_squares():
    (badge,) = badges(judgement(2.0, infidelity=SAYS_LESS))
    assert badge.words == "complete"


def test_a_badge_for_each_measure_that_is_known():
    assert [badge.measure for badge in badges(COMPLETE)] == list(TITLES)
    parts = {"curves": "curves", "infidelity": "sums", "randomisation": "weights"}
    parts["sensitivity"] = "noise"
    for size in range(5):
        for chosen in itertools.combinations(parts, size):
            known = judgement(**{part: getattr(COMPLETE, part) for part in chosen})
            shown = [badge.measure for badge in badges(known)]
            assert shown == [parts[part] for part in parts if part in chosen]
            said = {measure for measure, lines in sentences(known).items() if lines}
            assert said == set(shown)
            assert known.complete == (size == 4)


def test_sentences_in_full():
    said = sentences(COMPLETE)
    assert list(said) == list(TITLES)
    assert said["curves"] == [
        "Deletion, strongest blocks covered first: mean probability 0.28, random orders 0.50 ± "
        "0.035, centre-first order 0.43 (lower is better): better than random orders and than the "
        "centre-first order.",
        "Insertion, strongest blocks revealed first: mean probability 0.68, random orders 0.50 ± "
        "0.035, centre-first order 0.43 (higher is better): better than random orders and than "
        "the centre-first order.",
    ]
    assert said["sums"] == [
        "Completeness: sum 2.00 of 2.50 logits (off by 20.0 %).",
        "Infidelity 0.50 (lower is better), from 48 covered squares of random sizes: the sum of "
        "the map in a square explains 75 % of the drops of the logit, the size of the square "
        "alone 50 %: the map explains more than the size of the square alone.",
    ]
    assert said["weights"] == [
        "Weights randomised from the last layer towards the first: mean rank correlation with the "
        "map of the trained model 0.10 (0: unrelated, 1: the same): the map depends on the "
        "weights."
    ]
    (noise,) = said["noise"]
    assert noise.startswith("Noise of at most 0.02 on the model's input, ")
    assert noise.endswith(
        "changes the map by up to 25 % of its norm (sensitivity-max, lower is better), and the "
        "rank correlation falls to 0.90: the map is stable."
    )


def test_sentences_name_the_score_and_a_true_minus():
    of_probability = Judgement(
        attribution(kind="log_probability"), FaithfulnessSetting(), infidelity=SAYS_LESS
    )
    (line,) = sentences(of_probability)["sums"]
    assert "of the drops of the log probability" in line
    years = Attribution(np.ones((2, 2)), "lrp", Question(0, head=Head("value", unit="years")))
    of_value = Judgement(years, FaithfulnessSetting(), infidelity=SAYS_LESS)
    assert "of the drops of the value, " in sentences(of_value)["sums"][0]
    assert line.endswith("the map explains no more than the size of the square alone.")
    (line,) = sentences(judgement(sensitivity=SHAKY))["noise"]
    assert "correlation falls to −0.25: the map is unstable" in line


def test_every_sentence_is_one():
    for lines in sentences(COMPLETE).values():
        for line in lines:
            assert line[0].isupper() or line[0].isdigit()
            assert line.endswith(".")
            assert not line.endswith("..")
            assert "nan" not in line
            assert "-" not in re.sub("sensitivity-max|centre-first", "", line)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(None, None), (2.0, True), (2.08, True), (2.5, False), (0.5, False), (0.0, False)],
)
def test_adding_up_within_five_percent(change, expected):
    assert adds_up(attribution(change)) is expected


def test_adding_up_to_nothing():
    assert adds_up(dataclasses.replace(attribution(0.0), values=np.zeros((2, 2)))) is True


def test_the_record_is_json_and_holds_every_number():
    read = json.loads(json.dumps(record(COMPLETE), allow_nan=False))
    assert set(read) == {
        *("settings", "seconds", "sentences", "curves", "infidelity", "randomisation"),
        "sensitivity",
    }
    assert read["settings"] == dataclasses.asdict(FaithfulnessSetting())
    assert read["seconds"] == 1.3
    assert read["sentences"] == [*itertools.chain.from_iterable(sentences(COMPLETE).values())]
    assert list(read["curves"]) == ["deletion", "insertion"]
    deletion = read["curves"]["deletion"]
    assert deletion["area"] == pytest.approx(0.275)
    assert deletion["random_mean"] == pytest.approx(0.5)
    assert deletion["random_stdev"] == pytest.approx(0.025 * 2**0.5)
    assert deletion["centre"] == pytest.approx(0.43)
    assert deletion["shares"] == [0.0, 0.5, 1.0]
    assert deletion["scores"] == [0.8, 0.1, 0.1]
    assert deletion["centre_scores"] == [0.8, 0.41, 0.1]
    assert deletion["random_scores"] == [[0.8, 0.5, 0.1], [0.8, 0.6, 0.1]]
    assert deletion["verdict"] == "better than random orders and than the centre-first order"
    assert read["infidelity"] == {
        "value": 0.5,
        "explained": 0.75,
        "explained_by_size": 0.5,
        "expected": [1.0, 2.0],
        "drops": [1.5, 1.75],
    }
    assert read["sensitivity"] == {"largest": 0.25, "spearman": 0.9}
    assert read["randomisation"]["layers"] == 40
    assert read["randomisation"]["spearman"] == pytest.approx(0.1)
    assert read["randomisation"]["stages"][0] == {"random_layers": 1, "spearman": 0.3, "ssim": 0.15}
    assert [s["random_layers"] for s in read["randomisation"]["stages"]] == [1, 10, 20, 40]


def test_the_record_of_what_is_not_there_yet():
    assert set(record(judgement())) == {"settings", "seconds", "sentences"}
    assert record(judgement())["sentences"] == []


@given(
    largest=st.floats(0, 100, width=32),
    spearman=st.floats(-1, 1, width=32),
    explained=st.floats(0, 1, width=32),
)
def test_numbers_of_numpy_are_written_too(largest, spearman, explained):
    found = judgement(
        infidelity=Infidelity(*map(float, np.float32([largest, explained, 0.5])), *POINTS),
        sensitivity=Sensitivity(float(np.float32(largest)), float(np.float32(spearman)), *NOISY),
    )
    read = json.loads(json.dumps(record(found), allow_nan=False))
    assert read["sensitivity"] == {"largest": largest, "spearman": spearman}
    assert len(read["sentences"]) == len(badges(found)) == 2


def test_titles_of_the_stages():
    assert stage_words(FOLLOWS) == [
        ("Trained weights", "the reference map"),
        ("Last layer random", "Spearman 0.30, SSIM 0.15"),
        ("Last 10 layers random", "Spearman 0.10, SSIM 0.05"),
        ("Last 20 layers random", "Spearman −0.10, SSIM −0.05"),
        ("All layers random", "Spearman 0.10, SSIM 0.05"),
    ]
    assert [title for title, _ in stage_words(randomisation(0.5, layers=1))] == [
        "Trained weights",
        "All layers random",
    ]


def test_without_an_order_there_is_no_deletion_and_insertion():
    """Else the order of the blocks' numbers would be judged, and rounding be a verdict."""
    single = [Curve(np.array([0.0, 1.0]), np.array(ends)) for ends in ((0.8, 0.1), (0.1, 0.8))]
    found = tuple(
        Faithfulness(direction, each, (each, each), each, ordered=False)
        for direction, each in zip(("deletion", "insertion"), single, strict=True)
    )
    by_road = FaithfulnessSetting(baseline="road")
    judgement = Judgement(attribution(), by_road, found, SAYS_MORE)
    first, second = badges(judgement)
    assert (first.taken, first.good, first.figure) == (False, None, "no order")
    assert second.taken
    assert summary([first, second]) == (
        "1 of 1 check passed: low infidelity. Not measurable: deletion and insertion."
    )
    said = sentences(judgement)["curves"]
    assert len(said) == 2
    assert all(words.endswith("since the map does not order the blocks.") for words in said)
    told = record(judgement)
    assert "road_combined" not in told
    json.dumps(told, allow_nan=False)
    numbers = numbers_of(judgement)
    assert (numbers["deletion"], numbers["insertion"], numbers["checks"]) == (None, None, 1)


def test_next_to_nothing_has_no_sign_and_is_not_called_nothing():
    assert [_two(each) for each in (-0.001, -0.006, 0.0)] == ["0.00", "−0.01", "0.00"]
    assert [_share(each) for each in (0.0, 0.005, 0.006)] == ["0 %", "under 1 %", "1 %"]
