"""Trust checks on the Folder page: counted by method, followed by the filters, in the address."""

import pyarrow as pa
import pytest

from core.folders.results_schema import columns_of, schema_of
from tests.core.folders.test_trust_means import BAD, GOOD, cells
from tests.dashboard.folder.test_page import cards as shown
from tests.dashboard.folder.test_page import html
from tests.said import said
from tests.tables import data, label_row, table, value_row

UNKNOWN = {**GOOD, "complete": None, "gap": None, "stable_under_noise": None, "noise": None}


@pytest.fixture
def results(tmp_path):
    """A file of three pictures: by ig two of three maps are complete, one map is made elsewhere."""
    rows = [
        {"path": "a.png", **cells("ig", GOOD), **cells("given", UNKNOWN)},
        {"path": "b.png", **cells("ig", BAD)},
        {"path": "c.png", **cells("ig", GOOD)},
    ]
    schema = schema_of(columns_of("classes", judged=["ig", "given"]))
    path = tmp_path / "judged.parquet"
    path.write_bytes(data(pa.Table.from_pylist(rows, schema)))
    return path


def checks(page):
    """The table of checks by method: what each cell says, its count and its numbers."""
    (found,) = [e.proto.body for e in page.get("html") if ' wil-checks"' in e.proto.body]
    lines = found.split("<tbody>")[1].split("<tr>")[1:]
    cells_of = {}
    for line in lines:
        name, rest = line.removeprefix('<th scope="row">').split("</th>")
        cells_of[name] = [
            each.split(">", 1)[1]
            .split("</td>")[0]
            .replace("</small>", "")
            .replace("<small>", " | ")
            for each in rest.split("<td")[1:]
        ]
    return cells_of


def test_checks_by_method_follow_the_filters(results, show):
    page = show(results)
    assert checks(page) == {
        "Integrated Gradients": [
            "2 of 3 | +0.00, +0.10",
            "2 of 3 | off by 8 %",
            "0 of 3 | 25 %, size 50 %",
            "3 of 3 | Spearman 0.10",
            "3 of 3 | Spearman 0.75",
        ],
        "Map made elsewhere": [
            "1 of 1 | +0.20, +0.10",
            "–",
            "0 of 1 | 25 %, size 50 %",
            "1 of 1 | Spearman 0.10",
            "–",
        ],
    }
    page.selectbox(key="fails").set_value("fails completeness").run()
    assert shown(page) == ["b.png"]
    assert checks(page)["Integrated Gradients"][1] == "0 of 1 | off by 21 %"
    page.button[1].click().run()  # clear the filters
    assert shown(page) == ["a.png", "b.png", "c.png"]
    assert not page.exception


def test_the_address_names_the_check(results, show):
    assert shown(show(results, query={"fails": "fails deletion and insertion"})) == ["b.png"]
    page = show(results, query={"fails": "fails to arrive"})
    assert len(shown(page)) == 3
    assert "fails to arrive" in said(page.warning)[0]


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_labels_and_values_are_filtered_too(tmp_path, show, kind):
    measured = [{name: [value] for name, value in each.items()} for each in (GOOD, BAD)]
    rows = [
        {
            **(label_row(path, [0], [0]) if kind == "labels" else value_row(path, [1.0], [2.0])),
            **{"maps_index": [0], "maps": ["maps/x"], **cells("ig", each)},
        }
        for path, each in zip(("a.png", "b.png"), measured, strict=True)
    ]
    path = tmp_path / "judged.parquet"
    schema = schema_of(columns_of(kind, judged=["ig"]))
    path.write_bytes(data(pa.Table.from_pylist(rows, schema)))
    page = show(path, query={"fails": "fails completeness"})
    assert shown(page) == ["b.png"]
    assert checks(page)["Integrated Gradients"][0].startswith("0 of 1")


def test_nothing_is_said_of_maps_that_were_not_judged(tmp_path, show):
    path = tmp_path / "plain.parquet"
    path.write_bytes(data(table([{"path": "a.png"}])))
    page = show(path)
    assert "trusted" not in html(page)
    assert not [each for each in page.selectbox if each.key == "fails"]
