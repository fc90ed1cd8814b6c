"""Filters, orders and counts equal those of a plain loop over the rows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.folders import selection
from core.folders.selection import ORDERS, SHOWS, Filters, Pair
from tests.tables import columns, opened, table

share = st.sampled_from([0.0, 0.2, 0.5, 0.5000001, 1.0])
classes = st.integers(0, 6)
maybe = st.one_of


@st.composite
def row(draw):
    label = draw(maybe(st.none(), classes))
    predicted = draw(maybe(st.none(), classes))
    both = label is not None and predicted is not None
    others = [i for i in range(7) if i != predicted]
    number = share if predicted is not None else st.none()
    return {
        "path": draw(st.text("abÄäß/%_.1", min_size=1, max_size=4)),
        "label": label,
        "label_name": None if label is None else f"c{label // 2}",
        "predicted": predicted,
        "predicted_name": None if predicted is None else f"c{predicted // 2}",
        "probability": draw(number),
        "top5_index": None
        if predicted is None
        else [predicted, *others[: draw(st.integers(0, 4))]],
        "correct": label == predicted if both else None,
        "margin": draw(number),
        "entropy": draw(number),
        "loss": draw(share) if both else None,
        "error": draw(maybe(st.none(), st.just("damaged"))),
    }


rows_of = st.lists(row(), max_size=30)
filters_of = st.builds(
    Filters,
    show=st.sampled_from(SHOWS),
    label=maybe(st.none(), classes),
    predicted=maybe(st.none(), classes),
    lowest=share,
    highest=share,
    text=st.text("abÄäß/%_.1", max_size=2),
)


def wanted(found, filters):
    probability = found["probability"]
    return (
        {
            "all": True,
            "wrong": found["correct"] is False,
            "right": found["correct"] is True,
            "error": found["error"] is not None,
        }[filters.show]
        and filters.label in (None, found["label"])
        and filters.predicted in (None, found["predicted"])
        and (filters.lowest == 0 or (probability is not None and probability >= filters.lowest))
        and (filters.highest == 1 or (probability is not None and probability <= filters.highest))
        and filters.text.lower() in found["path"].lower()
    )


@settings(deadline=None)
@given(rows_of, filters_of, st.sampled_from(ORDERS), st.booleans())
def test_the_rows_are_those_of_a_loop(found, filters, order, descending):
    chosen = selection.select(opened(table(found)), filters, order, descending).to_pylist()
    expected = [i for i, each in enumerate(found) if wanted(each, filters)]
    by_path = sorted(expected, key=lambda i: (found[i]["path"].encode(), i))
    if order == "path":
        assert chosen == (by_path[::-1] if descending else by_path)
        return
    known = [i for i in by_path if found[i][order] is not None]
    known.sort(key=lambda i: -found[i][order] if descending else found[i][order])
    assert chosen == known + [i for i in by_path if found[i][order] is None]


def tells_top5(found):
    named = {i for each in found for i in [each["label"], *(each["top5_index"] or ())]}
    return len(named - {None}) > 5 and any(each["correct"] is not None for each in found)


@settings(deadline=None)
@given(rows_of, filters_of)
def test_the_counts_are_those_of_a_loop(found, filters):
    results = opened(table(found))
    summary = selection.summary(results, selection.select(results, filters))
    left = [each for each in found if wanted(each, filters)]
    judged = [each for each in left if each["correct"] is not None]
    shares = [each["probability"] for each in left if each["probability"] is not None]
    assert summary.pictures == len(left)
    assert summary.judged == len(judged)
    assert summary.top1 == sum(each["correct"] for each in judged)
    assert summary.wrong == len(judged) - summary.top1
    in_top5 = sum(each["label"] in each["top5_index"] for each in judged)
    assert summary.top5 == (in_top5 if tells_top5(found) else None)
    assert summary.errors == sum(each["error"] is not None for each in left)
    mean = sum(shares) / len(shares) if shares else None
    assert summary.probability == (None if mean is None else pytest.approx(mean))


@settings(deadline=None)
@given(rows_of)
def test_the_mistakes_are_those_of_a_loop(found):
    pairs = selection.pairs(opened(table(found)))
    judged = [each for each in found if each["correct"] is not None]
    counted = {}
    for each in judged:
        if not each["correct"]:
            key = each["label"], each["predicted"]
            counted[key] = counted.get(key, 0) + 1
    totals = {i: sum(each["label"] == i for each in judged) for i in range(7)}
    assert set(pairs) == {Pair(*key, count, totals[key[0]]) for key, count in counted.items()}
    assert [pair.count for pair in pairs] == sorted(counted.values(), reverse=True)


def test_classes_of_the_same_name_are_told_apart():
    found = [
        {"path": "a", "label": 134, "label_name": "crane", "predicted": 517},
        {"path": "b", "label": 99, "label_name": "goose", "predicted": 99},
        {"path": "c", "label": 7, "label_name": None, "predicted": None},
    ]
    found[0]["predicted_name"] = "crane"
    results = opened(table(found))
    assert selection.class_names(results, "label") == {
        7: "class 7",
        134: "crane (134)",
        99: "goose",
    }
    assert selection.class_names(results, "predicted") == {517: "crane (517)", 99: "goose"}


def test_cards_are_the_rows():
    results = opened(table(columns(10)))
    cards = selection.cards(results, selection.select(results, Filters(), "loss", True).slice(2, 3))
    expected = sorted(results.table.to_pylist(), key=lambda each: -each["loss"])[2:5]
    assert [card.path for card in cards] == [each["path"] for each in expected]
    assert cards[0].predicted == expected[0]["predicted_name"]
    assert selection.card_of(results, cards[1].path) == cards[1]
    assert selection.card_of(results, "absent") is None


@pytest.mark.parametrize(
    ("filters", "order", "choice"),
    [
        (Filters("x"), "path", "filter x: choose from all, wrong, right, error"),
        (Filters(), "x", "order x: choose from path, probability, margin"),
    ],
)
def test_what_there_is_no_such_filter_for_is_refused(filters, order, choice):
    with pytest.raises(SettingError, match=choice):
        selection.select(opened(table(columns(3))), filters, order)
