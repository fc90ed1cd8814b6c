"""Filters and counts of labels equal those of a plain loop over the rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.folders import label_selection, selection
from core.folders.label_selection import ROLES, LabelFilters, LabelMistake, counts, mistakes
from tests.tables import LABELS, label_row, opened, table_of

some = st.lists(st.integers(0, 3), max_size=3, unique=True)
maybe = st.one_of(st.none(), some)
rows_of = st.lists(st.tuples(maybe, maybe), max_size=12).map(
    lambda pairs: [label_row(f"{n:02}", e and sorted(e), h) for n, (e, h) in enumerate(pairs)]
)


def judged(row):
    return row["correct"] is not None


def is_role(row, label, role):
    expected, held = (label in (row[f"{name}_index"] or ()) for name in ("expected", "held"))
    return {
        "any": expected or held,
        "found": judged(row) and expected and held,
        "missed": judged(row) and expected and not held,
        "false": judged(row) and held and not expected,
    }[role]


@settings(deadline=None, max_examples=60)
@given(rows_of, st.one_of(st.none(), st.integers(0, 4)), st.sampled_from(ROLES))
def test_the_rows_are_those_of_a_loop(found, label, role):
    results = opened(table_of("labels", found))
    filters = LabelFilters(label=label, role=role)
    labels = range(5) if label is None else [label]
    everything = label is None and role == "any"
    wanted = [
        n for n, row in enumerate(found) if everything or any(is_role(row, i, role) for i in labels)
    ]
    assert selection.select(results, filters).to_pylist() == wanted


@settings(deadline=None, max_examples=60)
@given(rows_of)
def test_the_counts_are_those_of_a_loop(found):
    results = opened(table_of("labels", found))
    counted = {each.label: each for each in counts(results)}
    rows = [row for row in found if judged(row)]
    for label in range(4):
        tally = [sum(is_role(row, label, role) for row in rows) for role in ROLES[1:]]
        if not sum(tally):
            assert label not in counted
            continue
        each = counted[label]
        assert [each.found, each.missed, each.false] == tally
        assert each.absent == len(rows) - sum(tally)
    summary = label_selection.summary(results, selection.select(results, LabelFilters()))
    for name in ("found", "missed", "false"):
        assert getattr(summary, name) == sum(getattr(each, name) for each in counted.values())
    assert (summary.judged, summary.right) == (len(rows), sum(row["correct"] for row in rows))


def test_precision_and_recall_by_hand():
    found = [
        label_row("a", [0, 1], [0]),
        label_row("b", [0], [0, 2]),
        label_row("c", [], [0]),
        label_row("d", [0], []),
    ]
    results = opened(table_of("labels", found))
    boat, night, swan = counts(results)
    assert (boat.found, boat.missed, boat.false, boat.absent) == (2, 1, 1, 0)
    assert (boat.precision, boat.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (night.precision, night.recall) == (None, 0)
    assert (swan.precision, swan.recall) == (0, None)
    assert mistakes(counts(results)) == (
        LabelMistake(0, "false", 1, 1),
        LabelMistake(1, "missed", 1, 1),
        LabelMistake(0, "missed", 1, 3),
        LabelMistake(2, "false", 1, 4),
    )
    assert label_selection.label_names(results) == {0: "boat", 1: "night", 2: "swan"}
    (card, *_) = label_selection.cards(results, selection.select(results, LabelFilters()))
    assert card.missed == (("night", pytest.approx(0.2)),)
    assert card.false == ()


def test_labels_of_one_name_are_told_apart():
    row = label_row("a", [0, 1], [])
    row["expected_name"] = ["x", "x"]
    results = opened(table_of("labels", [row]))
    assert label_selection.label_names(results) == {0: "x (0)", 1: "x (1)"}
    assert LABELS[0] == "boat"


@pytest.mark.parametrize(
    ("filters", "order"),
    [
        (LabelFilters(role="late"), "path"),
        (LabelFilters(show="late"), "path"),
        (LabelFilters(), "entropy"),
    ],
)
def test_what_there_is_not_is_refused(filters, order):
    with pytest.raises(SettingError, match="choose"):
        selection.select(opened(table_of("labels", [])), filters, order)
