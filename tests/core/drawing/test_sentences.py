"""Sentences are true of the numbers they are made from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.drawing.sentences import correctness, expectation, percent, share, span, strongest_window
from core.methods.occlusion import OcclusionSurvey
from core.models.classifiers import ClassScore
from core.models.registry import records
from tests.toys import Sums

IMAGENET = records()["resnet18"].class_names


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "under 0.1 %"),
        (0.00099, "under 0.1 %"),
        (0.001, "0.1 %"),
        (0.0044, "0.4 %"),
        (0.01, "1 %"),
        (0.5279, "53 %"),
        (0.99, "99 %"),
        (0.994, "99.4 %"),
        (1.0, "100.0 %"),
    ],
)
def test_percent(probability, text):
    assert percent(probability) == text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (8.2e-13, 1e-5, ("8.2e−13", "1.0e−05")),
        (0.0, 8.2e-13, ("0", "8.2e−13")),
        (-3e-7, 0.004, ("−3.0e−07", "4.0e−03")),
        (8.2e-13, 23.4, ("0.0", "23.4")),
        (-23.4, 8.2e-13, ("−23.4", "0.0")),
        (-8.2e-13, 0.5, ("0.00", "0.50")),
        (-0.25, 12.0, ("−0.25", "12.0")),
        (0.0, 0.0, ("0", "0")),
    ],
)
def test_the_ends_of_a_range_have_one_format(low, high, words):
    assert span(low, high) == words


def test_what_was_counted_is_exact_at_its_ends():
    assert [share(part) for part in (None, 0, 1 / 3, 0.999, 1)] == [
        "–", "0 %", "33 %", "99.9 %", "100 %",
    ]  # fmt: skip


@given(st.floats(0.001, 1))
def test_percent_is_right_to_half_a_unit_of_its_last_place(probability):
    text = percent(probability)
    assert text.endswith(" %")
    number = text.removesuffix(" %")
    unit = 0.1 if "." in number else 1
    assert abs(float(number) - 100 * probability) <= unit / 2 + 1e-9


def top(name):
    return ClassScore(IMAGENET.index(name), name, 0.5, 3.0)


def test_expectations():
    assert expectation("king penguin", top("king penguin"), IMAGENET) is None
    assert expectation("King Penguin", top("king penguin"), IMAGENET) is None
    assert expectation("cardigan", top("cardigan"), IMAGENET) is None
    assert expectation("cardigan", top("Cardigan"), IMAGENET) == "A person would say cardigan."
    assert expectation("CARDIGAN", top("Cardigan"), IMAGENET) is None  # it may be meant
    assert expectation("CARDIGAN", top("goose"), IMAGENET) == "A person would say CARDIGAN."
    assert expectation("goose", top("king penguin"), IMAGENET) == "A person would say goose."
    assert expectation("mute swan", top("king penguin"), IMAGENET) == (
        "A person would say mute swan; the model has no such class: "
        "the nearest are black swan and goose."
    )
    assert expectation("swan", top("black swan"), IMAGENET) == (
        "A person would say swan; black swan is the only swan among the 1,000 classes."
    )
    assert expectation("zzzzqqqq", top("king penguin"), IMAGENET) == (
        "A person would say zzzzqqqq; the model has no such class."
    )
    assert expectation("chinstrap penguin", top("king penguin"), IMAGENET) == (
        "A person would say chinstrap penguin; "
        "king penguin is the only penguin among the 1,000 classes."
    )
    assert expectation("chinstrap penguin", top("albatross"), IMAGENET) == (
        "A person would say chinstrap penguin; the model has no such class: "
        "the nearest are king penguin and albatross."
    )


@pytest.mark.parametrize(
    ("label", "right", "answer", "sentence"),
    [
        ("king penguin", ["king penguin"], "king penguin", "Right"),
        ("King_Penguin", ["king penguin"], "king penguin", "Right"),
        ("CARDIGAN", ["Cardigan"], "Cardigan", "Right"),  # it may be meant
        (None, ["goose"], "goose", "Right"),
        (
            "penguin",
            ["king penguin"],
            "king penguin",
            "Right: king penguin is the only penguin among the 1,000 classes.",
        ),
        (
            "chinstrap penguin",
            ["king penguin", "albatross"],
            "king penguin",
            "Right: king penguin is the only penguin among the 1,000 classes.",
        ),
        (
            "chinstrap penguin",
            ["king penguin", "albatross"],
            "albatross",
            "Right: albatross is one of 2 classes that count as chinstrap penguin.",
        ),
        (
            "fox",
            ["red fox", "kit fox", "Arctic fox", "grey fox", "a class of another model"],
            "kit fox",
            "Right: kit fox is one of 4 classes that count as fox.",
        ),
        (
            "greylag goose",
            ["goose"],
            "goose",
            "Right: goose is the only class that counts as greylag goose.",
        ),
        (
            "red panda",
            ["lesser panda"],
            "lesser panda",
            "Right: lesser panda is the only class that counts as red panda.",
        ),
        (
            "goose",
            ["goose", "drake"],
            "drake",
            "Right: drake is one of 2 classes that count as goose.",
        ),
    ],
)
def test_right_answers(label, right, answer, sentence):
    assert correctness(label, right, top(answer), IMAGENET) == sentence


class Logits(nn.Module):
    """Sums of halves as logits, with a third class that always says zero."""

    def forward(self, x):
        return nn.functional.pad(Sums()(x), (0, 1))


def survey(left, right):
    """A 2 × 4 picture whose halves are filled with two numbers, surveyed by its four columns."""
    inputs = torch.tensor([left, left, right, right]).expand(1, 1, 2, 4).clone()
    return OcclusionSurvey(Logits(), inputs, window=(2, 1), stride=1)


def test_the_strongest_window_that_changes_the_answer():
    # Logits 3.2, 2.4, 0; covering a column of the left half leaves 1.6: right wins.
    # e^2.4 / (e^1.6 + e^2.4 + 1) = 0.648. Both columns do the same, the first is named.
    found = survey(0.8, 0.6).run()
    told = strongest_window(found, ("left", "right", "none"))
    assert told.marked == (
        "Cover the marked square, and it says right, 65 %. 1 other square would change it too."
    )
    assert (told.top, told.left, told.height, told.width) == (0, 0, 2, 1)
    assert told.placed == (
        "Covering 2 × 1 pixels at row 0, column 0 turns it into right, 65 % (2 windows change it)."
    )


def test_one_window_alone():
    inputs = torch.tensor([0.0, 1.6, 0.6, 0.6]).expand(1, 1, 2, 4).clone()
    found = OcclusionSurvey(Logits(), inputs, window=(2, 1), stride=1).run()
    # Covering column 1 leaves 0, 2.4, 0: e^2.4 / (e^2.4 + 2) = 0.846.
    told = strongest_window(found, ("left", "right", "none"))
    assert told.marked == "Cover the marked square, and it says right, 85 %."
    assert told.placed == ("Covering 2 × 1 pixels at row 0, column 1 turns it into right, 85 %.")


def test_no_window_changes_the_answer():
    # Logits 4, 0, 0: e^4 / (e^4 + 2) = 0.965; with a column covered e^2 / (e^2 + 2) = 0.787.
    found = survey(1.0, 0.0).run()
    told = strongest_window(found, ("left", "right", "none"))
    assert (told.top, told.left) == (0, 0)
    assert told.marked == (
        "No single square of 2 × 1 pixels changes the answer; covering the marked square takes it "
        "from 96 % to 79 %."
    )
    assert told.placed == (
        "No single window of 2 × 1 pixels changes the answer; at worst it goes from 96 % to 79 %."
    )
