"""Filters, orders and errors of values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingError
from core.folders import selection, value_selection
from core.folders.value_selection import ValueFilters, bands
from tests.tables import opened, table_of, value_row

TWO = [
    value_row("a", [1.0, 10.0], [2.0, 10.0], ("x", "y"), "mm"),
    value_row("b", [5.0, 0.0], [5.0, 8.0], ("x", "y"), "mm"),
    value_row("c", [9.0, 9.0], None, ("x", "y"), "mm"),
    value_row("d", None, [0.0, 0.0], ("x", "y"), "mm", "damaged"),
]


def of(values):
    """A table of one output with these errors, all too high."""
    return opened(
        table_of("values", [value_row(f"{n:03}", [e + 3], [3.0]) for n, e in enumerate(values)])
    )


def paths(results, *asked):
    return [results.table["path"][n].as_py() for n in selection.select(results, *asked).to_pylist()]


def test_errors_are_of_all_outputs_or_of_one():
    results = opened(table_of("values", TWO))
    assert value_selection.errors(results, None).to_pylist() == [0.5, 4.0, None, None]
    assert value_selection.errors(results, 0).to_pylist() == [1.0, 0.0, None, None]
    assert value_selection.errors(results, 1).to_pylist() == [0.0, 8.0, None, None]
    assert paths(results, ValueFilters(), "error", True) == ["b", "a", "c", "d"]
    assert paths(results, ValueFilters(output=0), "error", True) == ["a", "b", "c", "d"]
    assert paths(results, ValueFilters(output=1), "value", False) == ["b", "c", "a", "d"]


def test_limits_leave_out_what_has_no_error():
    results = opened(table_of("values", TWO))
    assert paths(results, ValueFilters(lowest=0.5)) == ["a", "b"]
    assert paths(results, ValueFilters(highest=4.0)) == ["a"]  # not included
    assert paths(results, ValueFilters(output=1, lowest=0.5, highest=9.0)) == ["b"]
    assert paths(results, ValueFilters("error")) == ["d"]


def test_the_summary_by_hand():
    results = opened(table_of("values", TWO))
    rows = selection.select(results, ValueFilters())
    all_of_it = value_selection.summary(results, rows, None)
    assert (all_of_it.pictures, all_of_it.judged, all_of_it.failed) == (4, 2, 1)
    assert (all_of_it.mean, all_of_it.median, all_of_it.largest) == (2.25, 2.25, 4.0)
    assert all_of_it.bias is None
    assert value_selection.summary(results, rows, 1).bias == -4.0
    nothing = value_selection.summary(results, rows.slice(3), None)
    assert (nothing.mean, nothing.bias, nothing.judged) == (None, None, 0)
    one = of([1.0, 2.0])
    assert value_selection.summary(one, selection.select(one, ValueFilters()), None).bias == 1.5


errors_of = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(errors_of)
def test_each_error_is_in_one_band_and_its_filter_shows_it(values):
    results = of(values)
    found = bands(results, None)
    if not found:
        assert max(value_selection.errors(results, None).to_pylist()) == 0
        return
    assert sum(band.count for band in found) == len(values)
    assert [band.high for band in found[1:]] == [band.low for band in found[:-1]]
    assert found[-1].low == 0
    assert len(found) <= 9
    for band in found:
        rows = selection.select(results, ValueFilters(lowest=band.low, highest=band.high))
        assert len(rows) == band.count


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([1.0, 13.0], [0, 2, 4, 6, 8, 10, 12, 14]),
        ([0.31], [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35]),
        ([800.0], [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]),
    ],
)
def test_bands_have_edges_that_are_easy_to_read(values, edges):
    found = bands(of(values), None)[::-1]
    assert [*(band.low for band in found), found[-1].high] == pytest.approx(edges)


def test_nothing_to_compare_has_no_bands():
    assert bands(opened(table_of("values", TWO[2:])), None) == ()
    assert bands(opened(table_of("values", [])), 1) == ()


def test_the_cards():
    results = opened(table_of("values", TWO))
    first, *_, last = value_selection.cards(results, selection.select(results, ValueFilters()))
    assert first.outputs == (("x", 1.0, 2.0), ("y", 10.0, 10.0))
    assert (first.unit, first.off) == ("mm", 0.5)
    assert last.outputs == (("x", None, 0.0), ("y", None, 0.0))
    assert (last.off, last.error) == (None, "damaged")
    assert selection.card_of(results, "d").error == "damaged"
    assert np.isfinite(first.off)


@pytest.mark.parametrize(
    ("filters", "order"), [(ValueFilters("wrong"), "path"), (ValueFilters(), "loss")]
)
def test_what_there_is_not_is_refused(filters, order):
    with pytest.raises(SettingError, match=r"choose (all or error|from path, error, value)"):
        selection.select(opened(table_of("values", TWO)), filters, order)
