"""The columns of each kind of table, by hand."""

import math

import pytest
import torch

from core.folders.answers import answers, expected_of
from core.folders.listing import Entry
from core.folders.results_schema import TABLES
from core.models.heads import Head

THIRD = math.log(0.5)  # a logit whose sigmoid is 1/3


def one(logits, entry, names, head):
    (row,) = answers(torch.tensor([logits], dtype=torch.float64), [entry], names, head)
    return {**expected_of(entry, names, head), **row}


def test_labels_hold_from_their_own_thresholds():
    names, head = ("a", "b", "c", "d"), Head("sigmoid", (0.5, 0.3, 0.4, 0.9))
    logits = [0.0, THIRD, THIRD, math.log(4)]  # probabilities 1/2, 1/3, 1/3, 4/5
    row = one(logits, Entry("x", labels=(0, 3)), names, head)
    assert (row["held_index"], row["held_name"]) == ([0, 1], ["a", "b"])
    assert row["held_probability"] == pytest.approx([1 / 2, 1 / 3])
    assert (row["expected_index"], row["expected_name"]) == ([0, 3], ["a", "d"])
    assert row["expected_probability"] == pytest.approx([1 / 2, 4 / 5])
    assert (row["predicted"], row["predicted_name"]) == (3, "d")  # the most probable, not held
    assert row["probability"] == pytest.approx(4 / 5)
    assert (row["correct"], row["missed"], row["false_positives"]) == (False, 1, 1)
    assert row["margin"] == pytest.approx(0)
    loss = -(math.log(1 / 2) + math.log(2 / 3) * 2 + math.log(4 / 5)) / 4
    assert row["loss"] == pytest.approx(loss)


def test_a_threshold_is_taken_as_it_is_written():
    """In float32, 0.7 is less than 0.7."""
    head = Head("sigmoid", (0.7,))
    row = one([math.log(0.7 / 0.3)], Entry("x", labels=(0,)), ("a",), head)
    assert row["correct"] is (row["probability"] >= 0.7)
    assert row["margin"] == pytest.approx(0, abs=1e-15)


def test_none_of_the_labels_and_nothing_said_are_two_things():
    names, head = ("a", "b"), Head("sigmoid")
    none = one([-1.0, -2.0], Entry("x", labels=()), names, head)
    assert (none["expected_index"], none["correct"], none["missed"]) == ([], True, 0)
    unsaid = one([-1.0, -2.0], Entry("x"), names, head)
    assert unsaid["expected_index"] is None
    assert not {"correct", "missed", "loss"} & set(unsaid)


def test_a_loss_far_from_the_threshold_is_finite():
    row = one([-800.0, 800.0], Entry("x", labels=(0,)), ("a", "b"), Head("sigmoid"))
    assert row["loss"] == pytest.approx(800)


def test_values_are_compared_without_sign():
    head = Head("value", unit="mm")
    row = one([1.5, -2.0], Entry("x", values=(1.0, -5.0)), ("x", "y"), head)
    assert (row["value"], row["expected"], row["unit"]) == ([1.5, -2.0], [1.0, -5.0], "mm")
    assert row["absolute_error"] == pytest.approx((0.5 + 3) / 2)
    assert "absolute_error" not in one([1.5, -2.0], Entry("x"), ("x", "y"), head)


@pytest.mark.parametrize(("kind", "table"), [("sigmoid", "labels"), ("value", "values")])
def test_each_column_is_one_of_the_table(kind, table):
    entry = Entry("x", labels=(0,), values=(0.0,))
    row = one([1.0], entry, ("a",), Head(kind))
    assert set(row) < set(TABLES[table])
    assert not {"top5_index", "entropy"} & set(TABLES[table])
    assert ("probability" in TABLES[table]) == (kind == "sigmoid")
