"""Sentences on covered regions claim what was compared, and no more."""

from dataclasses import replace

import pytest

from core.clusters import words
from core.clusters.covering import Covered
from core.clusters.proportions import Share

FOUND = Covered(
    cluster=1,
    place="left edge",
    area=0.1,
    other_place="centre",
    inside=Share(18, 20),
    elsewhere=Share(1, 20),
    both=1,
    others=Share(0, 40),
    pictures=20,
    answer="swan",
    anywhere=False,
    baseline="grey",
    passes=140,
    unreadable=0,
    replaced=(),
    otherwise=0,
)


@pytest.mark.parametrize(
    ("change", "said", "never"),
    [
        (
            {},
            "left edge: more than on another place, and more than the answers to other",
            "no room",
        ),
        ({"elsewhere": None}, "left edge: more than the answers to other pictures do.", "another"),
        ({"elsewhere": None}, "The same shape has no room elsewhere", "more than on"),
        ({"others": None}, "left edge: more than on another place. There are no other", "and more"),
        ({"place": "several parts"}, "hang on these parts:", "several"),
        ({"inside": Share(2, 20)}, "no shortcut is shown.", "hang"),
        ({"inside": Share(2, 20), "anywhere": True}, "may lie elsewhere.", "hang"),
        ({"elsewhere": None, "others": None}, "nothing to compare this with", "hang"),
        ({"inside": None}, "nothing to compare this with", "hang"),
    ],
)
def test_a_verdict_names_the_controls_that_there_were(change, said, never):
    told = words.verdict(replace(FOUND, **change))
    assert said in told
    assert never not in told


def test_a_region_of_several_parts_is_said_in_english():
    told = words.covered(replace(FOUND, place="several parts"))
    assert told.startswith("Without these parts, 18 of 20 are no longer called swan; ")
    assert told.endswith("0 of 40 other pictures without these parts.")


def test_what_was_left_out_is_said():
    assert words.cost(FOUND) == "140 passes, covered with grey."
    assert words.cost(replace(FOUND, unreadable=2)).endswith(
        " 2 pictures could not be read: left out."
    )
    assert words.cost(replace(FOUND, replaced=("a.png",))).endswith(
        " 1 picture is not that of the run: its file changed since (a.png); it is left out."
    )
    told = words.cost(replace(FOUND, otherwise=1))
    assert told.endswith(" 1 picture had another answer in the table.")


def test_answers_that_change_in_other_pictures_each_are_compared_as_those_of_the_same_ones():
    """20 of 30 without the region, the other 10 without the control: that can be chance."""
    found = replace(FOUND, inside=Share(20, 30), elsewhere=Share(10, 30), both=0, pictures=30)
    assert not found.depends
