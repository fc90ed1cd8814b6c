"""Trust checks counted over a table, and the rows that fail one."""

import pyarrow as pa
import pytest

from core.errors import FolderError
from core.folders.label_selection import LabelFilters
from core.folders.results_schema import TRUST_MEASURES, columns_of, judged_in, schema_of
from core.folders.results_table import open_upload
from core.folders.selection import Filters, select
from core.folders.table_export import as_csv
from core.folders.trust_means import CHECK_TITLES, CheckCount, count_trust, fails
from tests.tables import data, label_row, opened

NOTHING = dict.fromkeys(TRUST_MEASURES)
GOOD = {
    "passed": 4,
    "checks": 4,
    "faithful": True,
    "deletion": 0.2,
    "insertion": 0.1,
    "complete": True,
    "gap": 0.01,
    "low_infidelity": False,
    "explained": 0.25,
    "explained_by_size": 0.5,
    "depends_on_weights": True,
    "weights": 0.1,
    "stable_under_noise": True,
    "noise": 0.75,
}
BAD = {**GOOD, "faithful": False, "deletion": -0.4, "complete": False, "gap": -0.21}


def cells(method, measured):
    return {f"{name}_{method}": value for name, value in measured.items()}


def made(*rows, methods=("ig",)):
    """A table of classes, of which each row holds the measures of a method's map."""
    columns = schema_of(columns_of("classes", judged=methods))
    named = [{"path": str(number), **row} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(named, columns)


def test_counts_and_means_by_hand():
    found = count_trust(made(cells("ig", GOOD), cells("ig", BAD), {}))
    assert list(found) == ["ig"]
    checks = found["ig"]
    assert list(checks) == list(CHECK_TITLES)
    assert (checks["faithful"].passed, checks["faithful"].checked) == (1, 2)
    assert checks["faithful"].means["deletion"] == pytest.approx(-0.1)
    assert checks["faithful"].means["insertion"] == pytest.approx(0.1)
    assert checks["complete"] == CheckCount(1, 2, {"gap": pytest.approx(0.11)})
    infidelity = CheckCount(0, 2, {"explained": 0.25, "explained_by_size": 0.5})
    assert checks["low_infidelity"] == infidelity
    assert checks["depends_on_weights"] == CheckCount(2, 2, {"weights": pytest.approx(0.1)})
    assert checks["stable_under_noise"] == CheckCount(2, 2, {"noise": 0.75})


def test_what_was_not_measured_is_not_counted():
    unknown = {**GOOD, "depends_on_weights": None, "weights": None}
    table = made({**cells("given", unknown), **cells("ig", NOTHING)}, methods=("given", "ig"))
    assert list(count_trust(table)) == ["given"]
    weights = count_trust(table)["given"]["depends_on_weights"]
    assert weights == CheckCount(0, 0, {"weights": None})
    assert not any(fails(table, "depends_on_weights").to_pylist())
    assert count_trust(table.slice(0, 0)) == {}
    assert count_trust(table.drop_columns(["noise_given", "noise_ig"])) == {}


def test_rows_are_left_of_which_any_map_fails():
    both = ("ig", "grad_cam")
    rows = [
        {**cells("ig", GOOD), **cells("grad_cam", GOOD)},
        {**cells("ig", GOOD), **cells("grad_cam", BAD)},
        {**cells("ig", NOTHING), **cells("grad_cam", BAD)},
        {},
    ]
    results = opened(made(*rows, methods=both))
    assert judged_in(results.table.column_names) == list(both)
    assert select(results, Filters(failed="faithful")).to_pylist() == [1, 2]
    assert select(results, Filters(failed="faithful", text="2")).to_pylist() == [2]
    assert select(results, Filters(failed="low_infidelity")).to_pylist() == [0, 1, 2]
    assert select(results, Filters(failed="stable_under_noise")).to_pylist() == []
    plain = opened(made(*rows, methods=()))
    assert select(plain, Filters(failed="faithful")).to_pylist() == []


@pytest.fixture
def labels():
    """A table of labels: two maps of the first row, of which the second is not judged by all."""
    half = {**BAD, "noise": None, "stable_under_noise": None}
    first = {name: [value, half[name]] for name, value in GOOD.items()}
    rows = [
        {**label_row("a", [0, 1], [0, 1]), "maps_index": [0, 1], "maps": ["maps/a", "maps/b"]},
        label_row("b", [], []),
    ]
    rows[0] |= cells("ig", first)
    return pa.Table.from_pylist(rows, schema_of(columns_of("labels", judged=["ig"])))


def test_each_map_of_a_row_counts(labels):
    results = open_upload(data(labels), "labels")
    checks = count_trust(results.table)["ig"]
    assert (checks["faithful"].passed, checks["faithful"].checked) == (1, 2)
    assert checks["stable_under_noise"] == CheckCount(1, 1, {"noise": 0.75})
    assert select(results, LabelFilters(failed="complete")).to_pylist() == [0]
    assert select(results, LabelFilters(failed="stable_under_noise")).to_pylist() == []


def test_what_is_missing_in_a_list_hides_nothing_of_it_in_a_csv(labels):
    results = opened(labels)
    lines = as_csv(results, select(results, LabelFilters())).decode().splitlines()
    first, second = ({**dict(zip(lines[0].split(","), line.split(","), strict=True))}
                     for line in lines[1:])  # fmt: skip
    assert first['"noise_ig"'] == '"0.75; "'
    assert first['"faithful_ig"'] == '"true; false"'
    assert second['"noise_ig"'] == ""


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (made(cells("ig", {**GOOD, "gap": float("inf")})), "gap_ig holds infinite numbers"),
        (made(cells("ig", GOOD)).drop_columns(["path"]), "has no column path"),
    ],
)
def test_a_table_that_nobody_wrote_is_refused(table, words):
    with pytest.raises(FolderError, match=words):
        open_upload(data(table), "wrong")


def test_lists_that_do_not_fit_the_maps_are_refused(labels):
    place = labels.schema.get_field_index("noise_ig")
    short = pa.array([[0.5], None], labels.schema.field(place).type)
    with pytest.raises(FolderError, match="maps_index, noise_ig do not fit one another"):
        opened(labels.set_column(place, "noise_ig", short))
