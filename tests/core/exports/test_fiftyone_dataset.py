"""FiftyOne's dataset format, held against its layout; `test_fiftyone_loads.py` loads it."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.errors import FolderError
from core.exports.fiftyone_dataset import write_fiftyone
from core.exports.placing import on_photo
from core.exports.rows import record_for, rows_of
from core.models import registry
from tests.core.exports.conftest import HOSTILE, LABELS, SIZES, png_of
from tests.folders import run

pytestmark = pytest.mark.usefixtures("one_thread")

FIELDS = "fiftyone.core.fields."
OF_JSON = {  # what stands in a sample for each type of field
    "StringField": str,
    "FloatField": (int, float),
    "IntField": int,
    "BooleanField": bool,
    "ObjectIdField": dict,
    "ListField": list,
    "HeatmapRangeField": list,
    "EmbeddedDocumentField": dict,
}
OF_FIELD = {
    *("name", "ftype", "embedded_doc_type", "subfield", "fields", "db_field"),
    *("description", "info", "read_only"),
}
NOT_WRITTEN = {"created_at", "last_modified_at", "_dataset_id"}  # FiftyOne sets them


@pytest.fixture
def written(tmp_path):
    def call(made, out="dataset"):
        place = tmp_path / out
        return place, write_fiftyone(made.results, record_for(made.results), place)

    return call


def read(place):
    """Metadata and samples by path, after their layout was checked."""
    metadata = json.loads((place / "metadata.json").read_text("utf-8"))
    samples = json.loads((place / "samples.json").read_text("utf-8"))
    assert set(samples) == {"samples"}
    assert {each.name for each in place.iterdir()} <= {
        *("metadata.json", "samples.json", "data", "fields"),
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert metadata["media_type"] == "image"
    fields = {each["name"]: each for each in metadata["sample_fields"]}
    assert len(fields) == len(metadata["sample_fields"])
    for each in metadata["sample_fields"]:
        check_field(each)
    assert {"id", "filepath", "tags", "metadata", *NOT_WRITTEN} <= set(fields)
    ids = [each["_id"]["$oid"] for each in samples["samples"]]
    assert len(set(ids)) == len(ids)
    for sample in samples["samples"]:
        check_document(sample, fields, {"_id": "id"})
        assert sample["filepath"].startswith("data/")
        assert ".." not in sample["filepath"].split("/")
        if "metadata" in sample:
            assert (place / sample["filepath"]).is_file()
            with Image.open(place / sample["filepath"]) as file:
                assert sorted(file.size) == sorted(
                    (sample["metadata"]["width"], sample["metadata"]["height"])
                )
    return metadata, {each["path"]: each for each in samples["samples"]}


def check_field(field):
    assert set(field) == OF_FIELD
    assert field["ftype"].removeprefix(FIELDS) in {*OF_JSON, *OTHERS}
    assert field["db_field"] == ("_id" if field["name"] == "id" else field["name"])
    assert re.fullmatch(r"_?[a-z][a-z0-9_]*", field["name"])
    embedded = field["embedded_doc_type"]
    listed = field["ftype"].endswith("ListField")
    holds = field["subfield"] if listed else field["ftype"]
    assert (embedded is not None) == holds.endswith("EmbeddedDocumentField")
    assert bool(field["fields"]) == (embedded is not None)
    for each in field["fields"]:
        check_field(each)


OTHERS = ("DateTimeField", "VectorField", "ArrayField")  # none of ours is written


def check_document(document, fields, others):
    """Every value has a field of its type; every label the class that its field says."""
    for name, value in document.items():
        if name == "_cls":
            continue
        field = fields[others.get(name, name)]
        kind = field["ftype"].removeprefix(FIELDS)
        assert isinstance(value, OF_JSON[kind]), name
        assert not (kind in ("IntField", "FloatField") and isinstance(value, bool)), name
        if kind == "ObjectIdField":
            assert re.fullmatch("[0-9a-f]{24}", value["$oid"])
        inner = {each["name"]: each for each in field["fields"]}
        if kind == "EmbeddedDocumentField":
            assert field["embedded_doc_type"].endswith(f".{value['_cls']}")
            check_document(value, inner, {"_id": "id"})
        if kind == "ListField" and inner:
            for each in value:
                check_document(each, inner, {"_id": "id"})


def labels(sample, field):
    return [(each["label"], each["index"]) for each in sample[field]["classifications"]]


def test_classes(made, written):
    found = made("birds")
    place, count = written(found)
    metadata, samples = read(place)
    assert (count.rows, count.maps, count.no_picture) == (5, 8, 1)
    rows = {row["path"]: row for row in found.results.table.to_pylist()}
    assert set(samples) == set(rows)
    for path, row in rows.items():
        sample = samples[path]
        if row["label"] is None:
            assert "expected" not in sample
        else:
            assert sample["expected"]["label"] == row["label_name"]
            assert sample["expected"]["index"] == row["label"]
        if row["predicted"] is None:
            assert "predicted" not in sample
        else:
            assert sample["predicted"]["label"] == row["predicted_name"]
            assert sample["predicted"]["confidence"] == row["probability"]
            top5 = list(zip(row["top5_name"], row["top5_index"], strict=True))
            assert labels(sample, "top5") == top5
        for name in ("sha256", "correct", "margin", "entropy", "loss", "seconds", "error"):
            assert sample.get(name) == row[name]
        judged = {True: ["right"], False: ["wrong"], None: []}[row["correct"]]
        assert [tag for tag in sample["tags"] if tag in ("right", "wrong")] == judged
    assert samples["broken.png"]["tags"] == ["error", "picture missing"]
    assert metadata["info"]["weights_sha256"] == found.results.manifest["weights_sha256"]
    assert metadata["info"]["settings"]["target"] == "predicted"
    assert (place / "data" / "pictures" / HOSTILE).read_bytes() == (
        found.pictures / HOSTILE
    ).read_bytes()


@pytest.mark.parametrize("name", ["birds", "pond", "point", "bands"])
def test_a_heatmap_is_the_map_on_the_photo(made, written, name):
    found = made(name)
    place, _ = written(found)
    _, samples = read(place)
    record = registry.record(name)
    heatmaps = 0
    for row in rows_of(found.results, record):
        sample = samples[row.cells["path"]]
        known = [each for key, each in sample.items() if key.startswith("map_")]
        assert len(known) == (len(row.maps) if row.picture else 0)
        for told, made_map in zip(known, row.maps, strict=False):
            assert told["_cls"] == "Heatmap"
            assert told["range"] == [1.0, 255.0]
            assert told["units"] == made_map.units
            assert told["explains"] == made_map.target_name
            pixels = png_of(place / told["map_path"]).astype(float)
            photo = row.picture.image.size
            assert abs(pixels.shape[1] / pixels.shape[0] - photo[0] / photo[1]) < 0.05
            seen = record.preprocessing.seen(photo, None)
            values, inside = on_photo(made_map.values, seen, photo, pixels.shape[::-1])
            assert np.array_equal(pixels == 0, ~inside)
            read_back = told["low"] + (pixels - 1) / 254 * (told["high"] - told["low"])
            step = (told["high"] - told["low"]) / 254
            assert np.abs(read_back - values)[inside].max() <= step / 2 * 1.001
            assert told["high"] == np.abs(made_map.values).max()
            assert (pixels[inside & (values == 0)] == 128).all()
            heatmaps += 1
    assert heatmaps >= 4


def test_labels(made, written):
    found = made("pond")
    place, _ = written(found)
    _, samples = read(place)
    for row in found.results.table.to_pylist():
        sample = samples[row["path"]]
        for column, field in (("expected", "expected"), ("held", "predicted")):
            if row[f"{column}_index"] is None:
                assert field not in sample
                continue
            both = zip(row[f"{column}_name"], row[f"{column}_index"], strict=True)
            assert labels(sample, field) == list(both)
        if row["held_index"] is not None:
            chances = [each["confidence"] for each in sample["predicted"]["classifications"]]
            assert chances == row["held_probability"]
        fields = {
            f"map_{method}_{label}_{LABELS[label]}"
            for label in row["maps_index"] or []
            for method in ("occlusion", "ig")
        }
        assert {key for key in sample if key.startswith("map_")} == fields


def test_values(made, written):
    place, _ = written(made("age"))
    _, samples = read(place)
    assert samples[HOSTILE]["expected"]["value"] == 30
    assert samples[HOSTILE]["predicted"]["unit"] == "years"
    assert "expected" not in samples["c.jpg"]
    assert "predicted" not in samples["broken.png"]
    assert "right" not in samples[HOSTILE]["tags"]
    place, _ = written(made("point"), "several")
    _, samples = read(place)
    row = made("point").results.table.to_pylist()
    for each in row:
        for output, name in enumerate(("predicted_0_x", "predicted_1_y_coordinate")):
            known = samples[each["path"]].get(name, {}).get("value")
            assert known == (None if each["value"] is None else each["value"][output])


def test_one_logit(made, written):
    place, _ = written(made("crack"))
    _, samples = read(place)
    assert {each["label"] for each in samples[HOSTILE]["top5"]["classifications"]} == {
        "sound",
        "defect",
    }


def test_what_no_browser_shows_is_shown_as_png(made, written):
    found = made("bands")
    place, _ = written(found)
    _, samples = read(place)
    for path in ("array.npy", "pages.tif"):
        assert re.fullmatch(r"data/shown/\d{7}\.png", samples[path]["filepath"])
        assert png_of(place / samples[path]["filepath"]).shape == (70, 90, 3)


def test_moved_pictures_leave_their_rows(made, written, moved):
    place, count = written(moved(made("birds")))
    _, samples = read(place)
    assert (count.rows, count.no_picture, count.maps, count.unplaced) == (5, 5, 0, 8)
    assert all("picture missing" in each["tags"] for each in samples.values())
    assert not (place / "data").exists()
    assert samples[HOSTILE]["predicted"]["label"]


def test_a_picture_that_is_another_one_now_has_a_sample_without_it(made, written, changed):
    found = made("birds")
    place, count = written(changed(found))
    _, samples = read(place)
    assert (count.replaced, count.maps, count.unplaced) == (["d.png"], 6, 2)
    sample = samples["d.png"]
    assert "picture changed" in sample["tags"]
    assert "picture missing" not in sample["tags"]
    assert not any(name.startswith("map_") for name in sample)
    assert not (place / sample["filepath"]).exists()
    assert sample["predicted"]["label"]  # which the run said of the picture that it read
    assert "picture changed" not in samples["c.jpg"]["tags"]


def test_no_rows(written, empty):
    place, count = written(empty)
    metadata, samples = read(place)
    assert samples == {}
    assert count.rows == 0
    assert metadata["name"] == "empty"


def test_a_run_that_was_resumed_is_exported_as_one_that_was_not(made, written, tmp_path):
    found, out = made("birds"), tmp_path / "birds"
    given = ("--models", str(found.models), "--model", "birds")
    options = ("--methods", "occlusion,ig", "--window", "32", "--stride", "32", "--steps", "2")
    assert run(found.pictures / "birds.csv", out, *given, *options) == 0
    for path in sorted(out.glob("maps/*/*"))[:2]:
        path.unlink()
    assert run(found.pictures / "birds.csv", out, *given, *options) == 0
    again = type(found)(out, found.pictures, found.models)
    first, second = (
        {path.relative_to(place).as_posix(): path.read_bytes() for path in place.glob("fields/*/*")}
        for place in (written(found, "first")[0], written(again, "second")[0])
    )
    assert first == second
    assert len(first) == 8


def test_maps_that_are_gone_are_counted(made, written, tmp_path):
    found = made("birds")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("manifest.json", "results.parquet"):
        (out / name).write_bytes((found.out / name).read_bytes())
    place, count = written(type(found)(out, found.pictures, found.models))
    read(place)
    assert (count.no_maps, count.maps) == (4, 0)


@pytest.mark.parametrize("path", ["../../etc/passwd.png", "/etc/passwd.png", "a/../../b.png"])
def test_a_path_that_leads_out_leads_nowhere(made, written, tmp_path, path):
    found, out = made("birds"), tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_bytes((found.out / "manifest.json").read_bytes())
    table = found.results.table.slice(0, 1)
    rows = [{**row, "path": path} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), out / "results.parquet")
    place, _ = written(type(found)(out, found.pictures, found.models))
    (sample,) = json.loads((place / "samples.json").read_text())["samples"]
    assert sample["filepath"] == "data/pictures/row-0"


def test_a_folder_in_use_is_left_alone(made, tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(FolderError, match="is there already: choose a folder"):
        write_fiftyone(made("birds").results, record_for(made("birds").results), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_stopped_leaves_nothing(made, tmp_path):
    def stop(_done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_fiftyone(
            made("birds").results, record_for(made("birds").results), tmp_path / "out", stop
        )
    assert list(tmp_path.iterdir()) == []


def test_the_same_results_make_the_same_files(made, written):
    found = made("birds")
    first, second = (written(found, name)[0] for name in ("one", "two"))
    for name in ("metadata.json", "samples.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_sizes_are_those_of_the_upright_photo(made, written):
    place, _ = written(made("birds"))
    _, samples = read(place)
    for name, size in SIZES.items():
        known = samples[name]["metadata"]
        assert (known["width"], known["height"]) == size
