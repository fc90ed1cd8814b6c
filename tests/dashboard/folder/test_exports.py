"""What the Folder page hands out."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pycocotools.coco import COCO

from core.folders.map_files import map_file
from core.folders.results_table import open_results
from dashboard.folder import exports
from dashboard.session import tables
from tests.folders import png
from tests.tables import columns, data, put_digests, table

COUNT = 12


@pytest.fixture
def out(tmp_path):
    """Results of twelve pictures, each with a map that is positive in its upper left quarter."""
    found = columns(COUNT, classes=3)
    found["path"] = [f"some/photo_{i:02d}.png" for i in range(COUNT)]
    found["maps"] = [f"maps/{i:02x}/{i:02x}{'0' * 62}.npz" for i in range(COUNT)]
    values = np.zeros((224, 224), np.float32)
    values[:112, :112] = 1
    told = {"maps": {"occlusion": {"units": "logits"}}, "target": 1, "target_name": "goose"}
    results = tmp_path / "birds"
    for number, (path, maps) in enumerate(zip(found["path"], found["maps"], strict=True)):
        for place, content in (
            (tmp_path / "pictures" / path, png(number)),
            (results / maps, map_file({"occlusion": values}, told)),
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    put_digests(found, tmp_path / "pictures")
    (results / "results.parquet").write_bytes(data(table(found)))
    manifest = {"address": str(tmp_path / "pictures"), "model": "efficientnet_lite0"}
    (results / "manifest.json").write_text(json.dumps(manifest))
    return results


def buttons(page):
    """Whether each download can be pressed, by its words."""
    found = page.get("download_button")
    return {each.proto.label.replace(":small[]\\", ""): not each.proto.disabled for each in found}


def test_there_is_a_button_for_each(show, out):
    assert buttons(show(out)) == {
        "Summary, 12 rows": True,
        "CSV, 12 rows": True,
        "Parquet, 12 rows": True,
        "COCO regions, 12 explained": True,
    }


def test_without_maps_there_are_no_regions(show, out):
    for path in out.glob("manifest.json"):
        path.unlink()
    found = buttons(show(out))
    assert found["Summary, 12 rows"]
    assert not found["COCO regions, 12 explained"]


def test_no_rows_are_not_handed_out(show, out):
    assert not any(buttons(show(out, query={"in_path": "nowhere"})).values())


def test_a_summary_is_of_the_rows_that_are_left(out):
    results = open_results(out)
    rows = pa.array([0, 3, 5], pa.uint64())
    record = tables.record_of(results)
    html = exports._summary_of(results, rows, record).decode()
    assert "<b>3</b><span>pictures</span>" in html
    assert "Occlusion of photo_" in html
    assert "highest in the upper left" in html


def test_regions_are_of_the_rows_that_are_left(out, tmp_path, capsys):
    results = open_results(out)
    rows = pa.array([7, 2], pa.uint64())
    made = exports._regions_of(results, rows, tables.record_of(results))
    (tmp_path / "regions.json").write_bytes(made)
    coco = COCO(str(tmp_path / "regions.json"))
    capsys.readouterr()
    names = [each["file_name"] for each in coco.loadImgs(coco.getImgIds())]
    assert names == ["some/photo_07.png", "some/photo_02.png"]
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["goose"]
    assert len(coco.getAnnIds()) == 2
