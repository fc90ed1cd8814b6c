"""Which rows' maps are clustered: of a table of values, by its outputs."""

import pytest

from core.clusters.choice import choose_rows
from core.errors import SettingError
from tests import tables


def values(*names):
    """Two rows of a model of values with these names."""
    ones = [1.0] * len(names)
    rows = [tables.value_row(path, ones, ones, names) for path in ("a.png", "b.png")]
    return tables.opened(tables.table_of("values", rows))


def test_the_only_value_needs_no_name():
    found = choose_rows(values("age"), ("age",))
    assert (found.rows.to_pylist(), found.output, found.words) == ([0, 1], 0, "with age")


def test_of_several_values_one_is_to_be_named():
    results, names = values("age", "height"), ("age", "height")
    with pytest.raises(SettingError, match="has maps for each value: choose one"):
        choose_rows(results, names)
    assert choose_rows(results, names, "height").output == 1


def test_a_value_is_not_predicted():
    with pytest.raises(SettingError, match="has maps for each value"):
        choose_rows(values("age"), ("age",), predicted="age")
